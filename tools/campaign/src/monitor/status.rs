//! How engines on a target stand: what they report and what was measured, as JSON and for people.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use report::format::{NONE, grouped, rounded, span};
use report::markdown::{heading, table};
use serde::Serialize;
use serde_json::{Value, json};

use super::Measured;
use crate::engine::session::Figures;
use cli::output::from_here;

/// How engines on a target stand.
#[derive(Debug)]
pub(crate) struct Status {
    /// The target.
    pub target: String,
    /// When the engines began.
    pub started: SystemTime,
    /// How long they have run.
    pub elapsed: Duration,
    /// How long they are to run.
    pub time: Duration,
    /// What they are doing.
    pub state: State,
    /// How many cores they may use.
    pub cores: usize,
    /// All source regions of the code under test, those of other targets and unreachable ones included.
    pub regions: usize,
    /// What is judged, in words.
    pub judged: String,
    /// Each engine.
    pub engines: Vec<Figures>,
    /// What was measured so far.
    pub measured: Measured,
}

/// What engines are doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// They run.
    Running,
    /// They have ended.
    Ended,
    /// Ctrl-C ended them.
    Interrupted,
}

/// What fails one check.
#[derive(Serialize)]
struct Group<'a> {
    check: &'a str,
    inputs: usize,
    engines: Vec<&'a str>,
    /// The shortest input.
    example: &'a Path,
}

impl Status {
    fn core_seconds(&self) -> f64 {
        self.engines.iter().map(|one| one.core_seconds).sum()
    }

    /// The JSON of `status.json` and of `--json`. Times are in seconds; regions are source regions of the code
    /// under test on the neutral build.
    pub(crate) fn json(&self) -> Value {
        let measured = &self.measured;
        let engines = self.engines.iter().map(|figures| {
            let last_new = measured.last_new.get(&figures.engine);
            let mut json = json!(figures);
            json["regions"] = json!(measured.of(figures.engine));
            json["regions_only_here"] = json!(measured.only(figures.engine));
            json["last_new_seconds"] = json!(last_new.map(Duration::as_secs_f64));
            json
        });
        json!({
            "version": 2,
            "target": self.target,
            "state": self.state,
            "started": humantime::format_rfc3339_seconds(self.started).to_string(),
            "elapsed_seconds": self.elapsed.as_secs_f64(),
            "time_seconds": self.time.as_secs(),
            "judged": self.judged,
            "cores": self.cores,
            "core_seconds": self.core_seconds(),
            "regions": {
                "beginnings": measured.beginnings.len(),
                "reached": measured.reached().len(),
                "total": self.regions,
            },
            "not_measured": measured.waiting,
            "engines": engines.collect::<Vec<_>>(),
            "finds": self.finds(),
        })
    }

