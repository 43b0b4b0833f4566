//! `campaign minimize`: a corpus without what adds nothing.

use std::collections::BTreeSet;
use std::fs::File;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use cli::output::{from_here, outln};
use report::format::grouped;
use worker::TargetInfo;

use super::{Neutral, chosen_targets};
use crate::corpora::minimise::{Chosen, Minimiser, thin};
use crate::corpora::survey::Terms;
use crate::corpus::files_in;
use crate::engine::Engine;
use crate::progress::Progress;
use crate::project::Project;

/// Make corpora as small as they can be without losing what they reach.
///
/// Replays every input on the neutral build. Keeps few, small and soon done, that have every feature of all: a
/// source region with how often it is executed (1, 2, 3, 4-7, 8-15, 16-31, 32-127, more often), a check that is
/// evaluated, a kind of answer. These are replayed again and must have the same features. Only then the other
/// inputs are moved to a folder beside, NAME.before-DATE, or removed with --discard. Inputs that fail are in
/// results/finds first. Ctrl-C, or a kill, at any moment leaves a corpus with every feature, and loses no input.
///
/// A million inputs take minutes. The memory is bounded: an input takes about two hundred bytes, and the features
/// of all take at most 512 MiB, beyond which a few inputs more may be kept.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes:
  0  every corpus is minimised, and still has every feature
  1  it could not be done; every corpus still has every feature
  2  the command line is wrong
  3  some inputs fail: they are in results/finds; the corpora are minimised

Examples:
  cargo campaign minimize                                every corpus in results/corpus
  cargo campaign minimize fuzz_measure_calc --dry-run    what would be kept
  cargo campaign minimize --keep-per-feature 5           several inputs for each feature
  cargo campaign minimize fuzz_measure_calc --corpus queue-of-another-machine")]
pub(super) struct Minimize {
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
}

pub(super) fn run(args: &Minimize, project: &Project) -> Result<ExitCode> {
    let progress = Progress::new();
    let corpora = corpora(args, project)?;
    // The locks are held to the end: no engine is to add inputs meanwhile.
    let locks = corpora.iter().map(|(target, _)| lock(project, target));
    let _locks = locks.collect::<Result<Vec<_>>>()?;
    let neutral = Neutral::build(project, &progress)?;
    let mut failing = 0;
    for (target, corpus) in &corpora {
        let files = files_in(corpus)?;
        ensure!(!files.is_empty(), "{} has no inputs", corpus.display());
        let minimiser = Minimiser {
            replay: neutral.replay(&target.name),
            inputs: &files.as_slice(),
            pinned: BTreeSet::new(),
            finds: &project.finds(&target.name, "corpora"),
            terms: Terms {
                keep: args.keep_per_feature.get(),
                max_input: target.max_input,
            },
            progress: &progress,
        };
        let chosen = match args.dry_run {
            true => minimiser.rehearse(),
            false => minimiser.choose(&mut |_| {}),
        };
        let chosen = chosen.with_context(|| target.name.clone())?;
        failing += chosen.survey.failing.len();
        show(args.dry_run, corpus, target, &chosen)?;
        if !args.dry_run
            && let Some(folder) = thin(corpus, &files, &chosen, args.discard, &mut |_| {})?
        {
            outln!(
                "  what was taken out is in {}",
                from_here(&folder).display()
            );
        }
    }
    Ok(super::end_of_replay(project, failing))
}

/// The corpora to minimise, and their targets.
fn corpora<'a>(args: &Minimize, project: &'a Project) -> Result<Vec<(&'a TargetInfo, PathBuf)>> {
    let by_default = project.results().join("corpus");
    let folder = args.corpus.as_ref().unwrap_or(&by_default);
    let mut corpora = Vec::new();
    for target in chosen_targets(project, &args.targets)? {
        let corpus = folder.join(&target.name);
        if corpus.is_dir() {
            corpora.push((target, corpus));
        } else if args.corpus.is_some() && args.targets.len() == 1 {
            corpora.push((target, folder.clone()));
        } else if !args.targets.is_empty() {
            bail!("{} has no corpus in {}", target.name, folder.display());
        }
    }
    ensure!(
        !corpora.is_empty(),
        "{} has no folder that has the name of a target",
        folder.display()
    );
    Ok(corpora)
}

/// Keeps engines, and another minimize, from the target until the locks are dropped.
fn lock(project: &Project, target: &TargetInfo) -> Result<Vec<File>> {
    let names = Engine::ALL.map(Engine::name).into_iter();
    let names = names.chain(["ensemble", "minimize"]);
    names
        .map(|name| project.lock(&project.run_folder(&target.name, name)))
        .collect()
}

fn show(dry_run: bool, corpus: &Path, target: &TargetInfo, chosen: &Chosen) -> Result<()> {
    let Chosen { survey, kept } = chosen;
    let lengths = &survey.lengths;
    let bytes = |lengths: &mut dyn Iterator<Item = usize>| grouped(lengths.sum::<usize>() as u64);
    outln!(
        "{}: {} {} of {} inputs, {} of {} bytes, {} features in {}",
        target.name,
        if dry_run { "would keep" } else { "kept" },
        grouped(kept.len() as u64),
        grouped(lengths.len() as u64),
        bytes(&mut kept.iter().map(|&place| lengths[place])),
        bytes(&mut lengths.iter().copied()),
        grouped(survey.features() as u64),
        from_here(corpus).display()
    );
    for (count, what) in [
        (
            survey.failing.len(),
            "fail: they are findings, and are not kept",
        ),
        (
            survey.too_long,
            "are longer than the target takes, and are not kept",
        ),
        (survey.unreadable.len(), "cannot be read, and stay"),
    ] {
        if count > 0 {
            outln!("  {} {what}", grouped(count as u64));
        }
    }
    if let Some((_, why)) = survey.unreadable.first() {
        outln!("  for instance {why}");
    }
    Ok(())
}
