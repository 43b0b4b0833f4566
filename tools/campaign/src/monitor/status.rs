//! How engines that run together stand: what the engines report and what was measured, as JSON.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::Measured;
use crate::engine::session::Figures;
use crate::output::from_here;

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
    /// What it did.
    #[serde(flatten)]
    pub figures: Figures,
    /// Regions that its own inputs reach, with those of the beginning.
    pub regions: usize,
    /// Regions that no other engine's inputs reach.
    pub regions_only_here: usize,
    /// When an input of it was the first to reach some region, in seconds since the start.
    pub last_new_seconds: Option<f64>,
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

/// What stays as it is while engines run.
#[derive(Debug)]
pub struct Campaign {
    /// The target.
    pub target: String,
    /// When it began.
    pub started: SystemTime,
    /// How long it is to run.
    pub time: Duration,
    /// How many cores it may use.
    pub cores: usize,
    /// All regions of the code under test.
    pub regions_total: usize,
}

impl Campaign {
    /// How it stands `elapsed` after the start.
    pub fn status<'a>(
        &self,
        state: State,
        elapsed: Duration,
        engines: impl Iterator<Item = &'a Figures>,
        measured: &Measured,
    ) -> Status {
        let engines: Vec<EngineStatus> = engines
            .map(|figures| EngineStatus {
                regions: measured.of(figures.engine),
                regions_only_here: measured.only(figures.engine),
                last_new_seconds: measured
                    .last_new
                    .get(&figures.engine)
                    .map(Duration::as_secs_f64),
                figures: figures.clone(),
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
            core_seconds: engines.iter().map(|one| one.figures.core_seconds).sum(),
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
    use crate::engine::Engine;

    let campaign = Campaign {
        target: "fuzz_x".to_owned(),
        started: SystemTime::UNIX_EPOCH,
        time: Duration::from_secs(30),
        cores: 2,
        regions_total: 100,
    };
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
    let figures = Figures {
        engine: Engine::Afl,
        workers: 1,
        executions: 1_234_567,
        executions_per_second: 1e5,
        kept: 5,
        gave: 0,
        given: 0,
        finds: 0,
        core_seconds: 11.6,
        stability: None,
        failure: None,
    };
    let elapsed = Duration::from_secs(12);
    campaign.status(State::Running, elapsed, [figures].iter(), &measured)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_json_has_figures_and_finds_by_check() {
        let json = serde_json::to_value(sample()).unwrap();
        assert_eq!(json["state"], "running");
        assert_eq!(json["engines"][0]["engine"], "afl");
        assert_eq!(json["engines"][0]["executions"], 1_234_567);
        assert_eq!(json["engines"][0]["regions"], 10);
        assert_eq!(json["regions"]["shipped"], 90);
        let finds = json["finds"].as_array().unwrap();
        assert_eq!(finds.len(), 1);
        let (inputs, example) = (&finds[0]["inputs"], &finds[0]["example"]);
        assert_eq!((inputs, example), (&3.into(), &"gone".into()));
        assert_eq!(finds[0]["engines"].as_array().unwrap().len(), 2);
    }
}
