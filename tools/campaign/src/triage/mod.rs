//! Triage: from everything that engines found to one entry a cause.
//!
//! - [`collect`]: which files are finds, of which engine, since when.
//! - [`judge`]: replays them, in workers of their own.
//! - [`key`]: what makes two finds the same.
//! - [`group`]: groups, and the report.
//! - [`minimise`]: makes an input smaller; [`reproduce`]: the smallest input of each group.
//! - [`issue`], [`summary`], [`sarif`]: a group for an issue tracker, all for a job's page, all for code
//!   scanning; [`output`]: what is written where.
//!
//! [`sort`] is the whole of it but for reading and writing.

use std::path::Path;

use anyhow::Result;

use collect::Find;
use group::{Group, Report};
use judge::{Bench, replay_all};
use minimise::Budget;
use reproduce::{Before, Reproduced, reproduce_all};

pub mod collect;
pub mod group;
pub mod issue;
pub mod judge;
pub mod key;
pub mod minimise;
pub mod output;
mod pool;
pub mod reproduce;
pub mod sarif;
pub mod summary;

/// What came of the finds.
#[derive(Debug)]
pub struct Sorted {
    /// The groups, with their reproducers.
    pub groups: Vec<Group>,
    /// The contents of the reproducers, one for each group; none for one that does not fail.
    pub reproduced: Vec<Option<Reproduced>>,
    /// What is remembered of earlier triages.
    pub earlier: Vec<Group>,
    /// How many finds were replayed: all, or fewer after Ctrl-C.
    pub replayed: usize,
    /// What could not be read, in words.
    pub troubles: Vec<String>,
}

/// Replays `finds`, groups them, and makes the smallest input of each group. `out` is the folder of the last
/// triage's results, whose report is `last`.
///
/// # Errors
/// When no worker can be started.
pub fn sort(
    bench: &Bench,
    finds: &[Find],
    out: &Path,
    last: Option<&Report>,
    budget: Budget,
) -> Result<Sorted> {
    let outcomes = replay_all(bench, finds)?;
    let (mut groups, troubles) = group::group(finds, &outcomes, last);
    let before = Before { report: last, out };
    let reproduced = reproduce_all(bench, &groups, before, budget)?;
    for (group, reproduced) in groups.iter_mut().zip(&reproduced) {
        if let Some(reproduced) = reproduced {
            group.reproducer = Some(reproduced.reproducer.clone());
        }
    }
    Ok(Sorted {
        groups,
        reproduced,
        earlier: group::earlier(last, finds),
        replayed: outcomes.len(),
        troubles,
    })
}
