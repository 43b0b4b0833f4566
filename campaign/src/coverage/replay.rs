//! Replaying inputs through the coverage worker: what became of each, and what it reached.

use report::GrowthPoint;

use super::batches::{Questions, Told};
use super::contents::Contents;

use super::regions::{Growth, RegionSet};
use super::source_map::SourceMap;
use super::tally::Tally;
use super::worker_process::Settings;
use crate::replay::Verdict;
use anyhow::{Context, Result};
use harness_core::counters::Report;
use harness_core::worker::unescape;
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
    /// [`hits_class`]: of the copy that was executed most often.
    pub regions: BTreeMap<usize, u8>,
    /// What it did beside that: see [`harness_core::trace`].
    pub deeds: Vec<String>,
}

/// How often something was executed, as AFL++ and libFuzzer tell it apart: 1, 2, 3, 4–7, 8–15, 16–31,
/// 32–127, or more often, as 1 to 8. 0 is never.
#[must_use]
pub const fn hits_class(times: u64) -> u8 {
    match times {
        0 => 0,
        1 => 1,
        2 => 2,
        3 => 3,
        4..=7 => 4,
        8..=15 => 5,
        16..=31 => 6,
        32..=127 => 7,
        128.. => 8,
    }
}

/// One input's result, from [`Replay::hits`].
#[derive(Debug)]
pub struct Hits<'a> {
    /// The input, by its place.
    pub input: usize,
    /// What became of it.
    pub verdict: Verdict,
    /// As [`Traced::regions`]; 0 for the class when the worker died of the input.
    pub regions: &'a [(usize, u8)],
    /// How often anything that was counted was executed, added up: work that is the same each time and on
    /// every machine. 0 when that was not asked.
    pub work: u64,
    /// As [`Traced::deeds`], a line each.
    pub deeds: &'a str,
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
        self.hits(&paths, |hits| {
            visit(Traced {
                input: hits.input,
                verdict: hits.verdict,
                regions: hits.regions.iter().copied().collect(),
                deeds: hits.deeds.lines().map(str::to_owned).collect(),
            })
        })
    }

    /// As [`trace`](Self::trace), for inputs from anywhere, and without a map for each.
    ///
    /// # Errors
    /// As [`each`](Self::each).
    pub fn hits(
        &self,
        contents: &dyn Contents,
        visit: impl FnMut(Hits<'_>) -> Result<()>,
    ) -> Result<()> {
        self.look("trace", Report::Counts, contents, visit)
    }

    /// As [`hits`](Self::hits), and faster: every region reached is in the class 1, and no deeds are told.
    ///
    /// # Errors
    /// As [`each`](Self::each).
    pub fn regions(
        &self,
        contents: &dyn Contents,
        visit: impl FnMut(Hits<'_>) -> Result<()>,
    ) -> Result<()> {
        self.look("run", Report::All, contents, visit)
    }

    fn look(
        &self,
        command: &str,
        report: Report,
        contents: &dyn Contents,
        mut visit: impl FnMut(Hits<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut classes = vec![0; self.map.regions().len()];
        let mut regions: Vec<(usize, u8)> = Vec::new();
        self.ask(command, contents, report, &mut |input, told| {
            regions.clear();
            let mut work = 0_u64;
            let (verdict, deeds) = match told {
                Told::Unreadable(message) => (Verdict::Error { message }, String::new()),
                Told::Died(verdict, reached) => {
                    regions.extend(reached.into_iter().map(|region| (region, 0)));
                    (verdict, String::new())
                }
                Told::Answer(fields, hits) => {
                    for &(probe, times) in hits {
                        work = work.saturating_add(times);
                        let class = hits_class(times.max(1));
                        for region in self.map.regions_of_probe(probe) {
                            if classes[region] == 0 {
                                regions.push((region, 0));
                            }
                            classes[region] = class.max(classes[region]);
                        }
                    }
                    regions.sort_unstable();
                    for (region, class) in &mut regions {
                        *class = std::mem::take(&mut classes[*region]);
                    }
                    split_deeds(fields)?
                }
            };
            visit(Hits {
                input,
                verdict,
                regions: &regions,
                work,
                deeds: &deeds,
            })
        })
    }

    fn run(
        &self,
        paths: &[&Path],
        report: Report,
        mut visit: impl FnMut(Reached) -> Result<()>,
    ) -> Result<()> {
        self.ask("run", &paths, report, &mut |input, told| {
            let (verdict, regions) = match told {
                Told::Unreadable(message) => (Verdict::Error { message }, BTreeSet::new()),
                Told::Died(verdict, regions) => (verdict, regions),
                Told::Answer(fields, hits) => {
                    let probes = hits.iter().map(|&(probe, _)| probe);
                    let regions = probes.flat_map(|probe| self.map.regions_of_probe(probe));
                    (verdict(fields)?, regions.collect())
                }
            };
            visit(Reached {
                input,
                verdict,
                regions,
            })
        })
    }

    fn ask(
        &self,
        command: &str,
        contents: &dyn Contents,
        report: Report,
        visit: &mut dyn FnMut(usize, Told<'_>) -> Result<()>,
    ) -> Result<()> {
        let folder = tempfile::tempdir().context("no temporary folder")?;
        let questions = Questions {
            workers: Settings {
                binary: self.binary,
                folder: folder.path(),
                report,
            },
            command,
            target: self.target,
            contents,
            map: self.map,
            timeout: self.timeout,
        };
        questions.ask(visit)
    }
}

/// The verdict that the escaped fields of an answer tell.
fn verdict(fields: &[u8]) -> Result<Verdict> {
    if fields == b"pass" {
        return Ok(Verdict::Pass);
    }
    let fields = String::from_utf8_lossy(fields);
    Verdict::of_answer(&fields.split('\t').map(unescape).collect::<Vec<_>>())
}

/// The verdict and the deeds in an answer to `trace`.
fn split_deeds(fields: &[u8]) -> Result<(Verdict, String)> {
    let Some(rest) = fields.strip_prefix(b"traced\t") else {
        return Ok((verdict(fields)?, String::new()));
    };
    let tab = rest.iter().position(|&byte| byte == b'\t');
    let (deeds, of_verdict) = rest.split_at(tab.context("an answer without a verdict")?);
    let deeds = unescape(&String::from_utf8_lossy(deeds));
    Ok((verdict(&of_verdict[1..])?, deeds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_told_apart_as_engines_do() {
        let classes = [0, 1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 127, 128, u64::MAX].map(hits_class);
        assert_eq!(classes, [0, 1, 2, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8]);
    }

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
