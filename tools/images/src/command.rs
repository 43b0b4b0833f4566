//! One module a command: its arguments, its help, and `run`.

pub mod differential;
pub mod export;
pub mod measure;
pub mod recipe;
pub mod scan;
pub mod seeds;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

/// The root of the workspace that the current folder lies in, or `named`.
///
/// # Errors
/// When there is none.
pub fn project(named: Option<&Path>) -> Result<PathBuf> {
    let is_root = |folder: &Path| folder.join("Cargo.lock").is_file();
    if let Some(folder) = named {
        ensure!(
            is_root(folder),
            "{} is no project: it has no Cargo.lock",
            folder.display()
        );
        return Ok(folder.to_owned());
    }
    let here = std::env::current_dir().context("there is no current folder")?;
    let root = here.ancestors().find(|folder| is_root(folder));
    Ok(root
        .context("neither this folder nor one above it is a project; name it with --project DIR")?
        .to_owned())
}
