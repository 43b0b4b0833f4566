//! Triage: from everything that engines found to one entry a cause.
//!
//! - [`collect`]: which files are finds, of which engine, since when.
//! - [`judge`]: replays them, in workers of their own.
//! - [`key`]: what makes two finds the same.
//! - [`group`]: groups, and the report.
//! - [`minimise`]: makes an input smaller; [`reproduce`]: the smallest input of each group.
//! - [`issue`], [`summary`], [`sarif`]: a group for an issue tracker, all for a job's page, all for code
//!   scanning; [`output`]: what is written where.

pub mod collect;
mod counter;
pub mod group;
pub mod issue;
pub mod judge;
pub mod key;
pub mod minimise;
pub mod output;
pub mod reproduce;
pub mod sarif;
pub mod summary;
