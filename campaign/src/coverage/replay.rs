//! Replaying inputs through the coverage worker: what became of each, and what it reached.

use super::regions::{Growth, GrowthPoint, RegionSet};
use super::source_map::SourceMap;
use super::tally::Tally;
use super::worker_process::{Death, Settings};
use crate::replay::Verdict;
use anyhow::{Context, Result};
use harness_core::counters::{Profile, Report};
use harness_core::worker::escape;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// An input that an engine kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// The file.
    pub path: PathBuf,
    /// When it was found: milliseconds since the campaign's start. 0 for a seed.
    pub time_ms: u64,
    /// What the engine had executed by then. 0 for a seed.
    pub executions: u64,
}

/// How many inputs had which [`Verdict`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "named as the verdicts are")]
pub struct Verdicts {
    pub passed: usize,
    pub rejected: usize,
    pub failed: usize,
    pub errors: usize,
}

impl Verdicts {
    fn count(&mut self, verdict: &Verdict) {
        *match verdict {
            Verdict::Pass => &mut self.passed,
            Verdict::Rejected { .. } => &mut self.rejected,
            Verdict::Fail { .. } => &mut self.failed,
            Verdict::Error { .. } => &mut self.errors,
        } += 1;
    }
}

/// An input that neither passed nor was rejected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Find {
    /// The file.
    pub path: PathBuf,
    /// What became of it.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// One input's result, from [`Replay::each`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// The input, by its place in the list.
    pub input: usize,
    /// What became of it.
    pub verdict: Verdict,
    /// The regions reached, by their numbers in the [`SourceMap`].
    pub regions: BTreeSet<usize>,
}

/// One input's result, from [`Replay::trace`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Traced {
    /// The input, by its place in the list.
    pub input: usize,
    /// What became of it.
    pub verdict: Verdict,
    /// The regions reached, by their numbers in the [`SourceMap`], each with its
    /// [`hits_class`](harness_core::counters::hits_class): of the copy that was executed most often.
    pub regions: BTreeMap<usize, u8>,
    /// What it did beside that: see [`harness_core::trace`].
    pub deeds: Vec<String>,
}

/// What a whole corpus reached.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Replayed {
    /// How many inputs had which verdict.
    pub verdicts: Verdicts,
    /// Those that neither passed nor were rejected, in order of arrival.
    pub finds: Vec<Find>,
    /// Coverage over time and executions.
    pub growth: Growth,
    /// Every region reached.
    pub covered: RegionSet,
    /// How many inputs were replayed a second.
    pub inputs_per_second: f64,
}

/// Replays inputs of one target.
#[derive(Debug, Clone)]
pub struct Replay<'a> {
    /// The worker, from [`NeutralBuild::build`](super::NeutralBuild::build).
    pub binary: &'a Path,
    /// The map of that binary.
    pub map: &'a SourceMap,
    /// The target's name.
    pub target: &'a str,
    /// How long one input may take.
    pub timeout: Duration,
}

