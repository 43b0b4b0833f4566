//! What a comparison is: everything that must stay as it is for its trials to be comparable.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use cli::parse_time;
use report::{Machine, Start};
use serde::{Deserialize, Serialize};

use super::contestant::{Contestant, Contestants};
use crate::atomic::read_json;

/// The version of `plan.json` that this code reads and writes. Version 2 did not name what is judged.
pub const VERSION: u32 = 3;

/// The plan of a comparison, which is kept as `plan.json` in its folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The version of this format.
    pub version: u32,
    /// When the comparison was started, in UTC, as RFC 3339.
    pub started: String,
    /// The targets.
    pub targets: Vec<String>,
    /// From what trials start.
    #[serde(default = "from_seeds")]
    pub starts: Vec<Start>,
    /// The engines, and the ensemble when it takes part.
    pub engines: Vec<Contestant>,
    /// How many trials of each engine on each target from each start.
    pub trials: usize,
    /// What is judged, in words.
    pub judged: String,
    /// How long a trial takes, in seconds.
    pub time_seconds: u64,
    /// How often a running engine's files are looked at, in seconds: executions are noted, and inputs that libFuzzer
    /// may replace are preserved.
    pub snapshot_seconds: u64,
    /// How many engines run at once.
    pub cores: usize,
    /// The seed of the order.
    pub order_seed: u64,
    /// The machine that it was started on.
    pub machine: Machine,
    /// The code that was built: the commit, where there is one.
    pub code: Option<String>,
    /// What is kept in the comparison's folder for all trials (builds, seeds, dictionaries): each file's
    /// path there, and its SHA-256.
    pub files: BTreeMap<String, String>,
}

fn from_seeds() -> Vec<Start> {
    vec![Start::Seeds]
}

/// From what trials are to start.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum From {
    /// The target's seeds.
    Seeds,
    /// One byte with the value 0: the engine gets no help.
    Nothing,
    /// Each engine from both; the two are never compared with each other.
    Both,
}

impl From {
    pub(crate) fn starts(self) -> Vec<Start> {
        match self {
            Self::Seeds => from_seeds(),
            Self::Nothing => vec![Start::Nothing],
            Self::Both => vec![Start::Seeds, Start::Nothing],
        }
    }
}

/// What the command line asks for; what it leaves open is chosen at the start.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Asked {
    /// The targets; all when none is given.
    pub targets: Vec<String>,
    /// How often each engine runs on each target [default: 1].
    #[arg(long, value_name = "N")]
    pub trials: Option<NonZeroUsize>,
    /// How long each trial takes: 30s, 10m, 24h [default: 1m].
    #[arg(long, value_parser = parse_time)]
    pub time: Option<Duration>,
    /// The engines: names with commas between them, or `all` [default: all]. `ensemble` takes part like one: several
    /// engines together, which take turns on their core and give each other what they find. It has the engines named
    /// beside it when they are two or more, else all. So do engines in another configuration: `afl+no-cmplog`,
    /// `libfuzzer+value-profile`, and `libfuzzer+asan`, which needs nightly Rust.
    #[arg(long, visible_alias = "contestants")]
    pub engines: Option<Contestants>,
    /// From what trials start [default: seeds].
    #[arg(long, value_enum)]
    pub from: Option<From>,
    /// How many engines run at once, each on a core of its own; by default as many as there are cores.
    #[arg(long, value_name = "K", alias = "jobs")]
    pub cores: Option<NonZeroUsize>,
    /// The seed of the order in which trials are run; by default another each time.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
}

impl Plan {
    /// How long each trial takes.
    pub const fn time(&self) -> Duration {
        Duration::from_secs(self.time_seconds)
    }

    /// Reads a plan; none when there is no such file. Fails when it cannot be read, or is not a plan of this version.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        let plan: Option<Self> = read_json(path).with_context(|| {
            format!(
                "{} is not a plan that this version of the tool understands; name another folder with --out",
                path.display()
            )
        })?;
        if let Some(plan) = &plan {
            ensure!(
                plan.version == VERSION,
                "{} has version {}, and this version of the tool reads {VERSION}; name another folder with --out",
                path.display(),
                plan.version
            );
        }
        Ok(plan)
    }

    /// Why a comparison with this plan cannot be resumed with what is asked for now, on `machine`: a sentence each.
    /// More trials than planned are no difference.
    pub(crate) fn differences(&self, asked: &Asked, machine: &Machine) -> Vec<String> {
        let mut differences = Vec::new();
        let mut check = |what: &str, there: String, asked: Option<String>| {
            if let Some(asked) = asked.filter(|asked| *asked != there) {
                differences.push(format!("{what}: it has {there}, and asked for is {asked}"));
            }
        };
        let seconds = |seconds: u64| format!("{seconds} s");
        let targets = (!asked.targets.is_empty()).then(|| listed(&asked.targets));
        check("the targets", listed(&self.targets), targets);
        let engines = asked.engines.as_ref().map(|engines| listed(&engines.0));
        check("--engines", listed(&self.engines), engines);
        let starts =
            |starts: &[Start]| listed(&starts.iter().map(|one| one.name()).collect::<Vec<_>>());
        let from = asked.from.map(|from| starts(&from.starts()));
        check("--from", starts(&self.starts), from);
        let time = asked.time.map(|time| seconds(time.as_secs()));
        check("--time", seconds(self.time_seconds), time);
        let cores = asked.cores.map(|cores| cores.to_string());
        check("--cores", self.cores.to_string(), cores);
        let seed = asked.seed.map(|seed| seed.to_string());
        check("--seed", self.order_seed.to_string(), seed);
        let fewer = asked.trials.filter(|trials| trials.get() < self.trials);
        let fewer = fewer.map(|trials| format!("{trials}, which are fewer"));
        check("--trials", self.trials.to_string(), fewer);
        let processor = &self.machine.processor;
        let here = machine.processor.clone();
        check("the processor", processor.clone(), Some(here));
        for (tool, version) in &self.machine.tools {
            let now = machine.tools.iter().find(|(name, _)| name == tool);
            let now = now.map_or("none", |(_, version)| version);
            if now != version {
                differences.push(format!(
                    "{tool}: it was started with {version}, and here is {now}"
                ));
            }
        }
        differences
    }
}

fn listed<'a, T: ToString + 'a>(items: impl IntoIterator<Item = &'a T>) -> String {
    let items: Vec<String> = items.into_iter().map(T::to_string).collect();
    items.join(", ")
}
