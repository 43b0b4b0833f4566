//! One engine on one target of a project: from seeds to verdicts.
//!
//! Before the engine starts, every input it is to begin from is replayed; one that fails is a find
//! already, and is kept from the engine, which could not begin from it. After it ends, what it found
//! is replayed, so that a find has a check's name and not a signal's.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use harness_core::Target;
use serde::Serialize;

use crate::corpus::{Store, files_in};
use crate::engine::session::{self, Session};
use crate::engine::{Build, Engine, Status, Task};
use crate::project::Project;
use crate::replay::{Replayer, Verdict};

/// An input that fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Find {
    /// The check that fails on replay; `unreproduced` when none does.
    pub check: String,
    /// The check's report.
    pub message: String,
    /// The input, kept under the name of its content.
    pub path: PathBuf,
    /// Where it came from: an engine's name, or `seeds`.
    pub from: String,
}

/// The id of a find that passes when replayed: something was different under the engine.
pub const UNREPRODUCED: &str = "unreproduced";

/// What to fuzz, and how.
#[derive(Debug, Clone)]
pub struct Plan<'a> {
    /// The target.
    pub target: &'static Target,
    /// The engine.
    pub engine: Engine,
    /// Its build of the target.
    pub build: &'a Build,
    /// Inputs to begin from.
    pub inputs: &'a [PathBuf],
    /// The folder of this run; what is in it is thrown away.
    pub folder: PathBuf,
    /// Where finds are kept.
    pub finds: PathBuf,
    /// The dictionary.
    pub dictionary: Option<PathBuf>,
    /// How long.
    pub time: Duration,
    /// How often the engine's files are looked at.
    pub snapshot: Duration,
    /// The core to run on.
    pub core: Option<usize>,
}

/// What came of a [`Plan`].
#[derive(Debug)]
pub struct Fuzzed {
    /// The engine's session; `None` when every input failed before it began.
    pub session: Option<Session>,
    /// Everything that fails.
    pub finds: Vec<Find>,
    /// How often each check was evaluated when the inputs were replayed, by id.
    pub evaluations: BTreeMap<String, u64>,
}

/// Runs a plan.
///
/// # Errors
/// When something cannot be started, read or written. A find is no error, and an engine that died is
/// told in [`Session::failure`].
pub fn run(
    plan: &Plan<'_>,
    replayer: &mut Replayer,
    look: &mut dyn FnMut(Duration, Status, usize),
) -> Result<Fuzzed> {
    let finds_store = Store::open(&plan.finds)?;
    let mut finds = Vec::new();
    let mut sound = Vec::new();
    for input in plan.inputs {
        match judge(plan.target, input, "seeds", replayer, &finds_store)? {
            Some(find) => finds.push(find),
            None => sound.push(input.clone()),
        }
    }
    if sound.is_empty() && !finds.is_empty() {
        return Ok(Fuzzed {
            session: None,
            finds,
            evaluations: replayer.evaluations()?,
        });
    }
    session::empty(&plan.folder)?;
    let task = Task {
        max_input: plan.target.max_input,
        inputs: plan.folder.join("inputs"),
        folder: plan.folder.clone(),
        dictionary: plan.dictionary.clone(),
        comparisons_are_seen: plan.target.compare_tracing,
        time: plan.time,
    };
    session::lay_out(&sound, &task.inputs)?;
    let session = session::run_every(
        plan.engine,
        plan.build,
        &task,
        plan.core,
        plan.snapshot,
        look,
    )?;
    let from = plan.engine.name();
    for kept in &session.kept {
        // The engine kept it as sound. One that libFuzzer has replaced since may be gone.
        if kept.path.exists() {
            finds.extend(judge(
                plan.target,
                &kept.path,
                from,
                replayer,
                &finds_store,
            )?);
        }
    }
    for file in &session.finds {
        let find = judge_find(plan.target, file, plan.engine, replayer, &finds_store)?;
        if !finds.iter().any(|known: &Find| known.path == find.path) {
            finds.push(find);
        }
    }
    Ok(Fuzzed {
        session: Some(session),
        finds,
        evaluations: replayer.evaluations()?,
    })
}

