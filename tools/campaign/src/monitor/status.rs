//! How engines on a target stand: what they report and what was measured, as JSON and for people.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use report::format::{NONE, grouped, rounded, span};
use report::markdown::table;
use serde::Serialize;

use super::Measured;
use crate::engine::session::Figures;
use crate::output::from_here;

/// How engines on a target stand. The JSON of `status.json` and of `--json`.
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
    /// Source regions of the code under test, on the neutral build.
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
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

impl Status {
    /// That of a session on `target` which begins now, is to take `time` on so many `cores`, and can reach at most
    /// `regions` of the code under test.
    #[must_use]
    pub fn new(target: &str, time: Duration, cores: usize, regions: usize) -> Self {
        Self {
            version: 2,
            target: target.to_owned(),
            state: State::Running,
            started: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
            elapsed_seconds: 0.0,
            time_seconds: time.as_secs(),
            cores,
            core_seconds: 0.0,
            regions: Regions {
                total: regions,
                ..Regions::default()
            },
            not_measured: 0,
            engines: Vec::new(),
            finds: Vec::new(),
        }
    }

    /// Takes over how it stands `elapsed` after the start.
    pub fn update<'a>(
        &mut self,
        elapsed: Duration,
        engines: impl IntoIterator<Item = &'a Figures>,
        measured: &Measured,
    ) {
        let status = |figures: &Figures| EngineStatus {
            regions: measured.of(figures.engine),
            regions_only_here: measured.only(figures.engine),
            last_new_seconds: measured
                .last_new
                .get(&figures.engine)
                .map(Duration::as_secs_f64),
            figures: figures.clone(),
        };
        self.engines = engines.into_iter().map(status).collect();
        self.elapsed_seconds = elapsed.as_secs_f64();
        self.core_seconds = self
            .engines
            .iter()
            .map(|one| one.figures.core_seconds)
            .sum();
        self.regions = Regions {
            beginnings: measured.beginnings.len(),
            reached: measured.reached().len(),
            shipped: measured.shipped.as_ref().map(|shipped| shipped.len()),
            total: self.regions.total,
        };
        self.not_measured = measured.waiting;
        self.finds = finds_by_check(measured);
    }

    /// Where it stands as a whole, and a Markdown table of the engines.
    #[must_use]
    pub fn summary(&self) -> String {
        let elapsed = whole(self.elapsed_seconds);
        let time = match self.state {
            State::Running => {
                let left = self.time_seconds.saturating_sub(elapsed);
                format!("{} left", span(left))
            }
            State::Ended => "ended".to_owned(),
            State::Interrupted => "interrupted".to_owned(),
        };
        let regions = &self.regions;
        let shipped = regions.shipped.map_or_else(String::new, |shipped| {
            format!(", the shipped corpus reaches {shipped}")
        });
        let waiting = match self.not_measured {
            0 => String::new(),
            waiting => format!("; {} inputs not measured yet", grouped(waiting as u64)),
        };
        format!(
            "{}: {} of {}, {time}; cores: {}, core-seconds used: {:.0}\n\
             {} regions of {} reached, {} to begin with{shipped}{waiting}\n{}",
            self.target,
            span(elapsed),
            span(self.time_seconds),
            self.cores,
            self.core_seconds,
            regions.reached,
            regions.total,
            regions.beginnings,
            self.table(),
        )
    }

    fn table(&self) -> String {
        let heading = [
            "engine",
            "executions",
            "/s",
            "kept",
            "given",
            "regions",
            "only here",
            "last new",
            "finds",
        ];
        let mut rows = vec![heading.map(str::to_owned).to_vec()];
        rows.extend(self.engines.iter().map(|engine| {
            let (figures, last_new) = (&engine.figures, engine.last_new_seconds);
            vec![
                figures.engine.title().to_owned(),
                grouped(figures.executions),
                rounded(figures.executions_per_second),
                figures.kept.to_string(),
                figures.given.to_string(),
                engine.regions.to_string(),
                engine.regions_only_here.to_string(),
                last_new.map_or_else(|| NONE.to_owned(), |seconds| span(whole(seconds))),
                figures.finds.to_string(),
            ]
        }));
        table(&rows, 1)
    }

    /// The summary and what fails, for a terminal or a log.
    #[must_use]
    pub fn screen(&self) -> String {
        let finds = self.finds.iter().map(|find| {
            let from = find.engines.join(", ");
            format!("FIND {}: {} inputs, from {from}\n", find.check, find.inputs)
        });
        let screen = self.summary() + &finds.collect::<String>();
        screen.trim_end().to_owned()
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a time, rounded to be printed"
)]
fn whole(seconds: f64) -> u64 {
    seconds.round() as u64
}

fn finds_by_check(measured: &Measured) -> Vec<FindStatus> {
    let length = |path: &PathBuf| path.metadata().map_or(u64::MAX, |file| file.len());
    let finds: Vec<_> = measured.finds.iter().collect();
    // They are sorted by check, and then by engine.
    let groups = finds.chunk_by(|a, b| a.0 == b.0).map(|group| {
        let mut engines: Vec<String> = group.iter().map(|(_, by, _)| by.to_string()).collect();
        engines.dedup();
        let shortest = group.iter().min_by_key(|(_, _, path)| length(path));
        FindStatus {
            check: group[0].0.clone(),
            inputs: group.len(),
            engines,
            example: shortest.map_or_else(PathBuf::new, |find| from_here(&find.2).to_owned()),
        }
    });
    groups.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Engine;

    fn sample() -> Status {
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
            given: 0,
            finds: 0,
            core_seconds: 11.6,
            stability: None,
            failure: None,
        };
        let mut status = Status::new("fuzz_x", Duration::from_secs(30), 2, 100);
        status.update(Duration::from_secs(12), [&figures], &measured);
        status
    }

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

    #[test]
    fn a_screen_shows_what_is_going_on() {
        let screen = sample().screen().replace('\u{a0}', " ");
        let lines: Vec<&str> = screen.lines().collect();
        assert_eq!(
            lines[0],
            "fuzz_x: 12 s of 30 s, 18 s left; cores: 2, core-seconds used: 12"
        );
        assert_eq!(
            lines[1],
            "10 regions of 100 reached, 10 to begin with, the shipped corpus reaches 90; \
             3 inputs not measured yet"
        );
        assert!(lines[4].starts_with("| AFL++"), "{screen}");
        assert_eq!(lines[5], "FIND a.check: 3 inputs, from afl, honggfuzz");
        assert!(lines.iter().all(|line| line.chars().count() <= 110));
    }
}
