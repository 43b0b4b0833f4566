//! How an ensemble stands: gathered once, then shown on a terminal, printed as plain lines, written as JSON, and
//! printed as the table at the end.

use std::collections::{BTreeMap, VecDeque};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use serde::Serialize;

use super::live::Measured;
use super::{Outcome, View};
use crate::engine::{Engine, Percent};
use crate::fuzz::Find;
use crate::output::from_here;
use crate::report::{grouped, rounded};

/// Speed is told over the last so many views, which come about every second.
const SPEED_OVER: usize = 10;

/// How an ensemble stands. The JSON of `status.json` and of `--json`.
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

/// What gathers the status of a campaign while it runs.
#[derive(Debug)]
pub struct Gathering {
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
    history: VecDeque<(Duration, BTreeMap<Engine, u64>)>,
}

impl Gathering {
    /// Of a campaign that begins now.
    #[must_use]
    pub fn new(target: &str, time: Duration, cores: usize, regions_total: usize) -> Self {
        Self {
            target: target.to_owned(),
            started: SystemTime::now(),
            time,
            cores,
            regions_total,
            history: VecDeque::new(),
        }
    }

    /// How it stands now.
    pub fn view(&mut self, view: &View<'_>, measured: &Measured) -> Status {
        let executions = view.members.iter();
        let executions = executions.map(|member| (member.engine, member.status.executions));
        self.history.push_back((view.elapsed, executions.collect()));
        if self.history.len() > SPEED_OVER {
            self.history.pop_front();
        }
        let engines = view.members.iter().map(|member| EngineStatus {
            engine: member.engine,
            workers: member.workers,
            executions: member.status.executions,
            executions_per_second: self.speed(member.engine),
            kept: view.pool.of(member.engine),
            gave: 0,
            given: member.given,
            finds: member.finds(),
            core_seconds: member.core_time().as_secs_f64(),
            stability: member.status.stability,
            failure: member.failure(),
            ..EngineStatus::measured(member.engine, measured)
        });
        let mut status = self.status(State::Running, view.elapsed, measured);
        status.engines = engines.collect();
        let receivers: Vec<(Engine, usize)> = status
            .engines
            .iter()
            .map(|engine| (engine.engine, engine.given))
            .collect();
        for engine in &mut status.engines {
            let others = receivers
                .iter()
                .filter(|(other, _)| *other != engine.engine);
            if others.map(|(_, given)| given).sum::<usize>() > 0 {
                engine.gave = engine.kept;
            }
        }
        status.add_up();
        status
    }

    /// How it ended.
    #[must_use]
    pub fn outcome(&self, outcome: &Outcome, measured: &Measured) -> Status {
        let engines = outcome.members.iter().map(|member| EngineStatus {
            engine: member.engine,
            workers: member.workers,
            executions: member.session.status.executions,
            executions_per_second: member.session.executions_per_second(),
            kept: member.session.kept.len(),
            gave: member.gave,
            given: member.given,
            finds: member.session.finds.len(),
            core_seconds: member.core_time.as_secs_f64(),
            stability: member.session.status.stability,
            failure: member.session.failure.clone(),
            ..EngineStatus::measured(member.engine, measured)
        });
        let state = match outcome.interrupted {
            true => State::Interrupted,
            false => State::Ended,
        };
        let mut status = self.status(state, outcome.elapsed, measured);
        status.engines = engines.collect();
        status.add_up();
        status
    }

    fn status(&self, state: State, elapsed: Duration, measured: &Measured) -> Status {
        Status {
            version: 1,
            target: self.target.clone(),
            state,
            started: humantime::format_rfc3339_seconds(self.started).to_string(),
            elapsed_seconds: elapsed.as_secs_f64(),
            time_seconds: self.time.as_secs(),
            cores: self.cores,
            core_seconds: 0.0,
            regions: Regions {
                beginnings: measured.beginnings.len(),
                reached: measured.reached().len(),
                shipped: measured
                    .shipped
                    .as_ref()
                    .map(std::collections::BTreeSet::len),
                total: self.regions_total,
            },
            not_measured: measured.waiting,
            engines: Vec::new(),
            finds: groups(&measured.finds),
        }
    }

    fn speed(&self, engine: Engine) -> f64 {
        let (Some((from, before)), Some((to, now))) = (self.history.front(), self.history.back())
        else {
            return 0.0;
        };
        let of = |executions: &BTreeMap<Engine, u64>| executions.get(&engine).copied().unwrap_or(0);
        // The first view is compared with the start.
        let (from, before) = match self.history.len() {
            1 => (Duration::ZERO, 0),
            _ => (*from, of(before)),
        };
        let seconds = to.saturating_sub(from).as_secs_f64().max(0.001);
        #[allow(clippy::cast_precision_loss, reason = "a rate, to be printed")]
        let executions = of(now).saturating_sub(before) as f64;
        executions / seconds
    }
}

