//! A comparison as data: what `report.json` holds.
//!
//! An engine runs on a target once or more often, each time as a *trial* of its own. An engine's figures are over its
//! trials that *count*: those without a [failure](TrialResult::failure). Trials are numbered from 1. Times are
//! milliseconds since the engine's start, unless a name ends in seconds. Coverage is source regions (and lines and
//! functions) of the code under test, from the neutral build: engines' own figures are three different units.

mod figures;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::format::counted;

pub use figures::{Band, Contrast, Milestone, Pair, Survival, SurvivalKind, Verdict};
pub use statistics::bootstrap::Estimate;

/// The check of an input that an engine reports and that passes when it is replayed.
pub const UNREPRODUCED: &str = "unreproduced";

/// All engines on all targets, from the same starts, for the same time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The version of this format: [`VERSION`].
    pub version: u32,
    /// When it was started first, in UTC, as RFC 3339.
    pub started: String,
    /// The time of each trial, in seconds.
    pub time_seconds: u64,
    /// How often a running trial's files are looked at, in seconds: arrival times are at least so exact.
    pub snapshot_seconds: u64,
    /// How many trials of each engine on each target were asked for.
    pub trials: usize,
    /// The seed of the order in which trials were run.
    pub order_seed: u64,
    /// Whether Ctrl-C ended it before all trials were whole.
    pub interrupted: bool,
    /// What it ran on.
    pub machine: Machine,
    /// The results, a target and start each, in the order in which they are shown.
    pub targets: Vec<TargetResult>,
    /// What a reader must know first, in sentences: few trials, short trials, lost trials.
    pub notes: Vec<String>,
}

impl Comparison {
    /// Every engine on every target.
    pub fn engines(&self) -> impl Iterator<Item = (&TargetResult, &EngineResult)> {
        let targets = self.targets.iter();
        targets.flat_map(|target| target.engines.iter().map(move |engine| (target, engine)))
    }

    /// How many targets there are, and from what trials start when some start from nothing.
    pub(crate) fn scope(&self) -> String {
        let targets = self.targets.iter();
        let starts: BTreeSet<Start> = targets.clone().map(|target| target.start).collect();
        let targets: BTreeSet<&str> = targets.map(|target| &*target.target).collect();
        let targets = counted(targets.len(), "target", "targets");
        let names: Vec<&str> = starts.iter().map(|start| start.name()).collect();
        match starts.contains(&Start::Nothing) {
            true => format!("{targets}, from {}", names.join(" and ")),
            false => targets,
        }
    }

    /// The names of the engines as their authors write them, each once.
    pub(crate) fn titles(&self) -> Vec<String> {
        let mut titles = Vec::new();
        for (_, engine) in self.engines() {
            if !titles.contains(&engine.title) {
                titles.push(engine.title.clone());
            }
        }
        titles
    }
}

/// The machine and the tools.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// How many cores it has.
    pub cores: usize,
    /// How much memory it has, in bytes; 0 when unknown.
    #[serde(default)]
    pub memory_bytes: u64,
    /// Whether it is a virtual machine, by the processor's flags.
    #[serde(default)]
    pub virtualised: bool,
    /// How many engines ran at once, on a core each.
    pub jobs: usize,
    /// The operating system and its version.
    pub system: String,
    /// Names and versions of the compiler and the engines.
    pub tools: Vec<(String, String)>,
}

/// Coverage in three units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    /// Source regions.
    pub regions: usize,
    /// Lines that such a region touches.
    pub lines: usize,
    /// Functions and closures that have such a region.
    pub functions: usize,
}

/// From what a trial starts. Trials of different starts are never compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    /// The target's seeds.
    #[default]
    Seeds,
    /// One byte: an uninformed start.
    Nothing,
}

impl Start {
    /// The name in files and folders.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Seeds => "seeds",
            Self::Nothing => "nothing",
        }
    }

    /// What follows the name of a target: trials from the seeds are the usual ones.
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Seeds => "",
            Self::Nothing => " from nothing",
        }
    }
}

