//! Triage: groups the findings of all engines by cause.
//!
//! - [`collect`]: which files are finds, of which engine, since when.
//! - [`judge`]: replays them, in workers of their own.
//! - [`key`]: what makes two finds the same.
//! - [`group`]: groups, and the report.
//! - [`minimise`]: makes an input smaller; [`reproduce`]: the smallest input of each group.
//! - [`issue`], [`summary`], [`sarif`]: texts for an issue tracker, for the page of a CI job, and for code scanning;
//!   [`output`]: the files of a triage.

use std::path::Path;
use std::time::SystemTime;

use anyhow::Result;

use collect::Collected;
use group::{Environment, Report, VERSION};
use judge::Bench;

use crate::engine::session;

pub mod collect;
pub mod group;
pub mod issue;
pub mod judge;
pub mod key;
pub mod minimise;
pub mod output;
pub mod reproduce;
pub mod sarif;
pub mod summary;

/// Replays the finds, groups them, makes the smallest input of each group, and writes the results into the folder
/// `out`, which has those of the last triage.
///
/// # Errors
/// When no worker can be started, or something cannot be written.
pub fn triage(bench: &Bench, collected: Collected, out: &Path) -> Result<Report> {
    let (finds, mut troubles) = (collected.finds, collected.troubles);
    let last = Report::read(out);
    let outcomes = judge::replay_all(bench, &finds)?;
    let (mut groups, unknown) = group::group(&finds, &outcomes, last.as_ref());
    troubles.extend(unknown);
    reproduce::reproduce_all(bench, &mut groups, last.as_ref(), out)?;
    let report = Report {
        version: VERSION,
        made: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        environment: Environment::of(&bench.root),
        command: bench.command.clone(),
        judged: bench.judged.clone(),
        time_out_seconds: bench.time_out.as_secs_f64(),
        interrupted: session::interrupted(),
        finds: finds.len(),
        replayed: outcomes.len(),
        troubles,
        groups,
        earlier: group::earlier(last.as_ref(), &finds),
    };
    output::write(&report, last.as_ref(), out, &bench.root)?;
    Ok(report)
}
