//! What a reader of a comparison must know of how its trials ran, beside what follows from their results
//! ([`report::analysis`]).

use std::collections::BTreeSet;

use report::Machine;
use report::format::counted;

use super::schedule::Trials;

/// The notes, in sentences.
#[must_use]
pub fn of(machine: &Machine, trials: &Trials) -> Vec<String> {
    let mut notes = Vec::new();
    if !trials.lost.is_empty() {
        notes.push(format!(
            "The machine lost {}, and not an engine: the same command with the same --out runs what is \
             missing again.",
            counted(trials.lost.len(), "trial", "trials")
        ));
    }
    if machine.jobs > machine.cores {
        notes.push(format!(
            "{} engines ran at once on {}: they took time from each other.",
            machine.jobs,
            counted(machine.cores, "core", "cores")
        ));
    }
    let whole = trials.whole.values().map(|(trial, _)| trial);
    let systems: BTreeSet<&str> = whole.map(|trial| trial.system.as_str()).collect();
    if systems.len() > 1 {
        let systems: Vec<&str> = systems.into_iter().collect();
        notes.push(format!(
            "Trials ran under more than one system: {}.",
            systems.join("; ")
        ));
    }
    notes
}
