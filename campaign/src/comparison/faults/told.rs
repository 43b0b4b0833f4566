//! Hunts of planted faults, from disk to the report.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::Result;
use report::format::counted;
use report::{Comparison, SurvivalKind, analysis};
use statistics::survival::Observation;

use super::super::folder::{Folder, read_json};
use super::{HuntTrial, hunts_of};
use crate::engine::Engine;

/// Every hunt on disk, by fault, engine and number.
///
/// # Errors
/// When a file cannot be read or understood.
pub fn read(folder: &Folder) -> Result<Vec<HuntTrial>> {
    let mut hunts = Vec::new();
    for engine in Engine::ALL {
        let Ok(faults) = fs::read_dir(hunts_of(folder)) else {
            return Ok(hunts);
        };
        for fault in faults {
            let Ok(files) = fs::read_dir(fault?.path().join(engine.name())) else {
                continue;
            };
            for file in files {
                let path = file?.path();
                if path.extension().is_some_and(|ending| ending == "json") {
                    hunts.extend(read_json::<HuntTrial>(&path)?);
                }
            }
        }
    }
    hunts.sort_by(|a, b| (&a.fault, a.engine, a.number).cmp(&(&b.fault, b.engine, b.number)));
    Ok(hunts)
}

/// Adds the hunts to a comparison: survival curves on their targets, and notes.
pub fn add_to(comparison: &mut Comparison, hunts: &[HuntTrial]) {
    if hunts.is_empty() {
        return;
    }
    let mut by_engine: BTreeMap<(&str, &str, Engine), Vec<&HuntTrial>> = BTreeMap::new();
    for hunt in hunts {
        by_engine
            .entry((&hunt.target, &hunt.fault, hunt.engine))
            .or_default()
            .push(hunt);
    }
    for ((target, fault, engine), hunts) in by_engine {
        let trials: Vec<Observation> = hunts.iter().filter_map(|hunt| hunt.observation()).collect();
        let of_target = comparison.targets.iter_mut().find(|of| of.target == target);
        if let (Some(of_target), false) = (of_target, trials.is_empty()) {
            let survival = analysis::survival(fault, SurvivalKind::Fault, engine.name(), &trials);
            of_target.survivals.push(survival);
        }
    }
    comparison.notes.extend(notes(hunts));
}

/// The hunts that do not count, in sentences.
#[must_use]
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
    let faults: BTreeSet<&str> = hunts.iter().map(|hunt| hunt.fault.as_str()).collect();
    let hunted = counted(faults.len(), "planted fault was", "planted faults were");
    let mut notes = vec![format!(
        "{hunted} hunted. How soon each is caught shows how strong the oracle is on such mistakes; they \
         are no sample of real ones, and rank no engine."
    )];
    let by_seeds: BTreeSet<&str> = hunts
        .iter()
        .filter(|hunt| hunt.hunt.seed_fails.is_some())
        .map(|hunt| hunt.fault.as_str())
        .collect();
    if !by_seeds.is_empty() {
        let names: Vec<&str> = by_seeds.into_iter().collect();
        notes.push(format!(
            "Some seed fails already under these planted faults, and was kept from the engines: {}.",
            names.join(", ")
        ));
    }
    notes.extend(lost(hunts));
    let bases: BTreeSet<(&str, &str)> = hunts
        .iter()
        .map(|hunt| (hunt.of.sources.as_str(), hunt.of.seeds.as_str()))
        .collect();
    if bases.len() > 1 {
        notes.push(
            "Planted faults were hunted with more than one state of the sources or seeds; the same command with \
             --faults runs again what is of an older one."
                .to_owned(),
        );
    }
    notes
}

/// The hunts as a table.
#[must_use]
pub fn markdown(comparison: &Comparison) -> String {
    let headings = ["target", "planted fault", "engine", "caught", "median time"];
    let mut rows = vec![headings.map(str::to_owned).to_vec()];
    for target in &comparison.targets {
        let faults = target
            .survivals
            .iter()
            .filter(|survival| survival.kind == SurvivalKind::Fault);
        rows.extend(faults.map(|survival| {
            let engine = target
                .engines
                .iter()
                .find(|engine| engine.engine == survival.engine);
            vec![
                target.target.clone(),
                survival.of.clone(),
                engine
                    .map_or(&survival.engine, |engine| &engine.title)
                    .clone(),
                format!("{} of {}", survival.caught, survival.trials),
                report::format::median_time(survival.median_ms),
            ]
        }));
    }
    if rows.len() == 1 {
        return String::new();
    }
    format!(
        "## Planted faults: the oracle's strength, and no ranking of engines\n\n{}",
        report::markdown::table(&rows, 3)
    )
}
