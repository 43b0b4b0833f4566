//! Corpora made small, and corpora as zips: one zip a target, and the same bytes whenever it is made of the
//! same inputs.

pub mod candidates;
mod cover;
pub mod minimise;
pub mod pack;
pub mod survey;

use std::path::{Path, PathBuf};

use worker::TargetInfo;

/// The zip of a target's corpus in `folder`: OSS-Fuzz's name for it.
pub fn zip_of(folder: &Path, target: &TargetInfo) -> PathBuf {
    folder.join(format!("{}_seed_corpus.zip", target.name))
}
