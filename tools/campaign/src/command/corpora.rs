//! `campaign corpora`: the corpora that are shipped.

use std::collections::BTreeSet;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use report::format::grouped;
use worker::TargetInfo;

use super::{INTERRUPTED, Neutral, chosen_targets};
use crate::corpora::candidates::Candidates;
use crate::corpora::fingerprints::WithFingerprints;
use crate::corpora::pack::{self, Inputs, Packed};
use crate::corpora::survey::{Interrupted, Survey, Terms};
use crate::corpora::zip_of;
use crate::corpus::{Store, files_in};
use crate::coverage::{InMemory, Replay};
use crate::engine::session;
use crate::output::{from_here, outln};
use crate::progress::Progress;
use crate::project::Project;

/// Make the corpora that are shipped: merge, minimise, pack, verify, swap.
///
/// Takes the seeds, the zips that are there, and what --from names. Of all that, few inputs are kept, small and
/// soon done, that have every feature: a source region with how often it is executed (1, 2, 3, 4-7, 8-15, 16-31,
/// 32-127, more often), a check that is evaluated, a kind of answer. Features are counted on the neutral build,
/// for all engines alike. The zip is read back and replayed before it takes the old one's place, which happens
/// only when nothing was lost. Inputs in corpus/shipped/kept/ are in the zip whatever they reach: they find faults that
/// others with their features do not.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes:
  0  every zip is written, and has every feature that any input had
  1  it could not be done; the zips are as they were
  2  the command line is wrong
  3  some inputs fail: they are kept in results/finds, and are in no zip
130  it was interrupted; the zips are as they were

Examples:
  cargo campaign corpora                                minimise again what there is
  cargo campaign corpora --from results/corpus          take what campaigns have found worth keeping
  cargo campaign corpora --targets fuzz_measure_calc --keep-per-feature 20")]