impl EngineStatus {
    /// What was measured of an engine, and nothing else.
    fn measured(engine: Engine, measured: &Measured) -> Self {
        let reach = measured.engines.get(&engine);
        Self {
            engine,
            workers: 0,
            executions: 0,
            executions_per_second: 0.0,
            kept: 0,
            gave: 0,
            given: 0,
            regions: measured.of(engine).len(),
            regions_only_here: measured.only(engine),
            last_new_seconds: reach.and_then(|reach| Some(reach.last_new?.as_secs_f64())),
            finds: 0,
            core_seconds: 0.0,
            stability: None,
            failure: None,
        }
    }
}

fn groups(finds: &[Find]) -> Vec<FindStatus> {
    let mut groups: BTreeMap<&str, Vec<&Find>> = BTreeMap::new();
    for find in finds {
        groups.entry(&find.check).or_default().push(find);
    }
    let groups = groups.into_iter().map(|(check, finds)| {
        let mut engines: Vec<String> = finds.iter().map(|find| find.from.clone()).collect();
        engines.sort();
        engines.dedup();
        let size = |find: &&&Find| find.path.metadata().map_or(u64::MAX, |file| file.len());
        FindStatus {
            check: check.to_owned(),
            inputs: finds.len(),
            engines,
            example: finds
                .iter()
                .min_by_key(size)
                .map_or_else(PathBuf::new, |find| from_here(&find.path).to_owned()),
        }
    });
    groups.collect()
}

/// The columns of the table: a heading, and how wide it is.
const COLUMNS: [(&str, usize); 12] = [
    ("engine", 9),
    ("cores", 5),
    ("core s", 6),
    ("executions", 13),
    ("/s", 9),
    ("kept", 6),
    ("gave", 6),
    ("given", 6),
    ("regions", 7),
    ("only here", 9),
    ("last new", 8),
    ("finds", 5),
];

impl Status {
    fn add_up(&mut self) {
        self.core_seconds = self.engines.iter().map(|engine| engine.core_seconds).sum();
    }

    /// Where it stands as a whole, in one line.
    #[must_use]
    pub fn headline(&self) -> String {
        let left = (self.time_seconds as f64 - self.elapsed_seconds).max(0.0);
        let time = match self.state {
            State::Running => format!("{} left", seconds(left)),
            State::Ended => "ended".to_owned(),
            State::Interrupted => "interrupted".to_owned(),
        };
        let cores = match self.cores {
            1 => "1 core".to_owned(),
            cores => format!("{cores} cores"),
        };
        format!(
            "{}: {} of {}, {time}; {cores}, {:.0} core-seconds used",
            self.target,
            seconds(self.elapsed_seconds),
            seconds(self.time_seconds as f64),
            self.core_seconds,
        )
    }

    /// The regions reached by all, in one line.
    #[must_use]
    pub fn regions_line(&self) -> String {
        let Regions {
            beginnings,
            reached,
            shipped,
            total,
        } = self.regions;
        let shipped = shipped.map_or_else(String::new, |shipped| {
            format!(", the shipped corpus reaches {shipped}")
        });
        let waiting = match self.not_measured {
            0 => String::new(),
            waiting => format!("; {} inputs not measured yet", grouped(waiting as u64)),
        };
        format!(
            "{reached} regions of {total} reached, {beginnings} to begin with{shipped}{waiting}"
        )
    }

    /// The finds, a line for each check.
    #[must_use]
    pub fn find_lines(&self) -> Vec<String> {
        let finds = self.finds.iter();
        finds
            .map(|find| {
                let from = find.engines.join(", ");
                format!("FIND {}: {} inputs, from {from}", find.check, find.inputs)
            })
            .collect()
    }

    fn rows(&self) -> Vec<[String; 12]> {
        let rows = self.engines.iter().map(|engine| {
            [
                engine.engine.title().to_owned(),
                engine.workers.to_string(),
                format!("{:.0}", engine.core_seconds),
                grouped(engine.executions),
                rounded(engine.executions_per_second),
                engine.kept.to_string(),
                engine.gave.to_string(),
                engine.given.to_string(),
                engine.regions.to_string(),
                engine.regions_only_here.to_string(),
                engine
                    .last_new_seconds
                    .map_or_else(|| "–".to_owned(), seconds),
                engine.finds.to_string(),
            ]
        });
        rows.collect()
    }

    /// The screen of a terminal, a line each.
    #[must_use]
    pub fn screen(&self) -> Vec<String> {
        let mut lines = vec![self.headline(), self.regions_line()];
        lines.push(aligned(&COLUMNS.map(|(name, _)| name.to_owned())));
        lines.extend(self.rows().iter().map(|row| aligned(row)));
        lines.extend(self.find_lines());
        lines
    }

    /// The table as Markdown.
    #[must_use]
    pub fn table(&self) -> String {
        let mut lines = Vec::new();
        let bars = |cells: &[String]| {
            let cells = cells.iter().zip(COLUMNS).enumerate();
            let cells = cells.map(|(place, (text, (_, width)))| match place {
                0 => format!(" {text:<width$} "),
                _ => format!(" {text:>width$} "),
            });
            format!("|{}|", cells.collect::<Vec<_>>().join("|"))
        };
        lines.push(bars(&COLUMNS.map(|(name, _)| name.to_owned())));
        let rule = COLUMNS
            .iter()
            .enumerate()
            .map(|(place, (_, width))| match place {
                0 => "-".repeat(width + 2),
                _ => format!("{}:", "-".repeat(width + 1)),
            });
        lines.push(format!("|{}|", rule.collect::<Vec<_>>().join("|")));
        lines.extend(self.rows().iter().map(|row| bars(row)));
        lines.join("\n")
    }

