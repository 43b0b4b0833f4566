//! Corpora made small, and corpora as zips: one zip a target, and the same bytes whenever it is made of the
//! same inputs.
//!
//! - [`candidates`]: inputs from seeds, folders and earlier zips, by target.
//! - [`cover`]: few inputs that have every feature as often as is asked for.
//! - [`survey`]: the features of many inputs, as the neutral build shows them.
//! - [`thin`]: takes out of a folder what a cover does not need.
//! - [`pack`]: zips, written and read.

pub mod candidates;
pub mod cover;
pub mod pack;
pub mod survey;
pub mod thin;

use std::path::{Path, PathBuf};

use harness_core::Target;

/// The zip of a target's corpus in `folder`: OSS-Fuzz's name for it.
#[must_use]
pub fn zip_of(folder: &Path, target: &Target) -> PathBuf {
    folder.join(format!("{}_seed_corpus.zip", target.name))
}
