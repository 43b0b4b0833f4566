//! `campaign corpora`: the corpora that are shipped.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use cli::output::{from_here, outln};
use report::format::grouped;

use super::{Neutral, chosen_targets};
use crate::atomic;
use crate::corpora::candidates::Candidates;
use crate::corpora::minimise::Minimiser;
use crate::corpora::pack;
use crate::corpora::survey::Terms;
use crate::corpora::zip_of;
use crate::corpus::files_in;
use crate::coverage::InMemory;
use crate::progress::Progress;
use crate::project::Project;

/// Make the corpora that are shipped: merge, minimise, pack, verify, swap.
///
/// Takes the seeds, the zips that are there, and what --from names. Of all that, few inputs are kept, small and
/// soon done, that have every feature: a source region with how often it is executed (1, 2, 3, 4-7, 8-15, 16-31,
/// 32-127, more often), a check that is evaluated, a kind of answer. Features are counted on the neutral build,
/// for all engines alike. What is kept is replayed again, packed and read back before it takes the old zip's
/// place, which happens only when nothing was lost. Ctrl-C, or a kill, leaves the zips as they were. Inputs in
/// corpus/shipped/kept/ are in the zip whatever they reach: they find faults that others with their features do not.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes:
  0  every zip is written, and has every feature that any input has
  1  it could not be done; the zips are as they were
  2  the command line is wrong
  3  some inputs fail: they are kept in results/finds, and are in no zip

Examples:
  cargo campaign corpora                                minimise again what there is
  cargo campaign corpora --from results/corpus          take what campaigns have found worth keeping
  cargo campaign corpora --targets fuzz_measure_calc --keep-per-feature 20")]
pub(super) struct Corpora {
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
}

pub(super) fn run(args: &Corpora, project: &Project) -> Result<ExitCode> {
    let progress = Progress::new();
    let targets = chosen_targets(project, &args.targets)?;
    let shipped = project.shipped();
    let _lock = project.lock(&project.results().join("corpora"))?;

    // The inputs in `kept/` come first: what is there then is pinned.
    let mut candidates = Candidates::default();
    for &target in &targets {
        let kept = files_in(&shipped.join("kept").join(&target.name))?;
        candidates.add_files(target, &kept)?;
    }
    let pinned = candidates.inputs.clone();
    for &target in &targets {
        candidates.add_files(target, &files_in(&project.seeds(&target.name))?)?;
        let zip = zip_of(&shipped, target);
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
    let mut made = Vec::new();
    for &target in &targets {
        let name = &target.name;
        let inputs = candidates.inputs.get(name).with_context(|| {
            let seeds = project.seeds(name);
            format!(
                "{name} has no inputs at all: its seeds belong in {}",
                seeds.display()
            )
        })?;
        let pinned = pinned.get(name);
        let is_pinned = |input| pinned.is_some_and(|pinned| pinned.contains_key(input));
        let pinned = (0..)
            .zip(inputs.keys())
            .filter(|(_, input)| is_pinned(*input));
        let minimiser = Minimiser {
            replay: neutral.replay(name),
            inputs: &InMemory(inputs.values().map(Vec::as_slice).collect()),
            pinned: pinned.map(|(place, _)| place).collect(),
            finds: &project.finds(&target.name, "corpora"),
            terms: Terms {
                keep: args.keep_per_feature.get(),
                max_input: target.max_input,
            },
            progress: &progress,
        };
        let chosen = minimiser.choose(&mut |_| {}).context(name.clone())?;
        let mut kept = inputs.clone();
        let mut places = 0..;
        kept.retain(|_, _| {
            places
                .next()
                .is_some_and(|place| chosen.kept.contains(&place))
        });
        let zip = pack::with_fingerprints(&kept, project.worker()?, name)?;
        made.push((target, chosen.survey, kept.len(), zip));
    }
    // All are sound: now they take their places.
    let mut failing = 0;
    for (target, all, inputs, zip) in made {
        let place = zip_of(&shipped, target);
        atomic::write(&place, &zip)?;
        failing += all.failing.len();
        outln!(
            "{}: {} of {} inputs, {} features, {} of {} regions, {} bytes in {}",
            target.name,
            grouped(inputs as u64),
            grouped(all.lengths.len() as u64),
            grouped(all.features() as u64),
            all.regions.len(),
            neutral.map.regions().len(),
            grouped(zip.len() as u64),
            from_here(&place).display()
        );
    }
    Ok(super::end_of_replay(project, failing))
}
