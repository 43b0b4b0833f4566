//! Replays inputs through the coverage worker: what became of each, and what it reached.
//!
//! Inputs go to a worker in batches, which saves most of what a small input costs. When a worker dies or falls
//! silent in a batch, the unanswered inputs are replayed one by one. What happens then is due to that input alone,
//! and so are the counters that a dead worker leaves.

use std::collections::{BTreeSet, VecDeque};
use std::fs::{self, File};
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Error, Result};
use report::GrowthPoint;
use tempfile::TempDir;
use worker::Crash;
use worker::batch::{Inputs, SEND_AFTER};
use worker::counters::{COUNTERS_VARIABLE, PROFILE_VARIABLE, ranges_to_text};
use worker::protocol::{Command, Reply, Response};

use super::probes::Evaluation;
use super::profile::{self, Profile};
use super::source_map::{SourceMap, Tally};
use crate::replay::Verdict;
use crate::replay::process::{Worker, unexpected};

/// How many inputs a batch has at most: also how many are run again when one of them kills a worker.
const BATCH_INPUTS: usize = 512;
/// A batch takes no more inputs when it has so many bytes.
const BATCH_BYTES: usize = 256 << 10;
/// How many batches are under way: the worker runs one, and has the next when it is done.
const BATCHES_AHEAD: usize = 2;
/// How long a worker may be silent in a batch before its inputs are replayed one by one, when one input may
/// take longer.
const BATCH_PATIENCE: Duration = Duration::from_secs(1);

/// Inputs that can be read by their place.
pub trait Contents {
    /// The number of inputs.
    fn count(&self) -> usize;

    /// Appends the content of the input at `place`, which is below [`count`](Self::count), to `buffer`. When it
    /// fails, the error says why, and the caller discards what was appended.
    fn append(&self, place: usize, buffer: &mut Vec<u8>) -> Result<(), String>;
}

impl<P: AsRef<Path>> Contents for &[P] {
    fn count(&self) -> usize {
        self.len()
    }

    fn append(&self, place: usize, buffer: &mut Vec<u8>) -> Result<(), String> {
        let path = self[place].as_ref();
        File::open(path)
            .and_then(|mut file| file.read_to_end(buffer))
            .map(|_| ())
            .map_err(|why| format!("{}: {why}", path.display()))
    }
}

/// Inputs in memory.
#[derive(Debug)]
pub struct InMemory<'a>(pub Vec<&'a [u8]>);

impl Contents for InMemory<'_> {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn append(&self, place: usize, buffer: &mut Vec<u8>) -> Result<(), String> {
        buffer.extend_from_slice(self.0[place]);
        Ok(())
    }
}

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

/// The class of how often something was executed, as in AFL++ and libFuzzer: 1 to 8 for 1, 2, 3, 4–7, 8–15,
/// 16–31, 32–127, or more often. 0 is never.
pub(crate) const fn hits_class(times: u64) -> u8 {
    match times {
        0..=3 => times as u8,
        4..=7 => 4,
        8..=15 => 5,
        16..=31 => 6,
        32..=127 => 7,
        128.. => 8,
    }
}

/// One input's result.
#[derive(Debug)]
pub struct Hits<'a> {
    /// The input, by its place.
    pub input: usize,
    /// Its length in bytes; 0 when it cannot be read.
    pub length: usize,
    /// What became of it.
    pub verdict: Verdict,
    /// The regions reached, by their numbers in the [`SourceMap`], ascending. Each has its `hits_class`: that
    /// of the copy that was executed most often.
    pub regions: &'a [(usize, u8)],
    /// How often anything that is counted was executed, added up: the same each time and on every machine.
    pub work: u64,
    /// What else it did: see [`worker::Events`], a line each; empty for [`Replay::regions`].
    pub events: &'a str,
}

impl Hits<'_> {
    /// The numbers of the regions reached.
    pub fn numbers(&self) -> impl Iterator<Item = usize> {
        self.regions.iter().map(|&(region, _)| region)
    }

    /// Whether it neither passed nor was rejected.
    pub(crate) fn is_find(&self) -> bool {
        !self.verdict.is_fine()
    }
}

/// What a whole corpus reached.
#[derive(Debug, Clone, PartialEq)]
pub struct Replayed {
    /// Inputs that neither passed nor were rejected, in order of arrival, with what became of them.
    pub finds: Vec<(PathBuf, Verdict)>,
    /// Coverage over time and executions: a point wherever an input reached something new, and one for the last.
    pub growth: Vec<GrowthPoint>,
    /// Every region reached, by its number.
    pub covered: BTreeSet<usize>,
}

