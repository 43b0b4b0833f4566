//! One module a command: its arguments, its help, and `run`.

pub mod bench;
pub mod compare;
pub mod completions;
pub mod corpora;
pub mod coverage;
pub mod doctor;
pub mod export;
pub mod import;
pub mod list;
pub mod minimize;
pub mod replay;
pub mod run;
pub mod triage;

use anyhow::{Context, Result};
use cli::parse_time;
use harness_core::{TARGETS, Target, targets};

pub use cli::{FINDS, INTERRUPTED};

/// The names of all targets but the base line.
fn target_names() -> Vec<&'static str> {
    TARGETS
        .iter()
        .filter(|target| !target.is_baseline)
        .map(|target| target.name)
        .collect()
}

/// The target of that name.
fn target(name: &str) -> Result<&'static Target> {
    targets::find(name).with_context(|| {
        format!(
            "no target is called {name:?}; there are {}",
            target_names().join(", ")
        )
    })
}

/// The targets of these names; all but the empty one when there are none.
fn chosen_targets(names: &[String]) -> Result<Vec<&'static Target>> {
    if names.is_empty() {
        return target_names().into_iter().map(target).collect();
    }
    names.iter().map(|name| target(name)).collect()
}
