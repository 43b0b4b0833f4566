//! `campaign minimize`: a corpus without what adds nothing.

use std::collections::BTreeMap;
use std::fs::File;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use report::format::grouped;
use worker::TargetInfo;

use super::{INTERRUPTED, Neutral};
use crate::corpora::survey::{Interrupted, Terms};
use crate::corpora::thin::{Thinned, Thinning};
use crate::engine::{Engine, session};
use crate::output::{self, from_here, outln};
use crate::progress::Progress;
use crate::project::{Project, names};

/// Make corpora as small as they can be without losing what they reach.
///
/// Replays every input on the neutral build. Keeps few, small and soon done, that have every feature of all: a
/// source region with how often it is executed (1, 2, 3, 4-7, 8-15, 16-31, 32-127, more often), a check that is
/// evaluated, a kind of answer. These are replayed again and must have the same features. Only then the other
/// inputs are moved to a folder beside, NAME.before-DATE, or removed with --discard. Inputs that fail are in
/// results/finds first. Ctrl-C, or a kill, at any moment leaves a corpus with every feature, and loses no input.
///
/// A million inputs take minutes. The memory is bounded: an input takes about two hundred bytes, and the features
/// of all take at most --memory.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes:
  0  every corpus is minimised, and has every feature that it had
  1  it could not be done; every corpus has the features that it had
  2  the command line is wrong
  3  some inputs fail: they are in results/finds; the corpora are minimised
130  it was interrupted; the corpus being replayed is as it was

Examples:
  cargo campaign minimize                                every corpus in results/corpus
  cargo campaign minimize fuzz_measure_calc --dry-run    what would be kept
  cargo campaign minimize --keep-per-feature 5           several inputs for each feature
  cargo campaign minimize fuzz_measure_calc --corpus queue-of-another-machine")]
pub struct Minimize {
    /// The targets; all that have a corpus when none is given.
    targets: Vec<String>,
    /// The folder in which each target's corpus is a folder of its name; or, with one target, the corpus itself.
    #[arg(long, value_name = "DIR")]
    corpus: Option<PathBuf>,
    /// How many inputs to keep for each feature, where there are as many.
    #[arg(long, value_name = "N", default_value = "1")]
    keep_per_feature: NonZeroUsize,
    /// Print what would be kept, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Remove the inputs that are taken out.
    #[arg(long, conflicts_with = "dry_run")]
    discard: bool,
    /// How many MiB the features of all inputs may take. With less, a large corpus may keep a few inputs more.
    #[arg(long, value_name = "MIB", default_value = "512")]
    memory: NonZeroUsize,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// When it cannot be done; see the exit codes in the help.
pub fn run(args: &Minimize, project: &Project) -> Result<ExitCode> {
    let progress = Progress::new();
    session::stop_on_ctrl_c()?;
    let corpora = corpora(args, project)?;
    // The locks are held to the end: no engine is to add inputs meanwhile.
    let locks = corpora.iter().map(|(target, _)| lock(project, target));
    let _locks = locks.collect::<Result<Vec<_>>>()?;
    let neutral = Neutral::build(project, &progress)?;
    let mut results: BTreeMap<String, Thinned> = BTreeMap::new();
    for (target, corpus) in &corpora {
        let thinning = Thinning {
            replay: neutral.replay(&target.name),
            corpus,
            finds: &super::finds_of_corpora(project, target),
            terms: Terms {
                keep: args.keep_per_feature.get(),
                max_input: target.max_input,
                memory: args.memory.get() << 20,
            },
            discard: args.discard,
            progress: &progress,
        };
        let result = if args.dry_run {
            thinning.rehearse()
        } else {
            thinning.run(&mut |_| {})
        };
        match result {
            Ok(thinned) => {
                if !args.json {
                    show(args, corpus, target, &thinned)?;
                }
                results.insert(target.name.clone(), thinned);
            }
            Err(why) if why.is::<Interrupted>() => {
                progress.say(&format!("{}: {why}; the corpus is as it was", target.name));
                return Ok(ExitCode::from(INTERRUPTED));
            }
            Err(why) => return Err(why.context(target.name.clone())),
        }
    }
    if args.json {
        outln!("{}", serde_json::to_string_pretty(&results)?);
    }
    let failing: usize = results.values().map(|thinned| thinned.failing).sum();
    Ok(super::end_of_replay(project, failing))
}

/// The corpora to minimise, and their targets.
fn corpora<'a>(args: &Minimize, project: &'a Project) -> Result<Vec<(&'a TargetInfo, PathBuf)>> {
    let folder = match &args.corpus {
        Some(folder) => folder
            .canonicalize()
            .with_context(|| format!("{} cannot be opened", folder.display()))?,
        None => project.results().join("corpus"),
    };
    let targets = super::chosen_targets(project, &args.targets)?;
    if args.targets.is_empty() {
        let corpora = targets
            .into_iter()
            .map(|target| (target, folder.join(&target.name)));
        let there: Vec<_> = corpora.filter(|(_, corpus)| corpus.is_dir()).collect();
        ensure!(
            !there.is_empty(),
            "{} has no folder that has the name of a target; name one of {}",
            folder.display(),
            names(project.fuzzed()?).join(", ")
        );
        return Ok(there);
    }
    let is_one = targets.len() == 1 && args.corpus.is_some();
    let corpora = targets.into_iter().map(|target| {
        let corpus = folder.join(&target.name);
        if is_one && !corpus.is_dir() {
            return Ok((target, folder.clone()));
        }
        ensure!(
            corpus.is_dir(),
            "{} has no corpus in {}",
            target.name,
            folder.display()
        );
        Ok((target, corpus))
    });
    corpora.collect()
}

/// Keeps engines, and another minimize, from the target until the locks are dropped.
fn lock(project: &Project, target: &TargetInfo) -> Result<Vec<File>> {
    let names = Engine::ALL.map(Engine::name).into_iter();
    let names = names.chain(["ensemble", "minimize"]);
    names
        .map(|name| project.lock(&project.run_folder(&target.name, name)))
        .collect()
}

fn show(args: &Minimize, corpus: &Path, target: &TargetInfo, thinned: &Thinned) -> Result<()> {
    let Thinned { before, after, .. } = thinned;
    outln!(
        "{}: {} {} of {} inputs, {} of {} bytes, {} features in {}",
        target.name,
        if args.dry_run { "would keep" } else { "kept" },
        grouped(after.inputs),
        grouped(before.inputs),
        grouped(after.bytes),
        grouped(before.bytes),
        grouped(thinned.features as u64),
        from_here(corpus).display()
    );
    let is_taken_out = if args.dry_run {
        "would be taken out"
    } else {
        "are taken out"
    };
    output::counts([
        (
            thinned.failing as u64,
            &*format!("fail, and {is_taken_out} to the findings"),
        ),
        (
            thinned.too_long as u64,
            &*format!("are longer than the target takes, and {is_taken_out}"),
        ),
        (
            thinned.forgotten as u64,
            "times, features were forgotten for lack of --memory: a few inputs more may be kept",
        ),
    ])?;
    if let (count, Some(why)) = &thinned.unreadable {
        outln!("  {count} cannot be read and stay, for instance {why}");
    }
    if let Some(folder) = &thinned.moved_to {
        outln!("  what was taken out is in {}", from_here(folder).display());
    }
    Ok(())
}