    fn finds(&self) -> Vec<Group<'_>> {
        let length = |path: &PathBuf| path.metadata().map_or(u64::MAX, |file| file.len());
        // They are sorted by check, and then by engine.
        let finds: Vec<_> = self.measured.finds.iter().collect();
        let groups = finds.chunk_by(|a, b| a.0 == b.0).map(|group| {
            let mut engines: Vec<&str> = group.iter().map(|find| find.1.name()).collect();
            engines.dedup();
            let shortest = group.iter().min_by_key(|find| length(&find.2));
            Group {
                check: &group[0].0,
                inputs: group.len(),
                engines,
                example: from_here(&shortest.unwrap_or(&group[0]).2),
            }
        });
        groups.collect()
    }

    /// Where it stands as a whole, and a Markdown table of the engines.
    pub(crate) fn summary(&self) -> String {
        let measured = &self.measured;
        let left = self.time.saturating_sub(self.elapsed);
        let state = match self.state {
            State::Running => format!("{} left", span(left.as_secs())),
            State::Ended => "ended".to_owned(),
            State::Interrupted => "interrupted".to_owned(),
        };
        let waiting = match measured.waiting {
            0 => String::new(),
            waiting => format!("; {} inputs not measured yet", grouped(waiting as u64)),
        };
        format!(
            "{}: {} of {}, {state}; cores: {}, core-seconds used: {:.0}\n\
             {} regions of {} reached, {} to begin with{waiting}\n{}\n{}",
            self.target,
            span(self.elapsed.as_secs()),
            span(self.time.as_secs()),
            self.cores,
            self.core_seconds(),
            measured.reached().len(),
            self.regions,
            measured.beginnings.len(),
            self.judged,
            self.table(),
        )
    }

    fn table(&self) -> String {
        let columns =
            "engine | executions | /s | kept | given | regions | only here | last new | finds";
        let mut rows = vec![heading(columns)];
        rows.extend(self.engines.iter().map(|figures| {
            let last_new = self.measured.last_new.get(&figures.engine);
            vec![
                figures.engine.title().to_owned(),
                grouped(figures.executions),
                rounded(figures.executions_per_second),
                figures.kept.to_string(),
                figures.given.to_string(),
                self.measured.of(figures.engine).to_string(),
                self.measured.only(figures.engine).to_string(),
                last_new.map_or_else(|| NONE.to_owned(), |time| span(time.as_secs())),
                figures.finds.to_string(),
            ]
        }));
        table(&rows, 1)
    }

    /// The summary and what fails, for a terminal or a log.
    pub(crate) fn screen(&self) -> String {
        let mut screen = self.summary();
        for find in self.finds() {
            let (check, inputs, from) = (find.check, find.inputs, find.engines.join(", "));
            screen += &format!("FIND {check}: {inputs} inputs, from {from}\n");
        }
        screen.trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Engine;

    #[test]
    fn figures_and_finds_by_check_are_shown_in_json_and_to_people() {
        let find = |engine, path: &str| ("a.check".to_owned(), engine, path.into());
        let status = Status {
            target: "fuzz_x".to_owned(),
            started: SystemTime::UNIX_EPOCH,
            elapsed: Duration::from_secs(12),
            time: Duration::from_secs(30),
            state: State::Running,
            cores: 2,
            regions: 100,
            judged: "judged: values".to_owned(),
            engines: vec![Figures {
                executions: 1_234_567,
                executions_per_second: 1e5,
                core_seconds: 11.6,
                ..Figures::new(Engine::Afl, 1)
            }],
            measured: Measured {
                beginnings: (0..10).collect(),
                waiting: 3,
                finds: [
                    find(Engine::Afl, "gone"),
                    find(Engine::Honggfuzz, "gone"),
                    find(Engine::Honggfuzz, "other"),
                ]
                .into(),
                ..Measured::default()
            },
        };
        let json = status.json();
        assert_eq!(json["state"], "running");
        assert_eq!(json["engines"][0]["engine"], "afl");
        assert_eq!(json["engines"][0]["executions"], 1_234_567);
        assert_eq!(json["engines"][0]["regions"], 10);
        assert_eq!(json["regions"]["total"], 100);
        let find = json!({
            "check": "a.check",
            "inputs": 3,
            "engines": ["afl", "honggfuzz"],
            "example": "gone",
        });
        assert_eq!(json["finds"], json!([find]));

        let screen = status.screen().replace('\u{a0}', " ");
        let lines: Vec<&str> = screen.lines().collect();
        assert_eq!(
            lines[0],
            "fuzz_x: 12 s of 30 s, 18 s left; cores: 2, core-seconds used: 12"
        );
        assert_eq!(
            lines[1],
            "10 regions of 100 reached, 10 to begin with; 3 inputs not measured yet"
        );
        assert_eq!(lines[2], "judged: values");
        assert!(lines[5].starts_with("| AFL++"), "{screen}");
        assert_eq!(lines[6], "FIND a.check: 3 inputs, from afl, honggfuzz");
        assert!(lines.iter().all(|line| line.chars().count() <= 110));
    }
}
