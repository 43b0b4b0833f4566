//! One trial: engines on one target, from seeds to verdicts.
//!
//! Before an engine starts, every input it is to begin from is replayed; one that fails is a find already, and
//! is kept from the engine, which could not begin from it. After it ends, what it kept and found is replayed, so
//! that a find has a check's name and not a signal's.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use worker::TargetInfo;
use worker::protocol::CheckInfo;

use crate::corpus::{Store, files_in};
use crate::engine::Engine;
use crate::engine::session::{self, Session, Setup, View};
use crate::project::Project;
use crate::replay::{Replayer, Verdict, Verdicts};

/// An input that fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Find {
    /// The check that fails on replay; [`UNREPRODUCED`] when none does.
    pub check: String,
    /// The check's report.
    pub message: String,
    /// The input, kept under the name of its content.
    pub path: PathBuf,
    /// Where it came from: an engine's name, or [`SEEDS`].
    pub from: String,
    /// When it came, since the engines' start; 0 for a seed.
    pub time: Duration,
    /// Executions of the target until then; 0 for a seed.
    pub executions: u64,
}

/// The id of a find that passes when replayed: something was different under the engine.
pub const UNREPRODUCED: &str = "unreproduced";

/// Where finds come from that no engine made.
pub const SEEDS: &str = "seeds";

/// A trial to run.
#[derive(Clone)]
pub struct Job<'a> {
    /// The target.
    pub target: &'a TargetInfo,
    /// The engines, their inputs, their cores, and how long. What is in the folder is thrown away.
    pub setup: Setup<'a>,
    /// The folder in which an engine's finds are kept.
    pub finds: &'a (dyn Fn(Engine) -> PathBuf + Sync),
    /// Whether to end with the first find that fails a replay.
    pub is_over_at_find: bool,
}

/// What came of a [`Job`].
#[derive(Debug)]
pub struct Fuzzed {
    /// What the engines did; `None` when every input failed before they began.
    pub session: Option<Session>,
    /// Everything that fails, each content once.
    pub finds: Vec<Find>,
    /// What to warn of, when most of the inputs to begin from are not judged.
    pub warning: Option<String>,
    /// How often each check was evaluated in the replays, by id.
    pub evaluations: BTreeMap<String, u64>,
}

impl Fuzzed {
    /// The check that a seed fails, if one does.
    pub fn seed_fails(&self) -> Option<&str> {
        let mut finds = self.finds.iter();
        Some(&finds.find(|find| find.from == SEEDS)?.check)
    }

    /// The first find of an engine's own making that fails a replay.
    pub fn first_find(&self) -> Option<&Find> {
        let finds = self.finds.iter();
        finds
            .filter(|find| find.from != SEEDS && find.check != UNREPRODUCED)
            .min_by_key(|find| find.time)
    }
}