/// The results on a target from one start.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TargetResult {
    /// The target's name.
    pub target: String,
    /// From what its trials start.
    #[serde(default)]
    pub start: Start,
    /// What it drives, in words.
    pub drives: String,
    /// The longest input that engines were to make, in bytes.
    pub max_input: usize,
    /// Whether the engines had a dictionary.
    pub dictionary: bool,
    /// All code under test.
    pub total: Reach,
    /// What is known to be reachable by this target: what the shipped corpus, the seeds and the engines reach together.
    #[serde(default)]
    pub reachable: Reach,
    /// What all engines together reached, and the seeds.
    pub union: Reach,
    /// What the seeds alone reach: the base line. From nothing, one byte is the only seed.
    pub seeds: SeedsResult,
    /// The results, an engine each.
    pub engines: Vec<EngineResult>,
    /// Every two engines, compared.
    pub pairs: Vec<Pair>,
    /// Every region of the code under test, in the order of files and lines.
    pub regions: Vec<RegionReach>,
    /// How long finds and planted faults went unnoticed.
    pub survivals: Vec<Survival>,
    /// Checks that no input of any engine evaluated.
    pub never_evaluated: Vec<String>,
}

impl TargetResult {
    /// The target's name, and the start where it is not the usual one.
    pub fn title(&self) -> String {
        self.target.clone() + self.start.suffix()
    }

    /// The regions that the engine at `place` reached in a trial that counts, and no other engine did.
    pub fn only_here(&self, place: usize) -> impl Iterator<Item = &RegionReach> {
        let reached = |region: &RegionReach, at: usize| region.by.get(at).is_some_and(|&by| by > 0);
        self.regions.iter().filter(move |region| {
            (0..region.by.len()).all(|at| reached(region, at) == (at == place))
        })
    }
}

/// What the seeds alone reach.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeedsResult {
    /// How many seeds there are.
    pub inputs: usize,
    /// What they reach.
    pub reach: Reach,
}

/// An engine's result on a target.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EngineResult {
    /// The engine's name, as on the command line.
    pub engine: String,
    /// The engine's name, as its authors write it.
    pub title: String,
    /// What differs from the engine as it usually runs; empty when nothing does.
    #[serde(default)]
    pub configuration: String,
    /// The command that was run, in the first trial.
    pub command: String,
    /// Its trials, in order; those that failed or were lost too, but none that was not begun or was interrupted.
    pub trials: Vec<TrialResult>,
    /// What its trials that count reached together; all its trials, when none counts.
    pub reach: Reach,
    /// Source regions reached in a trial.
    pub regions: Option<Estimate>,
    /// Lines reached in a trial.
    pub lines: Option<Estimate>,
    /// Functions reached in a trial.
    pub functions: Option<Estimate>,
    /// Executions of the target in a trial.
    pub executions: Option<Estimate>,
    /// Executions a second.
    pub executions_per_second: Option<Estimate>,
    /// Inputs kept in a trial, seeds included where it keeps those.
    pub corpus: Option<Estimate>,
    /// When shares of the union of all engines were reached.
    pub milestones: Vec<Milestone>,
    /// Regions over time.
    pub over_time: Vec<Band>,
    /// Regions over executions, as far as every trial that counts went.
    pub over_executions: Vec<Band>,
    /// Inputs that failed, in any trial, a group for each check.
    pub finds: Vec<FindGroup>,
}

impl EngineResult {
    /// The trials that count.
    pub fn counting(&self) -> impl Iterator<Item = &TrialResult> {
        self.trials.iter().filter(|trial| trial.counts())
    }
}

