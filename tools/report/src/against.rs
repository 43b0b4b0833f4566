//! Two comparisons side by side: before and after a change of the harness, of the seeds, of an engine.
//!
//! What differs in the conditions comes first. Then, for each target and engine, the new trials are compared with the
//! old ones by the same statistics as engines are with each other. The code under test may have changed too, so the
//! share of its regions that was reached is tested, in percent. With the same code that equals a test of the regions.

mod shown;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use statistics::{LEVEL, float, survival};

use crate::analysis::{self, adjust, contrast, estimate, times_to_find};
use crate::conditions::conditions;
use crate::format::NONE;
use crate::{Comparison, Contrast, EngineResult, Estimate, TargetResult, TrialResult};

pub use shown::markdown;

/// Two runs, compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Against {
    /// The version of this format.
    pub version: u32,
    /// Both runs.
    pub runs: Both<Side>,
    /// What differs in their conditions; empty when nothing is known to.
    pub differences: Vec<Difference>,
    /// What a reader must know first, in sentences.
    pub notes: Vec<String>,
    /// The targets that both have.
    pub targets: Vec<TargetAgainst>,
}

/// Which run it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Side {
    /// Its folder or file, as it was named.
    pub from: String,
    /// When it was started, in UTC, as RFC 3339.
    pub started: String,
}

/// A figure in each of two runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Both<T> {
    /// Before.
    pub old: T,
    /// Now.
    pub new: T,
}

impl<T> Both<T> {
    /// Something of each.
    pub fn map<U>(self, of: impl Fn(T) -> U) -> Both<U> {
        Both {
            old: of(self.old),
            new: of(self.new),
        }
    }
}

/// A condition that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// What it is.
    pub what: String,
    /// What it was.
    pub old: String,
    /// What it is now.
    pub new: String,
}

/// A target in both runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetAgainst {
    /// Its name.
    pub target: String,
    /// The regions of the code under test, before and now.
    pub total: Both<usize>,
    /// The regions that the seeds reach, before and now.
    pub seeds: Both<usize>,
    /// The engines that both have.
    pub engines: Vec<EngineAgainst>,
}

/// An engine on a target in both runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EngineAgainst {
    /// The engine's name, as on the command line.
    pub engine: String,
    /// The engine's name, as its authors write it.
    pub title: String,
    /// How many trials count, before and now.
    pub trials: Both<usize>,
    /// Regions reached at the end of the time, in percent of all of the code under test.
    pub percent: Quantity,
    /// The percentage when each trial had executed as much as the trial of both runs that executed least.
    pub percent_at_equal_executions: Quantity,
    /// Executions a second.
    pub executions_per_second: Quantity,
    /// Checks that inputs of either run fail.
    pub finds: Vec<FindAgainst>,
}

/// A figure in both runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Quantity {
    /// Before and now; none without a trial that counts.
    pub estimates: Both<Option<Estimate>>,
    /// The new trials (first) against the old ones (second), adjusted over the engines of the target. None with a
    /// single trial on either side.
    pub contrast: Option<Contrast>,
}

/// Time to a find in both runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FindAgainst {
    /// The check's id.
    pub check: String,
    /// In how many trials it was found, before and now.
    pub caught: Both<usize>,
    /// When half of the trials had it, in milliseconds, before and now.
    pub median_ms: Both<Option<u64>>,
    /// The log-rank test's p-value, not adjusted; none with a single trial on either side.
    pub p: Option<f64>,
}

/// The version of [`Against`] that this code writes.
pub const AGAINST_VERSION: u32 = 2;

/// Compares two runs; `names` are where they came from.
#[must_use]
pub fn against(old: &Comparison, new: &Comparison, names: Both<String>) -> Against {
    let targets: Vec<TargetAgainst> = new
        .targets
        .iter()
        .filter_map(|new| {
            let mut before = old.targets.iter();
            let old = before.find(|before| before.target == new.target)?;
            Some(target_against(Both { old, new }))
        })
        .collect();
    let side = |from, run: &Comparison| Side {
        from,
        started: run.started.clone(),
    };
    Against {
        version: AGAINST_VERSION,
        runs: Both {
            old: side(names.old, old),
            new: side(names.new, new),
        },
        differences: differences(old, new),
        notes: shown::notes(old, new, &targets),
        targets,
    }
}

/// Writes `against.json` and `against.md` into `folder`.
///
/// # Errors
/// When one cannot be written.
pub fn write(against: &Against, folder: &Path) -> Result<()> {
    for (name, text) in [
        ("against.json", serde_json::to_string_pretty(against)?),
        ("against.md", markdown(against)),
    ] {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))?;
    }
    Ok(())
}

