//! `campaign coverage`: which regions of the code under test the shipped corpora reach.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use cli::output::{from_here, outln};
use fs_err as fs;
use report::format::grouped;
use report::markdown::{heading, table};
use serde::Serialize;
use worker::TargetInfo;

use super::{Neutral, chosen_targets};
use crate::corpora::candidates::Candidates;
use crate::corpora::pack::Inputs;
use crate::corpora::zip_of;
use crate::coverage::{InMemory, Portion, Region, Replay, SourceMap, Summary, counted};
use crate::progress::Progress;
use crate::project::Project;
use crate::reasons::{List, Place, function_at, text_at};

/// Count the source regions of the code under test that corpora reach, and show where they are.
///
/// Replays corpora on the neutral build and prints, crate by crate, what of it they reach, then every region
/// that none of them reaches. Those that no input can reach are listed in corpus/shipped/unreached.toml, each with
/// the reason; the command fails when a region is unreached and not listed, or listed and reached.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes:
  0  unreached are exactly the regions of the list
  1  the list and what is unreached differ, or something could not be done
  2  the command line is wrong
  3  inputs of --corpus fail

With --corpus the list is shown and not enforced: it is for the shipped corpora. Regions that a failing input
reached before it failed are counted too.

Examples:
  cargo campaign coverage
  cargo campaign coverage --json > coverage.json
  cargo campaign coverage --html coverage --lcov coverage.info
  cargo campaign coverage --corpus results/corpus")]
pub(super) struct Coverage {
    /// The targets, with commas between them; all when none is given.
    #[arg(long, value_delimiter = ',')]
    targets: Vec<String>,
    /// Instead of the shipped corpora: a folder (and all below it), or a zip; its target must be named in the
    /// path.
    #[arg(long, value_name = "DIR|ZIP")]
    corpus: Vec<PathBuf>,
    /// Have lcov's genhtml write pages into this folder: an index, and every source file with how many inputs
    /// executed each line.
    #[arg(long, value_name = "DIR")]
    html: Option<PathBuf>,
    /// Write an lcov tracefile, for genhtml, editors and services: with how many inputs executed each line.
    #[arg(long, value_name = "FILE")]
    lcov: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Measured {
    all: Summary,
    crates: BTreeMap<String, Summary>,
    targets: BTreeMap<String, OfTarget>,
    unreached: Vec<Unreached>,
    wrongly_listed: Vec<String>,
}

/// A region that is not reached.
#[derive(Serialize)]
struct Unreached {
    /// As `file:line:column-line:column`.
    region: String,
    /// What names it in the list.
    #[serde(flatten)]
    place: Place,
    /// Why no input can reach it, by the list.
    reason: Option<String>,
}

#[derive(Serialize)]
struct OfTarget {
    inputs: usize,
    /// How many inputs fail.
    failing: usize,
    summary: Summary,
}

pub(super) fn run(args: &Coverage, project: &Project) -> Result<ExitCode> {
    let progress = Progress::new();
    let targets = chosen_targets(project, &args.targets)?;
    let candidates = inputs(args, project, &targets)?;
    let neutral = Neutral::build(project, &progress)?;
    let map = &neutral.map;
    let mut of_targets = BTreeMap::new();
    let mut counts = vec![0_u64; map.regions().len()];
    for (name, inputs) in &candidates.inputs {
        let of_target =
            OfTarget::replay(args, &neutral.replay(name), inputs, &mut counts, &progress)?;
        of_targets.insert(name.clone(), of_target);
    }
    let all = 0..counts.len();
    let reached: BTreeSet<usize> = all.filter(|&number| counts[number] > 0).collect();
    export(args, map, &counts, &of_targets)?;
    let list = project.shipped().join("unreached.toml");
    // Behind a link it is another project's list.
    let is_own = list
        .canonicalize()
        .map_or(true, |list| list.starts_with(project.root()));
    let list = if is_own {
        List::read(&list)?
    } else {
        List::default()
    };
    let regions = map.regions().iter().enumerate();
    let unreached = regions.filter(|(number, _)| !reached.contains(number));
    let unreached = name_all(map, unreached.map(|(_, region)| region), &list)?;
    let places: Vec<Place> = unreached.iter().map(|of| of.place.clone()).collect();
    let wrongly_listed = list.stale(&places);
    let measured = Measured {
        all: map.summary(&reached),
        crates: map.summary_by_crate(&reached),
        targets: of_targets,
        unreached,
        wrongly_listed,
    };
    if args.json {
        outln!("{}", serde_json::to_string_pretty(&measured)?);
    } else {
        show(&measured)?;
    }
    judge(args, &measured, is_own)?;
    let failing: usize = measured.targets.values().map(|target| target.failing).sum();
    Ok(super::end_of_replay(project, failing))
}

impl OfTarget {
    /// Replays the inputs of one target, and adds to `counts` how many of them executed each region. A shipped input
    /// that fails is an error.
    fn replay(
        args: &Coverage,
        replay: &Replay<'_>,
        inputs: &Inputs,
        counts: &mut [u64],
        progress: &Progress,
    ) -> Result<Self> {
        let contents = InMemory(inputs.values().map(Vec::as_slice).collect());
        let line = progress.counted(replay.target, "inputs", inputs.len() as u64);
        let mut reached = BTreeSet::new();
        let mut failing = 0;
        replay.regions(&contents, |hits| {
            line.step();
            for region in hits.numbers() {
                counts[region] += 1;
                reached.insert(region);
            }
            if hits.is_find() {
                failing += 1;
                let name = inputs.keys().nth(hits.input).map_or("", String::as_str);
                ensure!(
                    !args.corpus.is_empty(),
                    "{}: {name} fails: {:?}",
                    replay.target,
                    hits.verdict
                );
            }
            Ok(())
        })?;
        line.done(progress);
        Ok(Self {
            inputs: inputs.len(),
            failing,
            summary: replay.map.summary(&reached),
        })
    }
}

/// Writes the pages and the tracefile that are asked for.
fn export(
    args: &Coverage,
    map: &SourceMap,
    counts: &[u64],
    of_targets: &BTreeMap<String, OfTarget>,
) -> Result<()> {
    if args.html.is_none() && args.lcov.is_none() {
        return Ok(());
    }
    let files = counted::files(map, counts)?;
    if let Some(folder) = &args.html {
        let replayed: Vec<String> = of_targets
            .iter()
            .map(|(name, of)| format!("{} inputs of {name}", grouped(of.inputs as u64)))
            .collect();
        counted::pages(folder, &files, &replayed.join(", "))?;
        eprintln!("pages: {}", from_here(&folder.join("index.html")).display());
    }
    if let Some(file) = &args.lcov {
        fs::write(file, counted::tracefile(&files))?;
    }
    Ok(())
}

/// The inputs to replay, by target.
fn inputs(args: &Coverage, project: &Project, targets: &[&TargetInfo]) -> Result<Candidates> {
    let mut candidates = Candidates::default();
    if args.corpus.is_empty() {
        for &target in targets {
            let zip = zip_of(&project.shipped(), target);
            candidates.add_zip(target, &zip)?;
        }
    }
    for corpus in &args.corpus {
        let new = candidates.add_from(corpus, targets)?;
        eprintln!("{}: {new} inputs", from_here(Path::new(corpus)).display());
    }
    Ok(candidates)
}

/// Names each of `regions`, with the reason why it is unreached where the list has one.
fn name_all<'a>(
    map: &SourceMap,
    regions: impl Iterator<Item = &'a Region>,
    list: &List,
) -> Result<Vec<Unreached>> {
    let (mut file, mut source) = ("", String::new());
    let name = |region: &'a Region| {
        if file != region.file {
            file = &region.file;
            source = fs::read_to_string(map.path(file))?;
        }
        let end = (region.end_line == region.start_line).then_some(region.end_column);
        let text = text_at(&source, region.start_line, region.start_column, end);
        let text = text.with_context(|| {
            format!("{region} is not in the source: it changed since the build")
        })?;
        let function = function_at(&source, region.start_line).unwrap_or_default();
        let place = Place {
            file: region.file.clone(),
            function: function.to_owned(),
            change: String::new(),
            text: text.to_owned(),
        };
        Ok(Unreached {
            reason: list.reason(&place).map(str::to_owned),
            region: region.to_string(),
            place,
        })
    };
    regions.map(name).collect()
}

