//! Two comparisons side by side: before and after a change of the harness, of the seeds, of an engine.
//!
//! What differs in the conditions is said first. Then, for each target and engine, the new trials are
//! compared with the old ones by the same statistics as engines are with each other. The code under test may
//! have changed too: what is tested is the share of its regions that was reached, in percent, which with
//! the same code is the same test as that of the regions.

mod conditions;
mod words;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::analysis::{contrast, estimate, times_to_find};
use super::{
    Comparison, Contrast, EngineResult, Estimate, TargetResult, TrialResult, VERSION, analysis,
};
use crate::UNREPRODUCED;
use statistics::{ALPHA, float, holm, mann_whitney, survival};

pub use words::markdown;

/// Two runs, compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Against {
    /// The version of this format.
    pub version: u32,
    /// The run that is compared with.
    pub old: Side,
    /// The run that is compared.
    pub new: Side,
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
    /// What the regions reached say, in a word; by percent, and the adjusted p-value.
    pub verdict: Verdict,
    /// Regions reached at the end of the time, in percent of all of the code under test.
    pub percent: Quantity,
    /// The same as a number of regions.
    pub regions: Quantity,
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
    /// Before; none without a trial that counts.
    pub old: Option<Estimate>,
    /// Now.
    pub new: Option<Estimate>,
    /// The new trials (first) against the old ones (second); none with a single trial on either side.
    pub contrast: Option<Contrast>,
    /// The p-value adjusted by Holm's method over the engines of the target.
    pub adjusted_p: Option<f64>,
}

/// What the trials say of a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The new trials reach more, significantly at 5 %.
    More,
    /// They reach less, significantly at 5 %.
    Less,
    /// A difference would have had to be larger to show.
    NotShown,
    /// So few trials cannot show any difference at 5 %.
    TooFewTrials,
    /// There is one trial, or none, on a side.
    NotTested,
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
    /// The log-rank test's p-value; none with a single trial on either side.
    pub p: Option<f64>,
}

/// The version of [`Against`] that this code writes.
pub const AGAINST_VERSION: u32 = 1;

/// Reads a comparison: the output folder of `campaign compare`, or its `report.json`.
///
/// # Errors
/// When there is none, or it is of another version.
pub fn read(from: &Path) -> Result<Comparison> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    let path = if from.is_dir() {
        from.join("report.json")
    } else {
        from.to_owned()
    };
    let text = fs::read_to_string(&path).with_context(|| {
        format!(
            "{} cannot be read; name a folder that `campaign compare` wrote, or its report.json",
            path.display()
        )
    })?;
    let versioned: Versioned = serde_json::from_str(&text)
        .with_context(|| format!("{} is no report of `campaign compare`", path.display()))?;
    if versioned.version != VERSION {
        bail!(
            "{} is of version {}, and this program reads version {VERSION}; make that comparison again with \
             this program",
            path.display(),
            versioned.version
        );
    }
    serde_json::from_str(&text)
        .with_context(|| format!("{} is no report of `campaign compare`", path.display()))
}

