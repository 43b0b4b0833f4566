//! A comparison of engines: the data, and how it is shown.
//!
//! [`Comparison`] is what `report.json` holds. [`measuring`] makes it from what the engines did,
//! [`table`] shows it on a terminal and in Markdown, [`page`] as one self-contained HTML file. Coverage is always source regions of the code under test,
//! from the neutral build: an engine's own figures are three different units.

pub mod machine;
pub mod measuring;
pub mod page;
pub mod table;

use serde::{Deserialize, Serialize};

/// All engines on all targets, from the same seeds, for the same time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The version of this format.
    pub version: u32,
    /// When it was started, in UTC, as RFC 3339.
    pub started: String,
    /// The time of each engine on each target, in seconds.
    pub time_seconds: u64,
    /// Whether Ctrl-C ended it before its time.
    pub interrupted: bool,
    /// What it ran on.
    pub machine: Machine,
    /// The results, a target each.
    pub targets: Vec<TargetResult>,
}

/// The machine and the tools.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// How many cores it has.
    pub cores: usize,
    /// How many engines ran at once, on a core each.
    pub jobs: usize,
    /// The operating system and its version.
    pub system: String,
    /// Names and versions of the compiler and the engines.
    pub tools: Vec<(String, String)>,
}

/// A target's results.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetResult {
    /// The target's name.
    pub target: String,
    /// What it drives, in words.
    pub drives: String,
    /// The longest input that engines were to make, in bytes.
    pub max_input: usize,
    /// All source regions of the code under test.
    pub regions_total: usize,
    /// Those that any engine reached.
    pub regions_union: usize,
    /// What the seeds alone reach: the base line.
    pub seeds: SeedsResult,
    /// The results, an engine each.
    pub engines: Vec<EngineResult>,
    /// Checks that no input of any engine evaluated.
    pub never_evaluated: Vec<String>,
}

/// What the seeds alone reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeedsResult {
    /// How many seeds there are.
    pub inputs: usize,
    /// The source regions that they reach.
    pub regions: usize,
}

/// An engine's result on a target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EngineResult {
    /// The engine's name, as on the command line.
    pub engine: String,
    /// The engine's name, as its authors write it.
    pub title: String,
    /// The command that was run.
    pub command: String,
    /// How long it ran, in seconds.
    pub seconds: f64,
    /// The inputs that it read to begin with.
    pub seeds_read: u64,
    /// Executions of the target.
    pub executions: u64,
    /// Executions a second.
    pub executions_per_second: f64,
    /// Inputs that it kept, seeds included where it keeps those.
    pub corpus: usize,
    /// Source regions that what it kept reaches.
    pub regions: usize,
    /// Source regions that only this engine reached.
    pub regions_only_here: usize,
    /// Those regions, as `file:line:column`.
    pub only_here: Vec<String>,
    /// AFL++'s stability, in percent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub stability: Option<f64>,
    /// Inputs that failed, a group for each check.
    pub finds: Vec<FindGroup>,
    /// Regions over time and executions.
    pub growth: Vec<GrowthPoint>,
    /// Why this result does not count, when it does not.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub failure: Option<String>,
}

/// Finds that fail the same check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindGroup {
    /// The check's id.
    pub check: String,
    /// How many inputs fail it.
    pub inputs: usize,
    /// One of them, the shortest.
    pub example: String,
}

/// Source regions reached at some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrowthPoint {
    /// Milliseconds since the engine's start.
    pub time_ms: u64,
    /// Executions until then.
    pub executions: u64,
    /// Source regions reached by then, the seeds' included once the engine kept them.
    pub regions: usize,
}

/// The version of [`Comparison`] that this code writes.
pub const VERSION: u32 = 1;

/// A number with its thousands apart: `1 234 567`, with narrow no-break spaces.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        let plain: Vec<String> = [0, 999, 1000, 1_234_567]
            .map(|number| grouped(number).replace('\u{202f}', " "))
            .into();
        assert_eq!(plain, ["0", "999", "1 000", "1 234 567"]);
    }
}
