//! `campaign seeds`: the seed corpus.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::project::Project;

/// Write the seed corpus
#[derive(Debug, clap::Args)]
pub struct Seeds {
    /// Import the images in this folder
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    /// The folder to write to; one folder a target is made in it
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Writes seeds.
///
/// # Errors
/// Always, for now.
pub fn run(args: &Seeds, project: &Project) -> Result<ExitCode> {
    let _ = (args, project);
    bail!("not there yet");
}
