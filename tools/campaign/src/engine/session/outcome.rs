//! What became of a session, and of each engine in it.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::exchange::Kept;
use crate::engine::Engine;

/// What an engine had executed at some time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sample {
    /// Since the session's start.
    pub time: Duration,
    /// Executions of the target.
    pub executions: u64,
}

/// How one engine stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// The engine.
    pub engine: Engine,
    /// How many cores it has; where engines take turns, how many it has in its turn, 1.
    pub workers: usize,
    /// Executions of the target.
    pub executions: u64,
    /// Executions a second until the latest report; of the whole time when it has ended.
    pub executions_per_second: f64,
    /// How many inputs it was the first to keep.
    pub kept: usize,
    /// How many inputs of others it was given.
    pub given: usize,
    /// How many files with finds it left.
    pub finds: usize,
    /// Processor time that it used, in seconds.
    pub core_seconds: f64,
    /// AFL++'s stability in percent: of the least stable instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stability: Option<f64>,
    /// Why its result does not count: it died, read no seeds, or executed nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

#[cfg(test)]
impl Figures {
    pub(crate) const fn new(engine: Engine, workers: usize) -> Self {
        Self {
            engine,
            workers,
            executions: 0,
            executions_per_second: 0.0,
            kept: 0,
            given: 0,
            finds: 0,
            core_seconds: 0.0,
            stability: None,
            failure: None,
        }
    }
}

/// What became of one engine.
#[derive(Debug)]
pub struct Outcome {
    /// Its final figures.
    pub figures: Figures,
    /// The command of its first process.
    pub command: String,
    /// The inputs that it read to begin with.
    pub seeds_read: u64,
    /// Its executions over time.
    pub samples: Vec<Sample>,
    /// Files with inputs that failed, each with when it came.
    pub finds: Vec<(PathBuf, Duration)>,
}

/// The sample in which the latest figure appeared: honggfuzz reports executions with each input that it keeps,
/// libFuzzer also when they have doubled. Until then their rate is as it was.
pub(super) fn latest_report(samples: &[Sample]) -> Sample {
    let latest = samples.last().copied().unwrap_or_default();
    let first = samples.partition_point(|sample| sample.executions < latest.executions);
    samples.get(first).copied().unwrap_or_default()
}

/// So many in some time, a second.
pub(super) fn rate(executions: u64, time: Duration) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "a rate, to be printed")]
    let executions = executions as f64;
    executions / time.as_secs_f64().max(0.001)
}

/// What became of a session.
#[derive(Debug)]
pub struct Session {
    /// When it was started.
    pub start: SystemTime,
    /// How long it ran.
    pub elapsed: Duration,
    /// Each engine.
    pub engines: Vec<Outcome>,
    /// All that was kept, in the order in which it came.
    pub kept: Vec<Kept>,
    /// The files that the engines keep as they were at the end: some are shortened since they were seen first.
    pub files: Vec<PathBuf>,
}

impl Outcome {
    /// The executions until `time`: between two samples, in proportion.
    pub(crate) fn executions_at(&self, time: Duration) -> u64 {
        let mut before = Sample::default();
        for &sample in &self.samples {
            if sample.time >= time {
                let span = (sample.time - before.time).as_millis().max(1);
                let part = (time.saturating_sub(before.time)).as_millis().min(span);
                let gain = u128::from(sample.executions.saturating_sub(before.executions));
                return before.executions + u64::try_from(gain * part / span).unwrap_or(0);
            }
            before = sample;
        }
        self.figures.executions.max(before.executions)
    }
}

impl Session {
    /// The commands as they were run, a line each.
    pub(crate) fn command(&self) -> String {
        let commands = self.engines.iter().map(|one| one.command.as_str());
        commands.collect::<Vec<_>>().join("\n")
    }

    /// The inputs that each engine read to begin with, at least.
    pub(crate) fn seeds_read(&self) -> u64 {
        let each = self.engines.iter().map(|one| one.seeds_read);
        each.min().unwrap_or(0)
    }

    /// Executions of all engines.
    pub fn executions(&self) -> u64 {
        self.figures().map(|one| one.executions).sum()
    }

    /// The executions of all engines until `time`.
    pub(crate) fn executions_at(&self, time: Duration) -> u64 {
        self.engines.iter().map(|one| one.executions_at(time)).sum()
    }

    /// AFL++'s stability in percent, where it ran.
    pub(crate) fn stability(&self) -> Option<f64> {
        self.figures().find_map(|one| one.stability)
    }

    /// Why the result does not count, when it does not.
    pub fn failure(&self) -> Option<String> {
        let failures = self.figures().filter_map(|one| one.failure.as_deref());
        let failures = failures.collect::<Vec<_>>().join("\n");
        Some(failures).filter(|failures| !failures.is_empty())
    }

    pub(crate) fn figures(&self) -> impl Iterator<Item = &Figures> {
        self.engines.iter().map(|one| &one.figures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(engine: Engine, samples: &[(u64, u64)], seeds_read: u64) -> Outcome {
        let samples: Vec<Sample> = samples
            .iter()
            .map(|&(seconds, executions)| Sample {
                time: Duration::from_secs(seconds),
                executions,
            })
            .collect();
        Outcome {
            figures: Figures {
                executions: samples.last().map_or(0, |sample| sample.executions),
                ..Figures::new(engine, 1)
            },
            command: engine.name().to_owned(),
            seeds_read,
            samples,
            finds: Vec::new(),
        }
    }

    #[test]
    fn executions_between_two_samples_are_in_proportion_and_engines_add_up() {
        let afl = outcome(Engine::Afl, &[(10, 100), (20, 400)], 9);
        let at = |seconds| afl.executions_at(Duration::from_secs(seconds));
        assert_eq!([0, 5, 10, 15, 99].map(at), [0, 50, 100, 250, 400]);
        let session = Session {
            start: SystemTime::UNIX_EPOCH,
            elapsed: Duration::from_secs(20),
            engines: vec![afl, outcome(Engine::Honggfuzz, &[(5, 40)], 5)],
            kept: Vec::new(),
            files: Vec::new(),
        };
        assert_eq!((session.executions(), session.seeds_read()), (440, 5));
        assert_eq!(session.executions_at(Duration::from_secs(5)), 50 + 40);
        assert_eq!(session.command(), "afl\nhonggfuzz");
        assert_eq!(session.failure(), None);
    }

    #[test]
    fn the_rate_is_that_until_the_latest_report() {
        assert_eq!(latest_report(&[]), Sample::default());
        let of = |executions, seconds| Sample {
            time: Duration::from_secs(seconds),
            executions,
        };
        let samples = [of(0, 1), of(500, 100), of(500, 200)];
        assert_eq!(latest_report(&samples), samples[1]);
    }
}
