//! What a comparison is: everything that must stay as it is for its trials to be comparable.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::contestant::Contestant;
use crate::atomic::read_json;
use report::Machine;

/// The version of `plan.json` that this code reads and writes. Version 1 counted seeds as kept, and had no ensemble.
pub const VERSION: u32 = 2;

/// The plan of a comparison, which is kept as `plan.json` in its folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The version of this format.
    pub version: u32,
    /// When the comparison was started, in UTC, as RFC 3339.
    pub started: String,
    /// The targets.
    pub targets: Vec<String>,
    /// The engines, and the ensemble when it takes part.
    pub engines: Vec<Contestant>,
    /// How many trials of each engine on each target.
    pub trials: usize,
    /// How long a trial takes, in seconds.
    pub time_seconds: u64,
    /// How often a running engine's files are looked at, in seconds.
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

/// What the command line asks for; `None` where it leaves the choice.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// The targets.
    pub targets: Option<Vec<String>>,
    /// The engines.
    pub engines: Option<Vec<Contestant>>,
    /// Trials of each engine on each target.
    pub trials: Option<usize>,
    /// The time of a trial, in seconds.
    pub time_seconds: Option<u64>,
    /// How often files are looked at, in seconds.
    pub snapshot_seconds: Option<u64>,
    /// How many engines run at once.
    pub cores: Option<usize>,
    /// The seed of the order.
    pub order_seed: Option<u64>,
}

impl Plan {
    /// Reads a plan; none when there is no such file.
    ///
    /// # Errors
    /// When it cannot be read, or is not a plan of this version.
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

    /// Why a comparison with this plan cannot go on with what is asked for now, on `machine`: a sentence each.
    /// More trials than planned are no difference.
    #[must_use]
    pub fn differences(&self, asked: &Asked, machine: &Machine) -> Vec<String> {
        let mut differences = Vec::new();
        let seconds = |seconds: u64| format!("{seconds} s");
        let fewer = asked.trials.filter(|&trials| trials < self.trials);
        let asked = [
            (
                "the targets",
                listed(&self.targets),
                asked.targets.as_deref().map(listed),
            ),
            (
                "--engines",
                listed(&self.engines),
                asked.engines.as_deref().map(listed),
            ),
            (
                "--time",
                seconds(self.time_seconds),
                asked.time_seconds.map(seconds),
            ),
            (
                "--snapshot",
                seconds(self.snapshot_seconds),
                asked.snapshot_seconds.map(seconds),
            ),
            (
                "--cores",
                self.cores.to_string(),
                asked.cores.map(|cores| cores.to_string()),
            ),
            (
                "--seed",
                self.order_seed.to_string(),
                asked.order_seed.map(|seed| seed.to_string()),
            ),
            (
                "--trials",
                self.trials.to_string(),
                fewer.map(|trials| format!("{trials}, which are fewer")),
            ),
            (
                "the processor",
                self.machine.processor.clone(),
                Some(machine.processor.clone()),
            ),
        ];
        for (what, there, asked) in asked {
            if let Some(asked) = asked.filter(|asked| *asked != there) {
                differences.push(format!("{what}: it has {there}, and asked for is {asked}"));
            }
        }
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

fn listed<T: ToString>(items: &[T]) -> String {
    let items: Vec<String> = items.iter().map(T::to_string).collect();
    items.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Engine;

    fn plan() -> Plan {
        Plan {
            version: VERSION,
            started: "2026-01-01T00:00:00Z".into(),
            targets: vec!["fuzz_a".into(), "fuzz_b".into()],
            engines: [Engine::Afl, Engine::Honggfuzz]
                .map(Contestant::Alone)
                .into(),
            trials: 5,
            time_seconds: 60,
            snapshot_seconds: 1,
            cores: 2,
            order_seed: 7,
            machine: Machine {
                processor: "P".into(),
                cores: 2,
                jobs: 2,
                system: "Linux 1".into(),
                tools: vec![("rustc".into(), "1.95".into())],
            },
            code: None,
            files: BTreeMap::new(),
        }
    }

    #[test]
    fn what_is_left_open_or_equal_or_more_trials_is_no_difference() {
        let plan = plan();
        let mut elsewhere = plan.machine.clone();
        elsewhere.system = "Linux 2".into();
        assert_eq!(
            plan.differences(&Asked::default(), &elsewhere),
            Vec::<String>::new()
        );
        let asked = Asked {
            targets: Some(plan.targets.clone()),
            engines: Some(plan.engines.clone()),
            trials: Some(9),
            time_seconds: Some(60),
            snapshot_seconds: Some(1),
            cores: Some(2),
            order_seed: Some(7),
        };
        assert_eq!(
            plan.differences(&asked, &plan.machine),
            Vec::<String>::new()
        );
    }

    #[test]
    fn every_difference_is_named() {
        let plan = plan();
        let asked = Asked {
            targets: Some(vec!["fuzz_a".into()]),
            engines: Some(vec![Contestant::Alone(Engine::Afl)]),
            trials: Some(4),
            time_seconds: Some(30),
            snapshot_seconds: Some(2),
            cores: Some(1),
            order_seed: Some(8),
        };
        let machine = Machine {
            processor: "Q".into(),
            tools: Vec::new(),
            ..plan.machine.clone()
        };
        assert_eq!(
            plan.differences(&asked, &machine),
            [
                "the targets: it has fuzz_a, fuzz_b, and asked for is fuzz_a",
                "--engines: it has afl, honggfuzz, and asked for is afl",
                "--time: it has 60 s, and asked for is 30 s",
                "--snapshot: it has 1 s, and asked for is 2 s",
                "--cores: it has 2, and asked for is 1",
                "--seed: it has 7, and asked for is 8",
                "--trials: it has 5, and asked for is 4, which are fewer",
                "the processor: it has P, and asked for is Q",
                "rustc: it was started with 1.95, and here is none",
            ]
        );
    }

    #[test]
    fn a_plan_is_read_as_it_was_written_and_another_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan.json");
        assert_eq!(Plan::read(&path).unwrap(), None);
        std::fs::write(&path, serde_json::to_string(&plan()).unwrap()).unwrap();
        assert_eq!(Plan::read(&path).unwrap(), Some(plan()));
        let future = Plan {
            version: VERSION + 1,
            ..plan()
        };
        for text in [
            serde_json::to_string(&future).unwrap(),
            "{\"version\": 1".into(),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = format!("{:#}", Plan::read(&path).unwrap_err());
            assert!(error.contains("--out"), "{error}");
        }
    }
}