/// Replays an input; when it fails, keeps it and says what fails.
pub(crate) fn judge(
    target: &Target,
    input: &Path,
    from: &str,
    replayer: &mut Replayer,
    store: &Store,
) -> Result<Option<Find>> {
    match replayer.verdict(target.name, input)? {
        Verdict::Pass | Verdict::Rejected { .. } | Verdict::Error { .. } => Ok(None),
        Verdict::Fail(violation) => Ok(Some(Find {
            message: violation.to_string(),
            check: violation.check,
            path: keep(input, store)?,
            from: from.to_owned(),
        })),
    }
}

/// Replays what an engine reported, and keeps it whatever becomes of it.
pub(crate) fn judge_find(
    target: &Target,
    file: &Path,
    engine: Engine,
    replayer: &mut Replayer,
    store: &Store,
) -> Result<Find> {
    Ok(match judge(target, file, engine.name(), replayer, store)? {
        Some(find) => find,
        None => Find {
            check: UNREPRODUCED.to_owned(),
            message: format!(
                "{} reported this input, and it passes when replayed",
                engine.title()
            ),
            path: keep(file, store)?,
            from: engine.name().to_owned(),
        },
    })
}

pub(crate) fn keep(input: &Path, store: &Store) -> Result<PathBuf> {
    Ok(store.add_file(input)?.0)
}

/// Saves what an interrupted or killed run left in its folder, before a new one empties it. Returns
/// how many inputs and finds were saved.
///
/// # Errors
/// When something cannot be read or written.
pub fn save_left_behind(
    engine: Engine,
    folder: &Path,
    corpus: &Store,
    finds: &Store,
) -> Result<(usize, usize)> {
    let task = Task {
        max_input: 0,
        inputs: folder.join("inputs"),
        folder: folder.to_owned(),
        dictionary: None,
        comparisons_are_seen: false,
        time: Duration::ZERO,
    };
    let (kept, found) = session::left_behind(engine, &task)?;
    Ok((
        corpus.add_files(kept.iter().map(PathBuf::as_path))?,
        finds.add_files(found.iter().map(PathBuf::as_path))?,
    ))
}

/// The inputs to begin from: the seeds that are checked in, past regressions, and the corpus so far.
///
/// # Errors
/// When a folder cannot be read.
pub fn beginnings(project: &Project, target: &Target) -> Result<Vec<PathBuf>> {
    let mut inputs = files_in(&project.seeds(target))?;
    inputs.extend(files_in(&project.regressions(target.name))?);
    inputs.extend(files_in(&project.corpus(target.name))?);
    Ok(inputs)
}

/// The checks of `target` that were never evaluated, by `evaluations`.
#[must_use]
pub fn never_evaluated(target: &Target, evaluations: &BTreeMap<String, u64>) -> Vec<&'static str> {
    harness_core::check::ALL
        .iter()
        .filter(|check| {
            target
                .checks
                .is_some_and(|family| check.id.starts_with(family))
        })
        .filter(|check| evaluations.get(check.id).is_none_or(|&count| count == 0))
        .map(|check| check.id)
        .collect()
}

/// What is wrong with a campaign in which `missed` checks of `target` were never evaluated, and what to do.
///
/// Executions are not asked. An engine is not guided by the harness: an input that evaluates a check and shows
/// nothing new in the code under test is not kept, so there has to be one among the seeds.
#[must_use]
pub fn never_evaluated_in_words(target: &str, missed: &[impl Borrow<str>]) -> String {
    format!(
        "checks never evaluated, by no input that it began from or kept: {}; seeds/{target} should have inputs \
         that do",
        missed.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use harness_core::{check, targets};

    use super::*;

    #[test]
    fn a_check_that_no_input_evaluates_is_told_with_what_to_do() {
        let target = targets::find("fuzz_measure_calc").expect("a target");
        let mut evaluations: BTreeMap<String, u64> = check::ALL
            .iter()
            .map(|check| (check.id.to_owned(), 1))
            .collect();
        assert!(never_evaluated(target, &evaluations).is_empty());
        evaluations.insert("calc.sum_fits_u64".to_owned(), 0);
        evaluations.remove("calc.monotone_in_data");
        // Another target's.
        evaluations.remove("scan.reads_bounded");
        let missed = never_evaluated(target, &evaluations);
        assert_eq!(missed.len(), 2);
        assert!(missed.contains(&"calc.sum_fits_u64") && missed.contains(&"calc.monotone_in_data"));
        let words = never_evaluated_in_words(target.name, &missed);
        assert!(words.contains(&missed.join(", ")) && words.contains("seeds/fuzz_measure_calc"));
    }
}
