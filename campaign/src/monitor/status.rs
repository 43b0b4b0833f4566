//! How engines that run together stand: what the engines say and what was measured, as JSON.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::Measured;
use crate::engine::session::Figures;
use crate::engine::{Engine, Percent};
use crate::output::from_here;

/// Speed is measured over so many of the last views, which come about every second.
const SPEED_OVER: usize = 10;

/// How engines that run together stand. The JSON of `status.json` and of `--json`.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// The version of this layout.
    pub version: u32,
    /// The target.
    pub target: String,
    /// What it is doing.
    pub state: State,
    /// When it began, in RFC 3339.
    pub started: String,
    /// How long it has run, in seconds.
    pub elapsed_seconds: f64,
    /// How long it is to run, in seconds.
    pub time_seconds: u64,
    /// How many cores it may use.
    pub cores: usize,
    /// Processor time that the engines have used, in seconds.
    pub core_seconds: f64,
    /// Of how many regions of the code under test.
    pub regions: Regions,
    /// How many kept inputs are not measured yet.
    pub not_measured: usize,
    /// Each engine.
    pub engines: Vec<EngineStatus>,
    /// What fails, by check.
    pub finds: Vec<FindStatus>,
}

/// What is going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// The engines run.
    Running,
    /// They have ended.
    Ended,
    /// They were ended by Ctrl-C.
    Interrupted,
}

/// Source regions of the code under test, on the neutral build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Regions {
    /// Reached by the inputs that all began from.
    pub beginnings: usize,
    /// Reached by these and by whatever any engine kept.
    pub reached: usize,
    /// Reached by the shipped corpus: known to be reachable. `null` while it is not measured.
    pub shipped: Option<usize>,
    /// All there are in the code under test, those of other targets and unreachable ones included.
    pub total: usize,
}

/// How one engine stands.
#[derive(Debug, Clone, Serialize)]
pub struct EngineStatus {
    /// Its name.
    pub engine: Engine,
    /// How many cores it has; where engines take turns, how many it has in its turn, 1.
    pub workers: usize,
    /// Executions of the target.
    pub executions: u64,
    /// Executions a second, of late; of the whole time when it has ended.
    pub executions_per_second: f64,
    /// How many inputs it was the first to keep.
    pub kept: usize,
    /// How many of these others were given.
    pub gave: usize,
    /// How many it was given by others.
    pub given: usize,
    /// Regions that its own inputs reach, with those of the beginning.
    pub regions: usize,
    /// Regions that no other engine's inputs reach.
    pub regions_only_here: usize,
    /// When an input of it was the first to reach some region, in seconds since the start.
    pub last_new_seconds: Option<f64>,
    /// How many files with finds it left.
    pub finds: usize,
    /// Processor time that it used, in seconds.
    pub core_seconds: f64,
    /// AFL++'s stability in percent: of the least stable instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stability: Option<Percent>,
    /// Why its result does not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// What fails one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FindStatus {
    /// The check.
    pub check: String,
    /// How many inputs.
    pub inputs: usize,
    /// The engines that found some.
    pub engines: Vec<String>,
    /// The shortest.
    pub example: PathBuf,
}

/// What makes statuses while a session runs.
#[derive(Debug)]
pub struct Gathering {
    /// The target.
    pub target: String,
    /// When the session began.
    pub started: SystemTime,
    /// How long it is to run.
    pub time: Duration,
    /// How many cores it may use.
    pub cores: usize,
    /// All regions of the code under test.
    pub regions_total: usize,
    history: VecDeque<(Duration, BTreeMap<Engine, u64>)>,
}

impl Gathering {
    /// Of a session that begins now.
    #[must_use]
    pub fn new(target: &str, time: Duration, cores: usize, regions_total: usize) -> Self {
        Self {
            target: target.to_owned(),
            started: SystemTime::now(),
            time,
            cores,
            regions_total,
            history: VecDeque::from([(Duration::ZERO, BTreeMap::new())]),
        }
    }