pub struct Corpora {
    /// The targets, with commas between them; all when none is given.
    #[arg(long, value_delimiter = ',')]
    targets: Vec<String>,
    /// Take inputs from a folder (and all below it), or from a zip; its target must be named in the path.
    #[arg(long, value_name = "DIR|ZIP")]
    from: Vec<PathBuf>,
    /// How many inputs to keep for each feature, where there are as many: different inputs with the same
    /// coverage differ in what they are sensitive to.
    #[arg(long, value_name = "N", default_value = "12")]
    keep_per_feature: NonZeroUsize,
    /// Where the zips are, and are written; by default the project's corpus/shipped/.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// When it cannot be done; see the exit codes in the help.
pub fn run(args: &Corpora, project: &Project) -> Result<ExitCode> {
    let progress = Progress::new();
    session::stop_on_ctrl_c()?;
    let targets = chosen_targets(project, &args.targets)?;
    let out = match &args.out {
        Some(folder) => std::path::absolute(folder)?,
        None => project.shipped(),
    };
    let _claim = project.claim(&project.results().join("corpora"))?;

    let mut candidates = Candidates::default();
    for &target in &targets {
        candidates.add_files(target, &files_in(&project.seeds(&target.name))?)?;
        let pinned = files_in(&kept_folder(project, target))?;
        candidates.add_files(target, &pinned)?;
        let zip = zip_of(&out, target);
        if zip.exists() {
            candidates.add_zip(target, &zip)?;
        }
    }
    for from in &args.from {
        let new = candidates.add_from(from, &targets)?;
        progress.say(&format!("{}: {new} inputs more", from_here(from).display()));
    }
    if candidates.too_long > 0 {
        progress.say(&format!(
            "left out: {} inputs, which are longer than their target takes",
            candidates.too_long
        ));
    }

    let neutral = Neutral::build(project, &progress)?;
    let mut finds = 0;
    let mut made = Vec::new();
    for &target in &targets {
        let Some(inputs) = candidates.inputs.get(&target.name) else {
            bail!(
                "{} has no inputs at all: its seeds belong in {}",
                target.name,
                project.seeds(&target.name).display()
            );
        };
        let shrinking = Shrinking {
            target,
            worker: project.worker()?,
            replay: neutral.replay(&target.name),
            inputs,
            pinned: contents(&kept_folder(project, target))?,
            keep: args.keep_per_feature.get(),
            progress: &progress,
        };
        let corpus = match shrinking.pack(&zip_of(&out, target)) {
            Err(why) if why.is::<Interrupted>() => {
                progress.say("interrupted: the zips are as they were");
                return Ok(ExitCode::from(INTERRUPTED));
            }
            corpus => corpus?,
        };
        for &(place, _) in &corpus.all.failing {
            let failing = inputs
                .values()
                .nth(place)
                .context("an input that is not there")?;
            Store::open(&super::finds_of_corpora(project, target))?.add(failing)?;
            finds += 1;
        }
        made.push((target, corpus));
    }
    // All are sound: now they take their places.
    for (target, Corpus { all, inputs, zip }) in made {
        let bytes = zip.bytes;
        let place = zip.put_in_place()?;
        outln!(
            "{}: {} of {} inputs, {} features, {} of {} regions, {} bytes in {}",
            target.name,
            grouped(inputs as u64),
            grouped(all.lengths().len() as u64),
            grouped(all.features() as u64),
            all.regions.len(),
            neutral.map.regions().len(),
            grouped(bytes),
            from_here(&place).display()
        );
    }
    Ok(super::end_of_replay(project, finds))
}

/// The folder of inputs that are kept whatever they reach.
fn kept_folder(project: &Project, target: &TargetInfo) -> PathBuf {
    project.shipped().join("kept").join(&target.name)
}

/// The inputs in a folder.
fn contents(folder: &Path) -> Result<Inputs> {
    let mut inputs = Inputs::new();
    for path in files_in(folder)? {
        let content =
            fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        pack::insert(&mut inputs, content)?;
    }
    Ok(inputs)
}

/// The inputs of a target that are to become its corpus.
struct Shrinking<'a> {
    target: &'a TargetInfo,
    /// The worker that knows fingerprints.
    worker: &'a Path,
    replay: Replay<'a>,
    inputs: &'a Inputs,
    /// Inputs that are kept in any case.
    pinned: Inputs,
    keep: usize,
    progress: &'a Progress,
}

/// A corpus, packed and verified.
struct Corpus {
    all: Survey,
    inputs: usize,
    zip: Packed,
}

impl Shrinking<'_> {
    /// Minimises, packs, reads back, replays, and compares. The comment of each input is its fingerprint.
    fn pack(&self, place: &Path) -> Result<Corpus> {
        let all = self.survey(self.inputs, "replay")?;
        let mut kept = BTreeSet::from_iter(all.cover());
        let failing: BTreeSet<usize> = all.failing.iter().map(|failing| failing.0).collect();
        let mut packer = WithFingerprints::create(place, self.worker, &self.target.name)?;
        for (index, (name, content)) in self.inputs.iter().enumerate() {
            if self.pinned.contains_key(name) && !failing.contains(&index) {
                kept.insert(index);
            }
            if kept.contains(&index) {
                packer.add(name, content.clone())?;
            }
        }
        ensure!(!kept.is_empty(), "{}: every input fails", self.target.name);
        let zip = packer.finish()?;
        let read_back = pack::read(zip.path())?;
        let after = self.survey(&read_back, "verify")?;
        all.ensure_kept_in(&after)
            .with_context(|| self.target.name.clone())?;
        Ok(Corpus {
            all,
            inputs: read_back.len(),
            zip,
        })
    }

    fn survey(&self, inputs: &Inputs, what: &str) -> Result<Survey> {
        let terms = Terms {
            keep: self.keep,
            max_input: self.target.max_input,
            memory: usize::MAX,
        };
        let contents = InMemory(inputs.values().map(Vec::as_slice).collect());
        Survey::of(&self.replay, &contents, terms, what, self.progress)
    }
}