/// Compares two runs; `names` are where they came from.
#[must_use]
pub fn against(old: &Comparison, new: &Comparison, names: Both<String>) -> Against {
    let targets: Vec<TargetAgainst> = new
        .targets
        .iter()
        .filter_map(|now| {
            let before = old
                .targets
                .iter()
                .find(|before| before.target == now.target)?;
            Some(target_against(before, now))
        })
        .collect();
    let side = |from, comparison: &Comparison| Side {
        from,
        started: comparison.started.clone(),
    };
    Against {
        version: AGAINST_VERSION,
        old: side(names.old, old),
        new: side(names.new, new),
        differences: conditions::differences(old, new),
        notes: words::notes(old, new, &targets),
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

fn target_against(old: &TargetResult, new: &TargetResult) -> TargetAgainst {
    let totals = Both {
        old: old.total.regions,
        new: new.total.regions,
    };
    let mut engines: Vec<EngineAgainst> = new
        .engines
        .iter()
        .filter_map(|now| {
            let before = old
                .engines
                .iter()
                .find(|before| before.engine == now.engine)?;
            Some(engine_against(before, now, totals))
        })
        .collect();
    adjust(&mut engines, |engine| &mut engine.percent);
    adjust(&mut engines, |engine| &mut engine.regions);
    adjust(&mut engines, |engine| {
        &mut engine.percent_at_equal_executions
    });
    adjust(&mut engines, |engine| &mut engine.executions_per_second);
    let tests = engines
        .iter()
        .filter(|engine| engine.percent.contrast.is_some())
        .count();
    for engine in &mut engines {
        engine.verdict = verdict(engine, tests);
    }
    TargetAgainst {
        target: new.target.clone(),
        total: totals,
        seeds: Both {
            old: old.seeds.reach.regions,
            new: new.seeds.reach.regions,
        },
        engines,
    }
}

/// Adjusts the p-values of one quantity over the engines.
fn adjust(engines: &mut [EngineAgainst], quantity: fn(&mut EngineAgainst) -> &mut Quantity) {
    let mut tested: Vec<&mut Quantity> = engines
        .iter_mut()
        .map(quantity)
        .filter(|quantity| quantity.contrast.is_some())
        .collect();
    let p_values: Vec<f64> = tested
        .iter()
        .filter_map(|quantity| quantity.contrast)
        .map(|contrast| contrast.p)
        .collect();
    for (quantity, p) in tested.iter_mut().zip(holm::adjust(&p_values)) {
        quantity.adjusted_p = Some(p);
    }
}

/// What `tests` tests on a target say of one engine.
fn verdict(engine: &EngineAgainst, tests: usize) -> Verdict {
    let (Some(contrast), Some(p)) = (engine.percent.contrast, engine.percent.adjusted_p) else {
        return Verdict::NotTested;
    };
    if p <= ALPHA {
        return if contrast.a12 > 0.5 {
            Verdict::More
        } else {
            Verdict::Less
        };
    }
    let smallest = mann_whitney::smallest_p(engine.trials.old, engine.trials.new) * float(tests);
    if smallest > ALPHA {
        Verdict::TooFewTrials
    } else {
        Verdict::NotShown
    }
}

fn engine_against(old: &EngineResult, new: &EngineResult, totals: Both<usize>) -> EngineAgainst {
    let percent = |regions: usize, total: usize| 100.0 * float(regions) / float(total.max(1));
    let least = old
        .counting()
        .chain(new.counting())
        .map(|trial| trial.executions)
        .min()
        .unwrap_or(0);
    let over = |engine: &EngineResult, value: &dyn Fn(&TrialResult) -> f64| -> Vec<f64> {
        engine.counting().map(value).collect()
    };
    let quantity = |before: &dyn Fn(&TrialResult) -> f64, now: &dyn Fn(&TrialResult) -> f64| {
        let (before, now) = (over(old, before), over(new, now));
        Quantity {
            old: estimate(&before),
            new: estimate(&now),
            contrast: contrast(&now, &before),
            adjusted_p: None,
        }
    };
    let reached = |total: usize| move |trial: &TrialResult| percent(trial.reach.regions, total);
    let at_least = |total: usize| {
        move |trial: &TrialResult| percent(analysis::regions_at_executions(trial, least), total)
    };
    let regions = |trial: &TrialResult| float(trial.reach.regions);
    let speed = |trial: &TrialResult| trial.executions_per_second;
    EngineAgainst {
        engine: new.engine.clone(),
        title: new.title.clone(),
        trials: Both {
            old: old.counting().count(),
            new: new.counting().count(),
        },
        verdict: Verdict::NotTested,
        percent: quantity(&reached(totals.old), &reached(totals.new)),
        regions: quantity(&regions, &regions),
        percent_at_equal_executions: quantity(&at_least(totals.old), &at_least(totals.new)),
        executions_per_second: quantity(&speed, &speed),
        finds: finds(old, new),
    }
}

fn finds(old: &EngineResult, new: &EngineResult) -> Vec<FindAgainst> {
    let mut checks: Vec<&str> = old
        .finds
        .iter()
        .chain(&new.finds)
        .map(|group| group.check.as_str())
        .filter(|&check| check != UNREPRODUCED)
        .collect();
    checks.sort_unstable();
    checks.dedup();
    checks
        .into_iter()
        .map(|check| {
            let (before, now) = (times_to_find(old, check), times_to_find(new, check));
            let tested = before.len().min(now.len()) >= analysis::TESTED_FROM;
            let of = |seen: &[survival::Observation]| {
                let caught = seen.iter().filter(|one| one.happened).count();
                let steps = survival::kaplan_meier(seen, statistics::LEVEL);
                (caught, survival::median(&steps))
            };
            let ((caught_before, median_before), (caught_now, median_now)) =
                (of(&before), of(&now));
            FindAgainst {
                check: check.to_owned(),
                caught: Both {
                    old: caught_before,
                    new: caught_now,
                },
                median_ms: Both {
                    old: median_before,
                    new: median_now,
                },
                p: survival::log_rank(&before, &now)
                    .filter(|_| tested)
                    .map(|test| test.p),
            }
        })
        .collect()
}
