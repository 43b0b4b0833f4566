//! `campaign minimize`: a corpus without what adds nothing.

use std::collections::BTreeMap;
use std::fs::File;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use harness_core::Target;
use report::format::grouped;

use super::{FINDS, INTERRUPTED};
use crate::corpora::thin::{Interrupted, Thinned, Thinning};
use crate::coverage::{NeutralBuild, Replay, SourceMap};
use crate::engine::{Engine, session};
use crate::output::{from_here, outln};
use crate::progress::Progress;
use crate::project::Project;
use crate::replay::TIME_OUT;

/// Make corpora as small as they can be without losing what they reach.
///
/// Replays every input on the neutral build and keeps few, small and soon done, that have every feature of all:
/// a source region with how often it is executed (1, 2, 3, 4-7, 8-15, 16-31, 32-127, more often), a check that
/// is evaluated, a kind of answer. They are written to a new folder beside, which is replayed and must have the
/// same features; then it takes the old one's place. The old one is kept as NAME.before-DATE, unless --discard
/// is given. Inputs that fail are moved to results/finds. Ctrl-C, or a kill, at any moment leaves the old or
/// the new corpus in its place, whole.
///
/// A million inputs take minutes. The memory is bounded: what is known of the inputs takes about a hundred
/// bytes each and at most --memory for their features.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes:
  0  every corpus is minimised, and has every feature that it had
  1  it could not be done; what is said to be as it was is as it was
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
    /// Say what would be kept, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Remove the old corpus in the end.
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
    let neutral = progress.step("build for coverage", || NeutralBuild::of(project).build())?;
    let map = SourceMap::of_worker(&neutral, project.root(), &project.code_under_test()?)?;
    let mut results: BTreeMap<&str, Thinned> = BTreeMap::new();
    for (target, corpus) in &corpora {
        let thinning = Thinning {
            replay: Replay {
                binary: &neutral,
                map: &map,
                target: target.name,
                timeout: TIME_OUT,
            },
            corpus,
            finds: &project
                .results()
                .join("finds")
                .join(target.name)
                .join("corpora"),
            max_input: target.max_input,
            keep: args.keep_per_feature.get(),
            memory: args.memory.get() << 20,
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
                results.insert(target.name, thinned);
            }
            Err(why) if why.is::<Interrupted>() => {
                progress.say(&format!("{}: {why}", target.name));
                return Ok(ExitCode::from(INTERRUPTED));
            }
            Err(why) => return Err(why.context(target.name)),
        }
    }
    if args.json {
        outln!("{}", serde_json::to_string_pretty(&results)?);
    }
    let failing: usize = results.values().map(|thinned| thinned.failing).sum();
    if failing > 0 {
        eprintln!(
            "{failing} inputs fail; see {} replay {}",
            project.command(),
            from_here(&project.results().join("finds")).display()
        );
        return Ok(ExitCode::from(FINDS));
    }
    Ok(ExitCode::SUCCESS)
}

/// The corpora to minimise, and their targets.
fn corpora(args: &Minimize, project: &Project) -> Result<Vec<(&'static Target, PathBuf)>> {
    let folder = match &args.corpus {
        Some(folder) => folder
            .canonicalize()
            .with_context(|| format!("{} cannot be opened", folder.display()))?,
        None => project.results().join("corpus"),
    };
    let targets = args.targets.iter().map(|name| super::target(name));
    let targets: Vec<&Target> = targets.collect::<Result<_>>()?;
    if targets.is_empty() {
        let all = super::target_names().into_iter().map(super::target);
        let all: Vec<&Target> = all.collect::<Result<_>>()?;
        let there: Vec<_> = all
            .into_iter()
            .map(|target| (target, folder.join(target.name)))
            .filter(|(_, corpus)| corpus.is_dir())
            .collect();
        ensure!(
            !there.is_empty(),
            "{} has no folder that is called like a target; name one of {}",
            folder.display(),
            super::target_names().join(", ")
        );
        return Ok(there);
    }
    let is_one = targets.len() == 1 && args.corpus.is_some();
    targets
        .into_iter()
        .map(|target| {
            let corpus = folder.join(target.name);
            if corpus.is_dir() {
                Ok((target, corpus))
            } else if is_one {
                Ok((target, folder.clone()))
            } else {
                anyhow::bail!("{} has no corpus in {}", target.name, folder.display())
            }
        })
        .collect()
}

/// Keeps engines, and another minimize, from the target until the locks are dropped.
fn lock(project: &Project, target: &Target) -> Result<Vec<File>> {
    let folders = Engine::ALL
        .iter()
        .map(|&engine| project.run_folder(target.name, engine))
        .chain([project
            .results()
            .join("run")
            .join(target.name)
            .join("minimize")]);
    folders.map(|folder| project.lock(&folder)).collect()
}

fn show(args: &Minimize, corpus: &Path, target: &Target, thinned: &Thinned) -> Result<()> {
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
    let tell = |count: usize, what: &str| -> Result<()> {
        if count > 0 {
            outln!("  {} {what}", grouped(count as u64));
        }
        Ok(())
    };
    let go = if args.dry_run { "would go" } else { "went" };
    tell(thinned.failing, &format!("fail, and {go} to the finds"))?;
    tell(
        thinned.too_long,
        "are longer than the target takes, and are left out",
    )?;
    tell(thinned.late, "came meanwhile, and are kept")?;
    tell(
        thinned.forgotten,
        "times, features were forgotten for lack of --memory: a few inputs more may be kept",
    )?;
    if let (count, Some(why)) = &thinned.unreadable {
        outln!("  {count} cannot be read, for instance {why}");
    }
    if let Some(why) = &thinned.kept_because {
        outln!("  the old corpus is not discarded: {why}");
    }
    if let Some(old) = &thinned.kept_as {
        outln!("  the corpus as it was is {}", from_here(old).display());
    } else if !args.dry_run {
        outln!("  the corpus as it was is discarded");
    }
    Ok(())
}