    /// How it stands `elapsed` after the start. Speeds are those of late, or of the whole time when it has ended.
    pub fn status<'a>(
        &mut self,
        state: State,
        elapsed: Duration,
        engines: impl Iterator<Item = &'a Figures>,
        measured: &Measured,
    ) -> Status {
        let engines: Vec<&Figures> = engines.collect();
        let executions = engines
            .iter()
            .map(|one| (one.engine, one.status.executions));
        self.history.push_back((elapsed, executions.collect()));
        if state != State::Running {
            self.history.drain(1..self.history.len() - 1);
        } else if self.history.len() > SPEED_OVER + 1 {
            self.history.remove(1);
        }
        let engines: Vec<EngineStatus> = engines
            .into_iter()
            .map(|one| EngineStatus {
                engine: one.engine,
                workers: one.workers,
                executions: one.status.executions,
                executions_per_second: self.speed(one.engine),
                kept: usize::try_from(one.status.corpus).unwrap_or(usize::MAX),
                gave: one.gave,
                given: one.given,
                regions: measured.of(one.engine),
                regions_only_here: measured.only(one.engine),
                last_new_seconds: measured
                    .last_new
                    .get(&one.engine)
                    .map(Duration::as_secs_f64),
                finds: one.finds,
                core_seconds: one.core_time.as_secs_f64(),
                stability: one.status.stability,
                failure: one.failure.clone(),
            })
            .collect();
        Status {
            version: 1,
            target: self.target.clone(),
            state,
            started: humantime::format_rfc3339_seconds(self.started).to_string(),
            elapsed_seconds: elapsed.as_secs_f64(),
            time_seconds: self.time.as_secs(),
            cores: self.cores,
            core_seconds: engines.iter().map(|engine| engine.core_seconds).sum(),
            regions: Regions {
                beginnings: measured.beginnings.len(),
                reached: measured.reached().len(),
                shipped: measured.shipped.as_ref().map(|shipped| shipped.len()),
                total: self.regions_total,
            },
            not_measured: measured.waiting,
            engines,
            finds: groups(measured),
        }
    }

    fn speed(&self, engine: Engine) -> f64 {
        // The first is the start, which counts while there are few views.
        let from = match self.history.len() {
            0..=SPEED_OVER => 0,
            _ => 1,
        };
        let (from, to) = (&self.history[from], &self.history[self.history.len() - 1]);
        let of = |all: &BTreeMap<Engine, u64>| all.get(&engine).copied().unwrap_or(0);
        let seconds = to.0.saturating_sub(from.0).as_secs_f64().max(0.001);
        #[allow(clippy::cast_precision_loss, reason = "a rate, to be printed")]
        let executions = of(&to.1).saturating_sub(of(&from.1)) as f64;
        executions / seconds
    }
}

fn groups(measured: &Measured) -> Vec<FindStatus> {
    let mut groups: Vec<FindStatus> = Vec::new();
    let mut shortest = u64::MAX;
    // They are sorted by check, and then by engine.
    for (check, engine, path) in &measured.finds {
        let length = path.metadata().map_or(u64::MAX, |file| file.len());
        let example = from_here(path).to_owned();
        let engine = engine.name().to_owned();
        match groups.last_mut().filter(|group| group.check == *check) {
            None => {
                groups.push(FindStatus {
                    check: check.clone(),
                    inputs: 1,
                    engines: vec![engine],
                    example,
                });
                shortest = length;
            }
            Some(group) => {
                group.inputs += 1;
                group.engines.push(engine);
                group.engines.dedup();
                if length < shortest {
                    (group.example, shortest) = (example, length);
                }
            }
        }
    }
    groups
}

/// A status, for tests.
#[cfg(test)]
pub(super) fn sample() -> Status {
    let mut gathering = Gathering::new("fuzz_x", Duration::from_secs(30), 2, 100);
    gathering.started = SystemTime::UNIX_EPOCH;
    let find = |engine, path: &str| ("a.check".to_owned(), engine, path.into());
    let measured = Measured {
        beginnings: (0..10).collect(),
        shipped: Some((0..90).collect()),
        waiting: 3,
        finds: [
            find(Engine::Afl, "gone"),
            find(Engine::Honggfuzz, "gone"),
            find(Engine::Honggfuzz, "other"),
        ]
        .into(),
        ..Measured::default()
    };
    let figures = |executions| Figures {
        engine: Engine::Afl,
        workers: 1,
        status: crate::engine::Status {
            executions,
            corpus: 5,
            stability: None,
        },
        given: 0,
        gave: 0,
        finds: 0,
        core_time: Duration::from_millis(11_600),
        failure: None,
    };
    let mut at = |seconds, executions| {
        let engines = [figures(executions)];
        let elapsed = Duration::from_secs(seconds);
        gathering.status(State::Running, elapsed, engines.iter(), &measured)
    };
    for seconds in 1..12 {
        at(seconds, 1_000_000 + 1000 * seconds);
    }
    at(12, 1_234_567)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_json_has_speeds_of_late_and_finds_by_check() {
        let json = serde_json::to_value(sample()).unwrap();
        assert_eq!(json["state"], "running");
        assert_eq!(json["engines"][0]["executions"], 1_234_567);
        // From the tenth view before the last.
        let speed = json["engines"][0]["executions_per_second"]
            .as_f64()
            .unwrap();
        assert_eq!(speed.round(), (231_567_f64 / 9.0).round());
        assert_eq!(json["regions"]["shipped"], 90);
        let finds = json["finds"].as_array().unwrap();
        assert_eq!(finds.len(), 1);
        assert_eq!(
            (&finds[0]["inputs"], &finds[0]["example"]),
            (&3.into(), &"gone".into())
        );
        assert_eq!(finds[0]["engines"].as_array().unwrap().len(), 2);
    }
}
