//! Shipped corpora: one zip a target, small, complete, and the same bytes whenever it is made of the same
//! inputs.
//!
//! - [`candidates`]: inputs from seeds, folders and earlier zips, by target.
//! - [`features`]: what makes an input worth keeping, as the neutral build tells it.
//! - [`minimise`]: the few inputs that have every feature as often as is asked for; [`sets`]: of a million.
//! - [`thin`]: makes a folder of inputs as small as it can be; [`swap`]: puts it in the old one's place.
//! - [`pack`]: zips, written and read; [`folder`]: folders of a million inputs.

pub mod candidates;
pub mod features;
pub mod folder;
pub mod minimise;
pub mod pack;
pub mod sets;
pub mod swap;
pub mod thin;

use std::path::{Path, PathBuf};

use harness_core::Target;

/// The zip of a target's corpus in `folder`: OSS-Fuzz's name for it.
#[must_use]
pub fn zip_of(folder: &Path, target: &Target) -> PathBuf {
    folder.join(format!("{}_seed_corpus.zip", target.name))
}
