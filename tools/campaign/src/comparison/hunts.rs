//! Hunts of planted faults, from disk to the report.
//!
//! In the comparison's folder, `faults/hunts/FAULT/ENGINE/NNN.json` is a hunt that came to its end. `cargo lab
//! faults --into` writes these files; a report has what it finds there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::contestant::Contestant;
use super::folder::Folder;
use super::order::TrialId;
use crate::atomic::read_json;
use crate::corpus::files_in;
use report::format::counted;
use report::{Comparison, Start, SurvivalKind, analysis};
use statistics::survival::Observation;

/// What an engine found under a fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hunt {
    /// What caught it, if anything did.
    pub find: Option<Find>,
    /// Milliseconds of fuzzing: until the find, or all that there were.
    pub time_ms: u64,
    /// Executions until then.
    pub executions: u64,
    /// The time that it had, in milliseconds.
    pub limit_ms: u64,
    /// The check that some seed fails. Those seeds are kept from the engine.
    pub seed_fails: Option<String>,
    /// Why the result does not count: the engine died.
    pub failure: Option<String>,
}

/// A find that a replay confirms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Find {
    /// The target.
    pub target: String,
    /// The check.
    pub check: String,
    /// The input.
    pub input: String,
}

/// What a hunt depends on, by content.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Basis {
    /// The patch.
    pub patch: String,
    /// The sources that it was planted in.
    pub sources: String,
    /// The seeds.
    pub seeds: String,
}

/// A hunt that came to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HuntTrial {
    /// The fault's name.
    pub fault: String,
    /// The target.
    pub target: String,
    /// The engine, or the ensemble.
    pub engine: Contestant,
    /// The trial's number, from 1.
    pub number: usize,
    /// What it depends on.
    pub of: Basis,
    /// What came of it.
    pub hunt: Hunt,
}

impl HuntTrial {
    /// The trial as survival data; none when it does not count.
    pub fn observation(&self) -> Option<Observation> {
        let hunt = &self.hunt;
        let caught = |time_ms, happened| Some(Observation { time_ms, happened });
        match (&hunt.find, &hunt.failure) {
            (Some(_), _) => caught(hunt.time_ms, true),
            (None, Some(_)) => None,
            // Every seed fails, so that no engine had to begin.
            (None, None) if hunt.executions == 0 && hunt.seed_fails.is_some() => caught(0, true),
            (None, None) => caught(hunt.time_ms, false),
        }
    }
}

impl Hunt {
    /// Whether the engine notices the fault: by a find of its own, or because a seed fails, which is the
    /// first thing that it executes.
    pub fn caught(&self) -> bool {
        self.find.is_some() || self.seed_fails.is_some()
    }

    /// Whether the engine was left nothing to start from.
    pub fn every_seed_fails(&self) -> bool {
        self.seed_fails.is_some() && self.executions == 0 && self.time_ms == 0
    }

    /// Whether a hunt of `time` would end the same: it found something, or had as long.
    pub fn answers(&self, time: Duration) -> bool {
        self.failure.is_none()
            && (self.find.is_some() || u128::from(self.limit_ms) >= time.as_millis())
    }
}

/// Where hunts and what belongs to them are.
pub fn folder(folder: &Folder) -> PathBuf {
    folder.root().join("faults")
}

/// The file of a hunt that came to its end, in the folder `faults` of all hunts.
pub fn file(faults: &Path, fault: &str, id: &TrialId) -> PathBuf {
    let engine = id.engine.name();
    let name = format!("{:03}.json", id.number);
    faults.join("hunts").join(fault).join(engine).join(name)
}

/// Every hunt on disk, by fault, engine and number. Fails when a file cannot be read or understood.
pub fn read(of: &Folder) -> Result<Vec<HuntTrial>> {
    let mut hunts = Vec::new();
    let Ok(faults) = fs::read_dir(folder(of).join("hunts")) else {
        return Ok(hunts);
    };
    for fault in faults {
        let fault = fault?.path();
        for contestant in Contestant::ALL {
            for path in files_in(&fault.join(contestant.name()))? {
                if path.extension().is_some_and(|ending| ending == "json") {
                    hunts.extend(read_json::<HuntTrial>(&path)?);
                }
            }
        }
    }
    hunts.sort_by(|a, b| (&a.fault, a.engine, a.number).cmp(&(&b.fault, b.engine, b.number)));
    Ok(hunts)
}

/// Adds hunts, as [`read`] sorts them, to a comparison: survival curves on their targets, and notes.
pub fn add_to(comparison: &mut Comparison, hunts: &[HuntTrial]) {
    if hunts.is_empty() {
        return;
    }
    let key = |hunt: &HuntTrial| (hunt.target.clone(), hunt.fault.clone(), hunt.engine);
    for hunts in hunts.chunk_by(|one, next| key(one) == key(next)) {
        let (target, fault, engine) = key(&hunts[0]);
        let trials: Vec<Observation> = hunts.iter().filter_map(HuntTrial::observation).collect();
        let mut targets = comparison.targets.iter_mut();
        let of_target = targets
            .find(|of| of.target == target && of.start == Start::Seeds && !trials.is_empty());
        if let Some(of_target) = of_target {
            let survival = analysis::survival(&fault, SurvivalKind::Fault, engine.name(), &trials);
            of_target.survivals.push(survival);
        }
    }
    comparison.notes.extend(notes(hunts));
}

/// The hunts that do not count, in sentences.
pub fn lost(hunts: &[HuntTrial]) -> Vec<String> {
    let lost = hunts.iter().filter(|hunt| hunt.observation().is_none());
    lost.map(|hunt| {
        let why = hunt.hunt.failure.as_deref().unwrap_or_default();
        format!(
            "{} lost trial {} on the planted fault {}, which does not count: {}",
            hunt.engine.title(),
            hunt.number,
            hunt.fault,
            why.lines().next().unwrap_or_default()
        )
    })
    .collect()
}

fn notes(hunts: &[HuntTrial]) -> Vec<String> {
    let faults = |which: fn(&&HuntTrial) -> bool| -> BTreeSet<&str> {
        let hunts = hunts.iter().filter(which);
        hunts.map(|hunt| hunt.fault.as_str()).collect()
    };
    let hunted = faults(|_| true).len();
    let hunted = counted(hunted, "planted fault was", "planted faults were");
    let limits = hunts.iter().map(|hunt| hunt.hunt.limit_ms / 1000);
    let seconds = limits.max().unwrap_or(0);
    let mut notes = vec![format!(
        "{hunted} hunted, for {seconds} s at most. How soon each is caught shows how strong the oracle is on such \
         mistakes; they are no sample of real ones, and rank no engine."
    )];
    let by_seeds = faults(|hunt| hunt.hunt.seed_fails.is_some());
    if !by_seeds.is_empty() {
        let names: Vec<&str> = by_seeds.into_iter().collect();
        notes.push(format!(
            "Some seed fails already under these planted faults, and was kept from the engines: {}.",
            names.join(", ")
        ));
    }
    notes.extend(lost(hunts));
    let bases = hunts.iter().map(|hunt| (&hunt.of.sources, &hunt.of.seeds));
    if bases.collect::<BTreeSet<_>>().len() > 1 {
        notes.push(
            "Planted faults were hunted with more than one state of the sources or seeds; `cargo lab faults --into` \
             this folder runs the older ones again."
                .to_owned(),
        );
    }
    notes
}
