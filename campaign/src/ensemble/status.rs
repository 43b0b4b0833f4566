//! How an ensemble stands: [`Gathering`] gathers it once, `shown.rs` shows it on a terminal, prints it as plain
//! lines and as the table at the end; here is what it is, and its JSON.

mod gathering;
mod shown;

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::engine::{Engine, Percent};

pub use gathering::Gathering;

/// How an ensemble stands. The JSON of `status.json` and of `--json`.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// The version of this layout.
    pub version: u32,
    /// The target.
    pub target: String,
    /// What it is doing.
    pub state: State,
    /// When it began, in RFC 3339.
    pub started: String,
    /// How long it has run, in seconds.
    pub elapsed_seconds: f64,
    /// How long it is to run, in seconds.
    pub time_seconds: u64,
    /// How many cores it may use.
    pub cores: usize,
    /// Processor time that the engines have used, in seconds.
    pub core_seconds: f64,
    /// Of how many regions of the code under test.
    pub regions: Regions,
    /// How many kept inputs are not measured yet.
    pub not_measured: usize,
    /// Each engine.
    pub engines: Vec<EngineStatus>,
    /// What fails, by check.
    pub finds: Vec<FindStatus>,
}

/// What is going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// The engines run.
    Running,
    /// They have ended.
    Ended,
    /// They were ended by Ctrl-C.
    Interrupted,
}

/// Source regions of the code under test, on the neutral build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Regions {
    /// Reached by the inputs that all began from.
    pub beginnings: usize,
    /// Reached by these and by whatever any engine kept.
    pub reached: usize,
    /// Reached by the shipped corpus: known to be reachable. `null` while it is not measured.
    pub shipped: Option<usize>,
    /// All there are in the code under test, those of other targets and unreachable ones included.
    pub total: usize,
}

/// How one engine stands.
#[derive(Debug, Clone, Serialize)]
pub struct EngineStatus {
    /// Its name.
    pub engine: Engine,
    /// How many cores it has; where engines take turns, how many it has in its turn, 1.
    pub workers: usize,
    /// Executions of the target.
    pub executions: u64,
    /// Executions a second, of late; of the whole time when it has ended.
    pub executions_per_second: f64,
    /// How many inputs it was the first to keep.
    pub kept: usize,
    /// How many of these others were given.
    pub gave: usize,
    /// How many it was given by others.
    pub given: usize,
    /// Regions that its own inputs reach, with those of the beginning.
    pub regions: usize,
    /// Regions that no other engine's inputs reach.
    pub regions_only_here: usize,
    /// When an input of it was the first to reach some region, in seconds since the start.
    pub last_new_seconds: Option<f64>,
    /// How many files with finds it left.
    pub finds: usize,
    /// Processor time that it used, in seconds.
    pub core_seconds: f64,
    /// AFL++'s stability in percent: of the least stable instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stability: Option<Percent>,
    /// Why its result does not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// What fails one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FindStatus {
    /// The check.
    pub check: String,
    /// How many inputs.
    pub inputs: usize,
    /// The engines that found some.
    pub engines: Vec<String>,
    /// The shortest.
    pub example: PathBuf,
}

impl Status {
    /// Writes the JSON to `file`, in one step.
    ///
    /// # Errors
    /// When it cannot be written; what was there is then still there.
    pub fn write(&self, file: &Path) -> Result<()> {
        let folder = file.parent().context("a status without a folder")?;
        let shown = file.display();
        let mut new = tempfile::NamedTempFile::new_in(folder)
            .with_context(|| format!("{shown} cannot be written"))?;
        new.write_all(serde_json::to_string_pretty(self)?.as_bytes())
            .and_then(|()| new.flush())
            .with_context(|| format!("{shown} cannot be written"))?;
        new.persist(file)
            .with_context(|| format!("{shown} cannot be written"))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::State;
    use super::gathering::sample;

    #[test]
    fn the_file_is_whole_json_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("status.json");
        let mut status = sample();
        for state in [State::Running, State::Ended] {
            status.state = state;
            status.write(&file).unwrap();
        }
        let text = std::fs::read_to_string(&file).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["state"], "ended");
        assert_eq!(json["engines"][0]["executions"], 1_234_567);
        assert_eq!(json["regions"]["shipped"], 90);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(
            status
                .write(&folder.path().join("gone/status.json"))
                .is_err()
        );
    }
}
