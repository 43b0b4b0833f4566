//! Corpora made small, and corpora as zips: one zip a target, and the same bytes whenever it is made of the
//! same inputs.
//!
//! - [`candidates`]: inputs from seeds, folders and earlier zips, by target.
//! - [`cover`]: few inputs that have every feature as often as is asked for.
//! - [`survey`]: the features of many inputs, as the neutral build shows them.
//! - [`thin`]: takes out of a folder what a cover does not need.
//! - [`pack`]: zips, written and read; [`fingerprints`]: written with what each input means.

pub mod candidates;
pub mod cover;
pub mod fingerprints;
pub mod pack;
pub mod survey;
pub mod thin;

use std::path::{Path, PathBuf};

use worker::TargetInfo;

/// The zip of a target's corpus in `folder`: OSS-Fuzz's name for it.
#[must_use]
pub fn zip_of(folder: &Path, target: &TargetInfo) -> PathBuf {
    folder.join(format!("{}_seed_corpus.zip", target.name))
}