    /// How it stands in plain lines, for a log.
    #[must_use]
    pub fn plain(&self) -> String {
        let mut lines = vec![format!("{}; {}", self.headline(), self.regions_line())];
        for engine in &self.engines {
            lines.push(format!(
                "  {:<9} {} executions, {}/s, kept {}, given {}, {} regions, {} only here, finds {}",
                engine.engine.title(),
                grouped(engine.executions),
                rounded(engine.executions_per_second),
                engine.kept,
                engine.given,
                engine.regions,
                engine.regions_only_here,
                engine.finds,
            ));
        }
        lines.extend(self.find_lines());
        lines.join("\n")
    }

    /// Writes the JSON to `file`, in one step.
    ///
    /// # Errors
    /// When it cannot be written; what was there is then still there.
    pub fn write(&self, file: &Path) -> Result<()> {
        let folder = file.parent().context("a status without a folder")?;
        let shown = file.display();
        let mut new = tempfile::NamedTempFile::new_in(folder)
            .with_context(|| format!("{shown} cannot be written"))?;
        new.write_all(serde_json::to_string_pretty(self)?.as_bytes())
            .and_then(|()| new.flush())
            .with_context(|| format!("{shown} cannot be written"))?;
        new.persist(file)
            .with_context(|| format!("{shown} cannot be written"))?;
        Ok(())
    }
}

/// The cells that fit a terminal of 80 columns: all but what is of interest at the end.
fn aligned(cells: &[String]) -> String {
    let cells = cells.iter().zip(COLUMNS).enumerate();
    let cells = cells.filter(|(place, _)| ![2, 6, 7].contains(place));
    let cells = cells.map(|(place, (text, (_, width)))| match place {
        0 => format!("{text:<width$}"),
        _ => format!("{text:>width$}"),
    });
    cells.collect::<Vec<_>>().join(" ")
}

/// A time in its largest two units.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a time, rounded to be printed"
)]
fn seconds(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Status {
        let mut gathering = Gathering::new("fuzz_x", Duration::from_secs(30), 2, 100);
        gathering.started = SystemTime::UNIX_EPOCH;
        let mut measured = Measured {
            beginnings: (0..10).collect(),
            shipped: Some((0..90).collect()),
            waiting: 3,
            ..Measured::default()
        };
        measured.finds.push(Find {
            check: "a.check".to_owned(),
            message: "because".to_owned(),
            path: "gone".into(),
            from: "afl".to_owned(),
        });
        let mut status = gathering.status(State::Running, Duration::from_secs(12), &measured);
        status.engines.push(EngineStatus {
            workers: 1,
            executions: 1_234_567,
            core_seconds: 11.6,
            kept: 5,
            ..EngineStatus::measured(Engine::Afl, &measured)
        });
        status.add_up();
        status
    }

    #[test]
    fn a_screen_says_what_is_going_on() {
        let screen = sample().screen();
        assert_eq!(
            screen[0],
            "fuzz_x: 12 s of 30 s, 18 s left; 2 cores, 12 core-seconds used"
        );
        assert_eq!(
            screen[1],
            "10 regions of 100 reached, 10 to begin with, the shipped corpus reaches 90; \
             3 inputs not measured yet"
        );
        assert!(screen[3].starts_with("AFL++"), "{}", screen[3]);
        assert_eq!(screen[4], "FIND a.check: 1 inputs, from afl");
        let width = screen[2].chars().count();
        assert!(width <= 80 && screen[3].chars().count() == width);
    }

    #[test]
    fn the_table_is_markdown() {
        let table = sample().table();
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 3);
        let bars = |line: &str| line.matches('|').count();
        assert!(lines.iter().all(|line| bars(line) == COLUMNS.len() + 1));
        assert!(
            lines[1].starts_with("|-----------|------:|"),
            "{}",
            lines[1]
        );
    }

    #[test]
    fn the_file_is_whole_json_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("status.json");
        let mut status = sample();
        for state in [State::Running, State::Ended] {
            status.state = state;
            status.write(&file).unwrap();
        }
        let text = std::fs::read_to_string(&file).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["state"], "ended");
        assert_eq!(json["engines"][0]["executions"], 1_234_567);
        assert_eq!(json["regions"]["shipped"], 90);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(
            status
                .write(&folder.path().join("gone/status.json"))
                .is_err()
        );
    }

    #[test]
    fn times_are_readable() {
        let shown = [5.4, 119.0, 150.0, 90_061.0].map(seconds);
        assert_eq!(shown, ["5 s", "119 s", "2 min", "25 h 1 min"]);
    }
}