fn show(measured: &Measured) -> Result<()> {
    let mut rows = vec![heading("crate | regions | lines | functions")];
    let crates = measured
        .crates
        .iter()
        .map(|(name, summary)| (name.as_str(), summary));
    let targets = measured
        .targets
        .iter()
        .map(|(name, of)| (name.as_str(), &of.summary));
    for (name, summary) in crates.chain([("all", &measured.all)]).chain(targets) {
        let of = |portion: Portion| format!("{} of {}", portion.covered, portion.total);
        let cells = [summary.regions, summary.lines, summary.functions].map(of);
        rows.push([vec![name.to_owned()], cells.into()].concat());
    }
    outln!("{}", table(&rows, 1));
    let (listed, unlisted): (Vec<&Unreached>, Vec<&Unreached>) = measured
        .unreached
        .iter()
        .partition(|unreached| unreached.reason.is_some());
    outln!("unreached, and listed: {}", listed.len());
    let mut functions: BTreeMap<_, usize> = BTreeMap::new();
    for Unreached { place, reason, .. } in listed {
        *functions
            .entry((&place.file, &place.function, reason))
            .or_default() += 1;
    }
    for ((file, function, reason), regions) in functions {
        let reason = reason.as_deref().unwrap_or_default();
        outln!("  {file}, {function}: {regions}. {reason}");
    }
    outln!("\nunreached, and not listed: {}", unlisted.len());
    for Unreached { region, place, .. } in unlisted {
        outln!("  {region} in {}: {}", place.function, place.text);
    }
    for wrong in &measured.wrongly_listed {
        outln!("WRONG: {wrong}");
    }
    Ok(())
}

/// An error unless the list fits.
fn judge(args: &Coverage, measured: &Measured, has_list: bool) -> Result<()> {
    // The list is for the shipped corpora, and for all of them.
    if has_list && args.corpus.is_empty() && args.targets.is_empty() {
        let unlisted = measured.unreached.iter();
        let unlisted = unlisted.filter(|region| region.reason.is_none()).count();
        ensure!(
            unlisted == 0 && measured.wrongly_listed.is_empty(),
            "{unlisted} regions are unreached and not listed, {} entries of corpus/shipped/unreached.toml are wrong",
            measured.wrongly_listed.len()
        );
    }
    Ok(())
}