impl Job<'_> {
    /// Runs it; verdicts come from `replayer`. `look` is called about as often as the snapshots are. Fails when
    /// something cannot be started, read or written. A find is no error, and an engine that died is in
    /// [`Session::failure`].
    pub fn run(&self, replayer: &mut Replayer, look: &mut dyn FnMut(&View<'_>)) -> Result<Fuzzed> {
        let (mut finds, mut sound) = (Vec::new(), Vec::new());
        let first = self.setup.builds.keys().next().copied();
        let mut verdicts = Verdicts::default();
        for input in self.setup.inputs {
            let verdict = replayer.verdict(&self.target.name, input)?;
            verdicts.add(&verdict);
            let (check, message) = match verdict {
                Verdict::Fail(violation) => (violation.check.clone(), violation.to_string()),
                // An engine cannot begin from what ends its process, be that known or not.
                Verdict::Known { violation, .. } if violation.ends_the_process() => continue,
                _ => {
                    sound.push(input.clone());
                    continue;
                }
            };
            let store = Store::open(&(self.finds)(first.unwrap_or(Engine::Afl)))?;
            finds.push(Find {
                check,
                message,
                path: store.add_file(input)?.0,
                from: SEEDS.to_owned(),
                time: Duration::ZERO,
                executions: 0,
            });
        }
        let every_input_fails = sound.is_empty() && !finds.is_empty();
        let session = match every_input_fails {
            true => None,
            false => Some(self.session(&sound, replayer, look)?),
        };
        if let Some(session) = &session {
            self.judge(session, replayer, &mut finds)?;
        }
        Ok(Fuzzed {
            session,
            finds,
            warning: verdicts.warning(),
            evaluations: replayer.evaluations()?,
        })
    }

    /// Runs the engines from these inputs.
    fn session(
        &self,
        inputs: &[PathBuf],
        replayer: &mut Replayer,
        look: &mut dyn FnMut(&View<'_>),
    ) -> Result<Session> {
        let mut trouble = Ok(());
        let setup = Setup {
            inputs,
            ..self.setup.clone()
        };
        let session = session::run(&setup, &mut |view| {
            look(view);
            for (_, path) in view.finds.iter().filter(|_| self.is_over_at_find) {
                match verdict(self.target, path, replayer) {
                    Ok(None) => continue,
                    Ok(Some(_)) => {}
                    Err(error) => trouble = Err(error),
                }
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        trouble.map(|()| session)
    }

    /// Replays what the engines kept and found. What fails is kept, and what an engine reported in any case.
    fn judge(
        &self,
        session: &Session,
        replayer: &mut Replayer,
        finds: &mut Vec<Find>,
    ) -> Result<()> {
        let mut add = |engine: Engine, path: &Path, time, executions, failed| -> Result<()> {
            let (check, message) = failed;
            let path = Store::open(&(self.finds)(engine))?.add_file(path)?.0;
            // One content may be in several files: it came with the first.
            match finds
                .iter_mut()
                .find(|known: &&mut Find| known.path == path)
            {
                Some(known) if known.from == SEEDS || known.time <= time => {}
                Some(known) => (known.time, known.executions) = (time, executions),
                None => finds.push(Find {
                    check,
                    message,
                    path,
                    from: engine.name().to_owned(),
                    time,
                    executions,
                }),
            }
            Ok(())
        };
        for one in &session.engines {
            let engine = one.figures.engine;
            for (path, time) in &one.finds {
                let failed = match replayer.verdict(&self.target.name, path)? {
                    Verdict::Fail(violation) => (violation.check.clone(), violation.to_string()),
                    Verdict::Known { .. } => continue,
                    _ => {
                        let name = engine.title();
                        let what =
                            format!("{name} reported this input, and it passes when replayed");
                        (UNREPRODUCED.to_owned(), what)
                    }
                };
                add(engine, path, *time, session.executions_at(*time), failed)?;
            }
        }
        // An engine keeps what is sound to it; the checks are the judge of that.
        for kept in &session.kept {
            if let Some(failed) = verdict(self.target, &kept.path, replayer)? {
                let executions = session.executions_at(kept.time);
                add(kept.engine, &kept.path, kept.time, executions, failed)?;
            }
        }
        Ok(())
    }
}

/// The check that an input fails, and its report.
fn verdict(
    target: &TargetInfo,
    input: &Path,
    replayer: &mut Replayer,
) -> Result<Option<(String, String)>> {
    Ok(match replayer.verdict(&target.name, input)? {
        Verdict::Fail(violation) => {
            let report = violation.to_string();
            Some((violation.check, report))
        }
        _ => None,
    })
}

/// The inputs to begin from: the seeds that are checked in, past regressions, and the corpus so far.
pub(crate) fn beginnings(project: &Project, target: &TargetInfo) -> Result<Vec<PathBuf>> {
    let name = &target.name;
    let folders = [
        project.seeds(name),
        project.regressions(name),
        project.corpus(name),
    ];
    let inputs = folders.iter().map(|folder| files_in(folder));
    Ok(inputs.collect::<Result<Vec<_>>>()?.concat())
}

/// The ids of those `checks` of `target` that were never evaluated, by `evaluations`.
pub(crate) fn never_evaluated(
    target: &TargetInfo,
    checks: &[CheckInfo],
    evaluations: &BTreeMap<String, u64>,
) -> Vec<String> {
    let Some(family) = &target.checks else {
        return Vec::new();
    };
    checks
        .iter()
        .filter(|check| check.id.starts_with(family))
        .filter(|check| evaluations.get(&check.id).is_none_or(|&count| count == 0))
        .map(|check| check.id.clone())
        .collect()
}

/// What is wrong with a run in which `missed` checks of `target` were never evaluated, and what to do.
///
/// Executions are not asked. An engine is not guided by the harness: an input that evaluates a check and shows
/// nothing new in the code under test is not kept, so there has to be one among the seeds.
pub(crate) fn never_evaluated_in_words(target: &str, missed: &[impl Borrow<str>]) -> String {
    format!(
        "checks never evaluated, by no input that it began from or kept: {}; corpus/seeds/{target} should have inputs \
         that do",
        missed.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use worker::Layer;

    use super::*;

    #[test]
    fn a_check_that_no_input_evaluates_is_named_with_what_to_do() {
        let target = TargetInfo {
            checks: Some("parse.".to_owned()),
            ..TargetInfo::new("fuzz_parse", "the parser", 100)
        };
        let checks = ["parse.a", "parse.b", "parse.c", "print.a"].map(|id| CheckInfo {
            id: id.to_owned(),
            layer: Layer::Invariant,
            statement: String::new(),
        });
        let mut evaluations: BTreeMap<String, u64> =
            checks.iter().map(|check| (check.id.clone(), 1)).collect();
        assert!(never_evaluated(&target, &checks, &evaluations).is_empty());
        evaluations.insert("parse.a".to_owned(), 0);
        evaluations.remove("parse.c");
        // Another target's.
        evaluations.remove("print.a");
        let missed = never_evaluated(&target, &checks, &evaluations);
        assert_eq!(missed, ["parse.a", "parse.c"]);
        let words = never_evaluated_in_words(&target.name, &missed);
        assert!(words.contains("parse.a, parse.c") && words.contains("corpus/seeds/fuzz_parse"));
        let without = TargetInfo::new("fuzz_nothing", "nothing", 100);
        assert!(never_evaluated(&without, &checks, &evaluations).is_empty());
    }
}
