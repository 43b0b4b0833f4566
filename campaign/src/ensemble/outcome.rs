//! What became of an ensemble, and of each engine in it.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::pool::Entry;
use crate::engine::session::{Sample, Session};
use crate::engine::{Engine, Kept, Status};

/// What became of one engine.
#[derive(Debug)]
pub struct MemberOutcome {
    /// The engine.
    pub engine: Engine,
    /// How many cores it had.
    pub workers: usize,
    /// What it did. `kept` are the inputs that it was the first to keep, in the pool.
    pub session: Session,
    /// How many inputs it was given.
    pub given: usize,
    /// How many of its inputs others were given.
    pub gave: usize,
    /// The processor time that it used.
    pub core_time: Duration,
}

/// What became of an ensemble.
#[derive(Debug)]
pub struct Outcome {
    /// When it was started.
    pub start: SystemTime,
    /// How long it ran.
    pub elapsed: Duration,
    /// Each engine.
    pub members: Vec<MemberOutcome>,
    /// All that was kept, in the order in which it came.
    pub entries: Vec<Entry>,
    /// The files that the engines keep as they were at the end: some are shortened since they were seen first.
    pub files: Vec<PathBuf>,
    /// Whether Ctrl-C ended it.
    pub interrupted: bool,
}

impl Outcome {
    /// The processor time of all engines.
    #[must_use]
    pub fn core_time(&self) -> Duration {
        self.members.iter().map(|member| member.core_time).sum()
    }

    /// The ensemble as if it were one engine: executions are added up, inputs are in order of arrival.
    #[must_use]
    pub fn as_session(&self) -> Session {
        let sessions = || self.members.iter().map(|member| &member.session);
        let mut times: Vec<Duration> = sessions()
            .flat_map(|session| session.samples.iter().map(|sample| sample.time))
            .collect();
        times.sort_unstable();
        times.dedup();
        let samples = times.into_iter().map(|time| Sample {
            time,
            executions: sessions().map(|session| session.executions_at(time)).sum(),
        });
        let failures: Vec<String> = sessions()
            .filter_map(|session| session.failure.clone())
            .collect();
        Session {
            command: sessions()
                .map(|session| session.command.as_str())
                .collect::<Vec<_>>()
                .join("\n"),
            start: self.start,
            elapsed: self.elapsed,
            seeds_read: sessions().map(|one| one.seeds_read).min().unwrap_or(0),
            status: Status {
                executions: sessions().map(|one| one.status.executions).sum(),
                corpus: self.entries.len() as u64,
                stability: None,
            },
            samples: samples.collect(),
            kept: self.entries.iter().map(kept).collect(),
            finds: sessions().flat_map(|one| one.finds.clone()).collect(),
            interrupted: self.interrupted,
            failure: (!failures.is_empty()).then(|| failures.join("\n")),
        }
    }
}

pub(super) fn kept(entry: &Entry) -> Kept {
    Kept {
        path: entry.path.clone(),
        time: entry.time,
        executions: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ensemble_as_one_engine_adds_up() {
        let session = |executions, step| Session {
            command: "x".to_owned(),
            start: SystemTime::UNIX_EPOCH,
            elapsed: Duration::from_secs(10),
            seeds_read: step,
            status: Status {
                executions,
                ..Default::default()
            },
            samples: vec![Sample {
                time: Duration::from_secs(step),
                executions,
            }],
            kept: Vec::new(),
            finds: vec!["find".into()],
            interrupted: false,
            failure: None,
        };
        let member = |engine, session| MemberOutcome {
            engine,
            workers: 1,
            session,
            given: 0,
            gave: 0,
            core_time: Duration::from_secs(3),
        };
        let outcome = Outcome {
            start: SystemTime::UNIX_EPOCH,
            elapsed: Duration::from_secs(10),
            members: vec![
                member(Engine::Afl, session(100, 10)),
                member(Engine::Honggfuzz, session(40, 5)),
            ],
            entries: Vec::new(),
            files: Vec::new(),
            interrupted: false,
        };
        assert_eq!(outcome.core_time(), Duration::from_secs(6));
        let one = outcome.as_session();
        assert_eq!((one.status.executions, one.seeds_read), (140, 5));
        let samples: Vec<(u64, u64)> = one
            .samples
            .iter()
            .map(|sample| (sample.time.as_secs(), sample.executions))
            .collect();
        assert_eq!(samples, [(5, 50 + 40), (10, 140)]);
        assert_eq!(one.finds.len(), 2);
    }
}
