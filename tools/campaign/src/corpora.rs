//! Corpora made small, and corpora as zips: one zip a target, and the same bytes whenever it is made of the
//! same inputs.
//!
//! - [`pack`]: zips, written with the inputs' fingerprints, and read.
//! - [`candidates`]: inputs from seeds, folders and earlier zips, by target.
//! - [`cover`]: few inputs that have every feature as often as is asked for.
//! - [`survey`]: the features of many inputs, as the neutral build shows them.
//! - [`minimise`]: a cover that was replayed again, and a folder without everything else.

pub mod candidates;
pub mod cover;
pub mod minimise;
pub mod pack;
pub mod survey;

use std::path::{Path, PathBuf};

use worker::TargetInfo;

/// The zip of a target's corpus in `folder`: OSS-Fuzz's name for it.
#[must_use]
pub fn zip_of(folder: &Path, target: &TargetInfo) -> PathBuf {
    folder.join(format!("{}_seed_corpus.zip", target.name))
}