/// Replays inputs of one target.
#[derive(Debug, Clone)]
pub struct Replay<'a> {
    /// The worker, built [for coverage](super::build_worker).
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
    /// continues with the next. Fails when the worker cannot be started or does not report coverage.
    pub fn grow(&self, inputs: &[Input]) -> Result<Replayed> {
        let mut inputs: Vec<&Input> = inputs.iter().collect();
        inputs.sort_by_key(|input| (input.time_ms, input.executions));
        let paths: Vec<&Path> = inputs.iter().map(|input| input.path.as_path()).collect();
        let mut finds = Vec::new();
        let mut growth: Vec<GrowthPoint> = Vec::new();
        let mut tally = Tally::new(self.map);
        self.regions(&paths.as_slice(), |hits| {
            let input = inputs[hits.input];
            let is_new = tally.add(hits.numbers());
            if is_new || hits.input + 1 == inputs.len() {
                let reach = tally.reach();
                growth.push(GrowthPoint {
                    time_ms: input.time_ms,
                    executions: input.executions,
                    regions: reach.regions,
                    lines: reach.lines,
                    functions: reach.functions,
                });
            }
            if hits.is_find() {
                finds.push((input.path.clone(), hits.verdict));
            }
            Ok(())
        })?;
        Ok(Replayed {
            finds,
            growth,
            covered: tally.regions(),
        })
    }

    /// Replays the inputs in the order given and hands `visit` what each reached *by itself*. For an input on
    /// which the worker died or hung, or which failed a check, this is at least a part of what it reached:
    /// regions whose counter is a difference are missing. Fails as [`grow`](Self::grow), and those of `visit`.
    pub fn regions(
        &self,
        contents: &dyn Contents,
        visit: impl FnMut(Hits<'_>) -> Result<()>,
    ) -> Result<()> {
        self.ask(Command::Run, contents, visit)
    }

    /// As [`regions`](Self::regions), and slower, with what else each input did. Fails as [`regions`](Self::regions).
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
            replay: self,
            counters: ranges_to_text(&self.map.probes.counters()),
            command,
            contents,
        };
        let mut evaluation = Evaluation::new(&self.map.probes);
        let mut classes = vec![0; self.map.regions().len()];
        let mut regions: Vec<(usize, u8)> = Vec::new();
        questions.ask(&mut |input, length, answer| {
            regions.clear();
            let mut work = 0_u64;
            let returned = !matches!(answer.verdict, Verdict::Fail(_));
            for &(probe, times) in evaluation.reached(&answer.grown, returned) {
                work = work.saturating_add(times);
                let class = hits_class(times);
                for &region in &self.map.regions_of[probe] {
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

/// A command for many inputs.
struct Questions<'a> {
    replay: &'a Replay<'a>,
    /// The counters to watch, as [`worker::counters::parse_ranges`] reads them.
    counters: String,
    command: Command,
    contents: &'a dyn Contents,
}

/// An input's place, its length in bytes (0 when it cannot be read), and the answer.
type Visit<'a> = dyn FnMut(usize, usize, Answer) -> Result<()> + 'a;

/// A worker stopped answering.
struct Stopped {
    crash: Crash,
    /// The length of the input that it did not answer.
    length: usize,
    /// The end of that input's batch.
    end: usize,
    /// The worker's folder.
    folder: TempDir,
}

impl Questions<'_> {
    /// Asks about every input, and visits each in order.
    fn ask(&self, visit: &mut Visit<'_>) -> Result<()> {
        let (mut next, count) = (0, self.contents.count());
        while next < count {
            let Some(stopped) = self.replay(&mut next, count, false, visit)? else {
                break;
            };
            let mut is_explained = matches!(stopped.crash, Crash::Hung(_));
            while let Some(alone) = self.replay(&mut next, stopped.end, true, visit)? {
                is_explained = true;
                // The worker has ended: nothing is counted any more.
                let profile = Profile::read(&alone.folder.path().join(PROFILE));
                let answer = Answer {
                    verdict: Verdict::crashed(alone.crash, self.replay.target),
                    events: String::new(),
                    grown: profile.context("a dead worker's profile")?.counters(),
                };
                visit(next, alone.length, answer)?;
                next += 1;
            }
            if !is_explained {
                let crash = stopped.crash;
                eprintln!("in a batch {crash}; no input that ran alone is the cause");
            }
        }
        Ok(())
    }

    /// Replays the inputs from `next` to `end`, in batches or one by one, until all are done or a worker stops
    /// answering.
    fn replay(
        &self,
        next: &mut usize,
        end: usize,
        one_by_one: bool,
        visit: &mut Visit<'_>,
    ) -> Result<Option<Stopped>> {
        if *next == end {
            return Ok(None);
        }
        let timeout = self.replay.timeout;
        let (most, ahead, patience) = match one_by_one {
            // The counters that a worker leaves are those of one input: it must not have another.
            true => (1, 1, timeout),
            false => {
                let patience = timeout.min(BATCH_PATIENCE) + SEND_AFTER;
                (BATCH_INPUTS, BATCHES_AHEAD, patience)
            }
        };
        let (mut worker, folder) = self.start()?;
        // Of each batch the end, and the lengths of its inputs or why one could not be read and was not sent.
        let mut under_way = VecDeque::new();
        let mut sent = *next;
        loop {
            while under_way.len() < ahead && sent < end {
                let (lengths, request) = self.batch(sent..end.min(sent + most));
                worker.send(request);
                sent += lengths.len();
                under_way.push_back((sent, lengths));
            }
            let Some((end, lengths)) = under_way.pop_front() else {
                return Ok(None);
            };
            for length in lengths {
                match length {
                    Err(why) => visit(*next, 0, Answer::error(why))?,
                    Ok(length) => match worker.answer(patience) {
                        Ok(line) => visit(*next, length, Answer::parse(&line)?)?,
                        Err(crash) => {
                            return Ok(Some(Stopped {
                                crash,
                                length,
                                end,
                                folder,
                            }));
                        }
                    },
                }
                *next += 1;
            }
        }
    }

    /// Starts a worker. Its folder has its profile and the list of counters to watch.
    fn start(&self) -> Result<(Worker, TempDir)> {
        let folder = tempfile::tempdir().context("no temporary folder")?;
        let counters = folder.path().join("counters");
        fs::write(&counters, &self.counters).context("the list of counters cannot be written")?;
        let profile = folder.path().join(PROFILE);
        let mut command = profile::command(self.replay.binary, &profile);
        command
            .env(PROFILE_VARIABLE, &profile)
            .env(COUNTERS_VARIABLE, counters);
        Ok((Worker::start(&mut command)?.0, folder))
    }

    /// The first inputs of `places` that go together: their lengths, and the request.
    fn batch(&self, places: Range<usize>) -> (Vec<Result<usize, String>>, Vec<u8>) {
        let mut inputs = Inputs::default();
        let mut lengths = Vec::new();
        for place in places {
            lengths.push(inputs.append(|bytes| self.contents.append(place, bytes)));
            if inputs.bytes() >= BATCH_BYTES {
                break;
            }
        }
        (lengths, inputs.request(self.command, self.replay.target))
    }
}

/// A worker's profile in its folder.
const PROFILE: &str = "profraw";

/// What became of an input.
struct Answer {
    verdict: Verdict,
    /// The events of a trace: see [`Reply::Traced`].
    events: String,
    /// The counters that grew, by ascending index, and by how much.
    grown: Vec<(usize, u64)>,
}

impl Answer {
    const fn error(message: String) -> Self {
        Self {
            verdict: Verdict::Error { message },
            events: String::new(),
            grown: Vec::new(),
        }
    }

    /// Reads a worker's answer to a run or a trace, which has to have counters.
    fn parse(line: &[u8]) -> Result<Self> {
        let response = Response::parse(line).map_err(Error::msg)?;
        let grown = response.counters().map_err(Error::msg)?;
        let (verdict, events) = match response.reply {
            Reply::Verdict(verdict) => (verdict, String::new()),
            Reply::Traced { verdict, events } => (verdict, events),
            Reply::Error(message) => return Ok(Self::error(message)),
            other => return unexpected(other),
        };
        Ok(Self {
            verdict,
            events,
            grown,
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
    fn an_answer_has_the_counters_that_grew() {
        let answer = |reply: &str| {
            Answer::parse(format!(r#"{{"reply":{reply},"grown":"3:1 17:800"}}"#).as_bytes())
        };
        let pass = answer(r#"{"verdict":{"verdict":"pass"}}"#).unwrap();
        assert_eq!(pass.verdict, Verdict::Pass);
        assert_eq!(pass.grown, [(3, 1), (17, 800)]);
        let trace = r#"{"traced":{"verdict":{"verdict":"pass"},"events":"one\ntwo"}}"#;
        assert_eq!(answer(trace).unwrap().events, "one\ntwo");
        let message = "broken".to_owned();
        let broken = answer(r#"{"error":"broken"}"#).unwrap();
        assert_eq!(broken.verdict, Verdict::Error { message });
        assert!(answer(r#"{"evaluations":{}}"#).is_err());
        let without = Answer::parse(br#"{"reply":{"verdict":{"verdict":"pass"}}}"#);
        assert!(without.is_err_and(|why| why.to_string().contains("without coverage")));
    }
}