/// Every condition that differs: machine, tools, times, targets, seeds, limits, commands.
fn differences(old: &Comparison, new: &Comparison) -> Vec<Difference> {
    let (before, now) = (conditions(old), conditions(new));
    let value = |conditions: &[(String, String)], what: &str| {
        let found = conditions.iter().find(|(name, _)| name == what);
        found.map_or_else(|| NONE.to_owned(), |(_, value)| without_folders(value))
    };
    let is_new = |(name, _): &&(String, String)| !now.iter().any(|(there, _)| there == name);
    let gone = before.iter().filter(is_new);
    now.iter()
        .chain(gone)
        .map(|(what, _)| Difference {
            what: what.clone(),
            old: value(&before, what),
            new: value(&now, what),
        })
        .filter(|difference| difference.old != difference.new)
        .collect()
}

/// A value (mostly a command) without the folders in it, which differ between any two runs.
fn without_folders(command: &str) -> String {
    let word = |word: &str| match word.rsplit_once('/') {
        // `-artifact_prefix=/some/where/` keeps its name.
        Some((before, last)) => match before.split_once('=') {
            Some((option, _)) => format!("{option}=…/{last}"),
            None => format!("…/{last}"),
        },
        None => word.to_owned(),
    };
    let words: Vec<String> = command.split_whitespace().map(word).collect();
    words.join(" ")
}

fn target_against(both: Both<&TargetResult>) -> TargetAgainst {
    let totals = both.map(|target| target.total.regions);
    let mut engines: Vec<EngineAgainst> = both
        .new
        .engines
        .iter()
        .filter_map(|new| {
            let mut before = both.old.engines.iter();
            let old = before.find(|before| before.engine == new.engine)?;
            Some(engine_against(Both { old, new }, totals))
        })
        .collect();
    let quantities: [fn(&mut EngineAgainst) -> &mut Quantity; 3] = [
        |engine| &mut engine.percent,
        |engine| &mut engine.percent_at_equal_executions,
        |engine| &mut engine.executions_per_second,
    ];
    for quantity in quantities {
        let tested = engines.iter_mut().map(quantity);
        adjust(tested.filter_map(|quantity| quantity.contrast.as_mut()));
    }
    TargetAgainst {
        target: both.new.target.clone(),
        total: totals,
        seeds: both.map(|target| target.seeds.reach.regions),
        engines,
    }
}

fn engine_against(both: Both<&EngineResult>, totals: Both<usize>) -> EngineAgainst {
    let percent = |regions: usize, total: usize| 100.0 * float(regions) / float(total.max(1));
    let trials = both.old.counting().chain(both.new.counting());
    let least = trials.map(|trial| trial.executions).min().unwrap_or(0);
    let quantity = |value: &dyn Fn(&TrialResult, usize) -> f64| {
        let over = |engine: &EngineResult, total| -> Vec<f64> {
            let trials = engine.counting();
            trials.map(|trial| value(trial, total)).collect()
        };
        let (old, new) = (over(both.old, totals.old), over(both.new, totals.new));
        Quantity {
            contrast: contrast(&new, &old),
            estimates: Both { old, new }.map(|values| estimate(&values)),
        }
    };
    EngineAgainst {
        engine: both.new.engine.clone(),
        title: both.new.title.clone(),
        trials: both.map(|engine| engine.counting().count()),
        percent: quantity(&|trial, total| percent(trial.reach.regions, total)),
        percent_at_equal_executions: quantity(&|trial, total| {
            percent(analysis::regions_at_executions(trial, least), total)
        }),
        executions_per_second: quantity(&|trial, _| trial.executions_per_second),
        finds: analysis::checks([both.old, both.new])
            .into_iter()
            .map(|check| find_against(both, check))
            .collect(),
    }
}

fn find_against(both: Both<&EngineResult>, check: &str) -> FindAgainst {
    let times = both.map(|engine| times_to_find(engine, check));
    let tested = times.old.len().min(times.new.len()) >= analysis::TESTED_FROM;
    let test = survival::log_rank(&times.old, &times.new).filter(|_| tested);
    let seen = Both {
        old: &times.old,
        new: &times.new,
    };
    FindAgainst {
        check: check.to_owned(),
        caught: seen.map(|trials| trials.iter().filter(|trial| trial.happened).count()),
        median_ms: seen.map(|trials| survival::median(&survival::kaplan_meier(trials, LEVEL))),
        p: test.map(|test| test.p),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_in_a_command_are_no_difference() {
        assert_eq!(
            without_folders(
                "cargo-afl afl fuzz -V 60 -i /a/b/inputs -x=/c/d.dict -- target/release/t"
            ),
            "cargo-afl afl fuzz -V 60 -i …/inputs -x=…/d.dict -- …/t"
        );
    }
}