impl Replay<'_> {
    /// Replays the inputs in the order in which they arrived, and says what they reach together.
    ///
    /// An input on which the worker dies or hangs is recorded, with what it had reached until then; a new
    /// worker goes on with the next.
    ///
    /// # Errors
    /// When the worker cannot be started or does not report coverage; I/O errors.
    pub fn grow(&self, inputs: &[Input]) -> Result<Replayed> {
        let mut inputs: Vec<&Input> = inputs.iter().collect();
        inputs.sort_by_key(|input| (input.time_ms, input.executions));
        let paths: Vec<&Path> = inputs.iter().map(|input| input.path.as_path()).collect();

        let mut verdicts = Verdicts::default();
        let mut finds = Vec::new();
        let mut points: Vec<GrowthPoint> = Vec::new();
        let mut tally = Tally::new(self.map);
        let start = Instant::now();
        self.run(&paths, Report::New, |reached| {
            let input = inputs[reached.input];
            let is_new = tally.add(reached.regions);
            verdicts.count(&reached.verdict);
            if !matches!(reached.verdict, Verdict::Pass | Verdict::Rejected { .. }) {
                finds.push(Find {
                    path: input.path.clone(),
                    verdict: reached.verdict,
                });
            }
            let is_last = reached.input + 1 == inputs.len();
            if is_new || is_last {
                points.push(GrowthPoint {
                    time_ms: input.time_ms,
                    executions: input.executions,
                    regions: tally.regions().len(),
                    lines: tally.lines(),
                    functions: tally.functions(),
                });
            }
            Ok(())
        })?;
        Ok(Replayed {
            verdicts,
            finds,
            growth: Growth { points },
            covered: self.map.set(tally.regions()),
            inputs_per_second: inputs.len() as f64 / start.elapsed().as_secs_f64(),
        })
    }

    /// Replays the inputs in the order given and hands `visit` what each reached *by itself*; for an input on
    /// which the worker died or hung, or which failed a check, at least a part of that: regions whose
    /// counter is a difference are missing.
    ///
    /// # Errors
    /// As [`grow`](Self::grow), and those of `visit`.
    pub fn each(&self, paths: &[&Path], visit: impl FnMut(Reached) -> Result<()>) -> Result<()> {
        self.run(paths, Report::All, visit)
    }

    /// As [`each`](Self::each), and tells how often each region was executed, and what else the input did.
    ///
    /// # Errors
    /// As [`each`](Self::each).
    pub fn trace(
        &self,
        paths: &[&Path],
        mut visit: impl FnMut(Traced) -> Result<()>,
    ) -> Result<()> {
        self.drive("trace", paths, Report::Counts, |input, ended, hits| {
            let mut regions = BTreeMap::new();
            for (region, class) in hits {
                let most: &mut u8 = regions.entry(region).or_default();
                *most = class.max(*most);
            }
            let (verdict, deeds) = match ended {
                Ok(fields) => match fields.as_slice() {
                    [kind, deeds, verdict @ ..] if kind == "traced" => (
                        Verdict::of_answer(verdict)?,
                        deeds.lines().map(str::to_owned).collect(),
                    ),
                    other => (Verdict::of_answer(other)?, Vec::new()),
                },
                Err(verdict) => (verdict, Vec::new()),
            };
            visit(Traced {
                input,
                verdict,
                regions,
                deeds,
            })
        })
    }

    fn run(
        &self,
        paths: &[&Path],
        report: Report,
        mut visit: impl FnMut(Reached) -> Result<()>,
    ) -> Result<()> {
        self.drive("run", paths, report, |input, ended, hits| {
            visit(Reached {
                input,
                verdict: match ended {
                    Ok(fields) => Verdict::of_answer(&fields)?,
                    Err(verdict) => verdict,
                },
                regions: hits.into_iter().map(|(region, _)| region).collect(),
            })
        })
    }

    /// Asks a worker `command` of every input, and hands `visit` the input's number, the answer's fields or the
    /// verdict on the worker that died of it, and the regions reached with the class of how often.
    fn drive(
        &self,
        command: &str,
        paths: &[&Path],
        report: Report,
        mut visit: impl FnMut(usize, Result<Vec<String>, Verdict>, Vec<(usize, u8)>) -> Result<()>,
    ) -> Result<()> {
        let requests = paths.iter().map(|path| self.request(command, path));
        let requests: Vec<String> = requests.collect::<Result<_>>()?;
        let folder = tempfile::tempdir().context("no temporary folder")?;
        let workers = Settings {
            binary: self.binary,
            folder: folder.path(),
            report,
            timeout: self.timeout,
        };
        workers.prepare(self.map.probes())?;

        let mut next = 0;
        for number in 0.. {
            if next == requests.len() {
                break;
            }
            let death = workers.run(number, &requests[next..], |answer| {
                let probes = answer.reached.iter();
                let hits = probes.flat_map(|&(probe, class)| {
                    let regions = self.map.regions_of_probe(probe);
                    regions.map(move |region| (region, class))
                });
                visit(next, Ok(answer.fields), hits.collect())?;
                next += 1;
                Ok(())
            })?;
            let profile = workers.profile(number);
            if let Some(death) = death {
                let counters = Profile::open(&profile).context("a dead worker's profile")?;
                let regions = self.map.reached_in(&counters, true)?;
                let verdict = match death {
                    Death::Crashed(how) => Verdict::died(&how),
                    Death::Hung => Verdict::hung(self.timeout),
                };
                let hits = regions.into_iter().map(|region| (region, 0));
                visit(next, Err(verdict), hits.collect())?;
                next += 1;
            }
            std::fs::remove_file(profile).context("a worker's profile")?;
        }
        Ok(())
    }

    fn request(&self, command: &str, path: &Path) -> Result<String> {
        let path = path
            .to_str()
            .with_context(|| format!("{} is not UTF-8", path.display()))?;
        let (target, path) = (escape(self.target), escape(path));
        Ok(format!("{command}\t{target}\t{path}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_find_in_json_is_flat() {
        let find = Find {
            path: "a".into(),
            verdict: Verdict::Rejected {
                why: "short".into(),
            },
        };
        let json = serde_json::to_string(&find).unwrap();
        assert_eq!(json, r#"{"path":"a","verdict":"rejected","why":"short"}"#);
    }
}
