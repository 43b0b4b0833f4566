//! Replays inputs through the coverage worker: what became of each, and what it reached.

use report::GrowthPoint;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;
use worker::counters::ranges_to_text;
use worker::protocol::Command;

use super::batches::Questions;
use super::contents::Contents;
use super::probes::Evaluation;
use super::regions::{Growth, RegionSet};
use super::source_map::{SourceMap, Tally};
use crate::replay::Verdict;

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
    #[serde(skip_serializing_if = "is_zero")]
    pub not_judged: usize,
    #[serde(skip_serializing_if = "is_zero")]
    pub known: usize,
    pub failed: usize,
    pub errors: usize,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl Verdicts {
    fn count(&mut self, verdict: &Verdict) {
        *match verdict {
            Verdict::Pass => &mut self.passed,
            Verdict::Rejected { .. } => &mut self.rejected,
            Verdict::NotJudged { .. } => &mut self.not_judged,
            Verdict::Known { .. } => &mut self.known,
            Verdict::Fail(_) => &mut self.failed,
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

/// The class of how often something was executed, as in AFL++ and libFuzzer: 1 to 8 for 1, 2, 3, 4–7, 8–15,
/// 16–31, 32–127, or more often. 0 is never.
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

/// One input's result, from [`Replay::hits`] or [`Replay::regions`].
#[derive(Debug)]
pub struct Hits<'a> {
    /// The input, by its place.
    pub input: usize,
    /// Its length in bytes; 0 when it cannot be read.
    pub length: usize,
    /// What became of it.
    pub verdict: Verdict,
    /// The regions reached, by their numbers in the [`SourceMap`], ascending. Each has its [`hits_class`]: that
    /// of the copy that was executed most often.
    pub regions: &'a [(usize, u8)],
    /// How often anything that is counted was executed, added up: the same each time and on every machine.
    pub work: u64,
    /// What else it did: see [`worker::Events`], a line each; empty for [`Replay::regions`].
    pub events: &'a str,
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
    /// Replays the inputs in the order in which they arrived, and returns what they reach together.
    ///
    /// An input on which the worker dies or hangs is recorded with what it had reached until then. A new worker
    /// continues with the next.
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
        self.regions(&paths.as_slice(), |hits| {
            let input = inputs[hits.input];
            let is_new = tally.add(hits.regions.iter().map(|&(region, _)| region));
            verdicts.count(&hits.verdict);
            let is_last = hits.input + 1 == inputs.len();
            if !hits.verdict.is_fine() {
                finds.push(Find {
                    path: input.path.clone(),
                    verdict: hits.verdict,
                });
            }
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

    /// Replays the inputs in the order given and hands `visit` what each reached *by itself*. For an input on
    /// which the worker died or hung, or which failed a check, this is at least a part of what it reached:
    /// regions whose counter is a difference are missing.
    ///
    /// # Errors
    /// As [`grow`](Self::grow), and those of `visit`.
    pub fn each(
        &self,
        paths: &[&Path],
        mut visit: impl FnMut(Reached) -> Result<()>,
    ) -> Result<()> {
        self.regions(&paths, |hits| {
            visit(Reached {
                input: hits.input,
                verdict: hits.verdict,
                regions: hits.regions.iter().map(|&(region, _)| region).collect(),
            })
        })
    }

    /// As [`each`](Self::each), for inputs from anywhere, and with how often each region was executed.
    ///
    /// # Errors
    /// As [`each`](Self::each).
    pub fn regions(
        &self,
        contents: &dyn Contents,
        visit: impl FnMut(Hits<'_>) -> Result<()>,
    ) -> Result<()> {
        self.ask(Command::Run, contents, visit)
    }

    /// As [`regions`](Self::regions), and slower, with what else each input did.
    ///
    /// # Errors
    /// As [`each`](Self::each).
    pub fn hits(
        &self,
        contents: &dyn Contents,
        visit: impl FnMut(Hits<'_>) -> Result<()>,
    ) -> Result<()> {
        self.ask(Command::Trace, contents, visit)
    }

    fn ask(
        &self,
        command: Command,
        contents: &dyn Contents,
        mut visit: impl FnMut(Hits<'_>) -> Result<()>,
    ) -> Result<()> {
        let questions = Questions {
            binary: self.binary,
            counters: ranges_to_text(&self.map.probes().counters()),
            command,
            target: self.target,
            contents,
            timeout: self.timeout,
        };
        let mut evaluation = Evaluation::new(self.map.probes());
        let mut classes = vec![0; self.map.regions().len()];
        let mut regions: Vec<(usize, u8)> = Vec::new();
        questions.ask(&mut |input, length, answer| {
            regions.clear();
            let mut work = 0_u64;
            let returned = !matches!(answer.verdict, Verdict::Fail(_));
            for &(probe, times) in evaluation.reached(&answer.grown, returned) {
                work = work.saturating_add(times);
                let class = hits_class(times);
                for &region in self.map.regions_of_probe(probe) {
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
            visit(Hits {
                input,
                length,
                verdict: answer.verdict,
                regions: &regions,
                work,
                events: &answer.events,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_in_the_classes_of_the_engines() {
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