/// One trial of an engine on a target.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TrialResult {
    /// Its number, from 1.
    pub trial: usize,
    /// The core to which the engine was pinned; none when the system did not pin it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub core: Option<usize>,
    /// When it was started, in UTC, as RFC 3339.
    pub started: String,
    /// How long it ran, in seconds.
    pub seconds: f64,
    /// The inputs that the engine read to begin with.
    pub seeds_read: u64,
    /// Executions of the target.
    pub executions: u64,
    /// Executions a second.
    pub executions_per_second: f64,
    /// Inputs that it kept, seeds included where it keeps those.
    pub corpus: usize,
    /// What the seeds and what it kept reach.
    pub reach: Reach,
    /// AFL++'s stability, in percent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub stability: Option<f64>,
    /// What the machine did meanwhile.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub load: Option<Load>,
    /// Coverage over time and executions.
    pub growth: Vec<GrowthPoint>,
    /// Why this trial does not count, when it does not.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub failure: Option<String>,
}

impl TrialResult {
    /// Whether the trial counts.
    pub const fn counts(&self) -> bool {
        self.failure.is_none()
    }

    /// Whether the machine had more to do than it has cores, and one process more; or others on the same hardware took
    /// its time.
    pub fn was_disturbed(&self, machine: &Machine) -> bool {
        self.load.is_some_and(|load| {
            load.average > (machine.cores + 1) as f64 || load.stolen_percent > MOST_STOLEN
        })
    }
}

/// The most time that others on the same hardware may take, in percent of a trial's.
pub(crate) const MOST_STOLEN: f64 = 2.0;

/// What a machine did during a trial.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// Processes that ran or waited for a core: the mean of the system's load averages of a minute.
    pub average: f64,
    /// Time that the hypervisor gave to others, in percent of all cores' time.
    pub stolen_percent: f64,
}

/// A moment of a campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrowthPoint {
    /// Milliseconds since the campaign's start.
    pub time_ms: u64,
    /// What the engine had executed by then.
    pub executions: u64,
    /// Regions reached by this input or an earlier one.
    pub regions: usize,
    /// Lines reached by then.
    pub lines: usize,
    /// Functions reached by then.
    pub functions: usize,
}

/// Finds that fail the same check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindGroup {
    /// The check's id.
    pub check: String,
    /// How many inputs fail it, over all trials.
    pub inputs: usize,
    /// One of them, the shortest.
    pub example: String,
    /// The first one of each trial that has one.
    pub trials: Vec<FirstFind>,
}

/// A trial's first input that fails a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstFind {
    /// The trial.
    pub trial: usize,
    /// When it came; 0 for a seed.
    pub time_ms: u64,
}

/// A region of the code under test, and who reached it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegionReach {
    /// The file, from the project's root.
    pub file: String,
    /// Its first line, from 1.
    pub line: usize,
    /// Its first column, from 1, in bytes.
    pub column: usize,
    /// Whether the seeds reach it.
    pub seeds: bool,
    /// In how many of its trials that count each engine reached it, in the order of
    /// [`TargetResult::engines`].
    pub by: Vec<usize>,
}

/// The version of [`Comparison`] that this code writes.
pub const VERSION: u32 = 5;

/// Reads a comparison: the output folder of `campaign compare`, or its `report.json`. Fails when there is none, or it
/// is of another version.
pub fn read(from: &Path) -> Result<Comparison> {
    let path = if from.is_dir() {
        from.join("report.json")
    } else {
        from.to_owned()
    };
    let name = path.display();
    let text = fs::read_to_string(&path).with_context(|| {
        format!(
            "{name} cannot be read; name a folder that `campaign compare` wrote, or its report.json"
        )
    })?;
    let no_report = || format!("{name} is no report of `campaign compare`");
    let report: Value = serde_json::from_str(&text).with_context(no_report)?;
    let version = report["version"].as_u64().with_context(no_report)?;
    if version != u64::from(VERSION) {
        bail!(
            "{name} is of version {version}, and this program reads version {VERSION}; `campaign compare --out` with \
             its folder makes the report again from the same trials"
        );
    }
    serde_json::from_value(report).with_context(no_report)
}
