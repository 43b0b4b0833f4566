//! The report of a comparison's trials and hunts, and its files.

use std::collections::BTreeMap;

use anyhow::Result;
use report::{Comparison, VERSION, analysis, page, series, summary};
use worker::TargetInfo;
use worker::protocol::CheckInfo;

use super::folder::Folder;
use super::hunts::{self, HuntTrial};
use super::measured::Measuring;
use super::measuring::{self, OfTarget};
use super::notes;
use super::plan::Plan;
use super::schedule::Trials;
use crate::atomic;
use crate::coverage::SourceMap;
use crate::engine::session;

/// What a report is made of.
#[derive(Debug)]
pub struct Reporting<'a> {
    /// What was asked.
    pub plan: &'a Plan,
    /// Where it is.
    pub folder: &'a Folder,
    /// The code under test.
    pub map: &'a SourceMap,
    /// The targets, by name.
    pub targets: &'a BTreeMap<String, TargetInfo>,
    /// All checks.
    pub checks: &'a [CheckInfo],
    /// The trials.
    pub trials: &'a Trials,
    /// The hunts of planted faults.
    pub hunts: &'a [HuntTrial],
}

impl Reporting<'_> {
    /// The report, with every statistic.
    ///
    /// # Errors
    /// When what the seeds reach cannot be measured.
    pub fn comparison(&self) -> Result<Comparison> {
        let Self {
            plan,
            folder,
            map,
            targets,
            checks,
            trials,
            hunts,
        } = *self;
        let mut comparison = Comparison {
            version: VERSION,
            started: plan.started.clone(),
            time_seconds: plan.time_seconds,
            snapshot_seconds: plan.snapshot_seconds,
            trials: plan.trials,
            order_seed: plan.order_seed,
            interrupted: session::interrupted() && trials.not_begun > 0,
            machine: plan.machine.clone(),
            code: measuring::code(map),
            targets: Vec::new(),
            notes: Vec::new(),
        };
        if let Some(code) = &plan.code {
            comparison
                .machine
                .tools
                .push(("the project".to_owned(), code.clone()));
        }
        for name in &plan.targets {
            let seeds = Measuring { folder, map }.seeds(name)?;
            let of_target = OfTarget {
                folder,
                map,
                target: &targets[name],
                checks,
                engines: &plan.engines,
                trials,
                seeds: &seeds,
            };
            comparison.targets.push(of_target.result());
        }
        comparison.notes = notes::of(&comparison.machine, trials);
        hunts::add_to(&mut comparison, hunts);
        analysis::analyse(&mut comparison);
        Ok(comparison)
    }
}

/// Writes the report's files: words, table, page, and those for machines.
///
/// # Errors
/// When one cannot be written.
pub fn write(comparison: &Comparison, folder: &Folder) -> Result<()> {
    for (name, text) in [
        ("summary.md", summary::markdown(comparison)),
        ("series.csv", series::csv(comparison)),
        ("index.html", page::html(comparison)),
        ("report.json", serde_json::to_string_pretty(comparison)?),
    ] {
        atomic::write_durably(&folder.root().join(name), text.as_bytes())?;
    }
    Ok(())
}
