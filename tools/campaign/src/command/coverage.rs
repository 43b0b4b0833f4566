//! `campaign coverage`: what of the code under test the shipped corpora reach.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use report::format::grouped;
use serde::Serialize;
use worker::TargetInfo;

use super::{Neutral, chosen_targets};
use crate::corpora::candidates::Candidates;
use crate::corpora::pack::Inputs;
use crate::corpora::zip_of;
use crate::coverage::{
    InMemory, Portion, Region, RegionSet, Replay, SourceMap, Summary, counted, lcov, pages,
};
use crate::output::{from_here, outln};
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
  1  the list and what is unreached differ; too few are reached; or something could not be done
  2  the command line is wrong
  3  inputs of --corpus fail

With --corpus the list is shown and not enforced: it is for the shipped corpora. Regions that a failing input
reached before it failed are counted too.

Examples:
  cargo campaign coverage
  cargo campaign coverage --json > coverage.json
  cargo campaign coverage --html coverage --lcov coverage.info
  cargo campaign coverage --corpus results/corpus --min-percent 90")]
pub struct Coverage {
    /// The targets, with commas between them; all when none is given.
    #[arg(long, value_delimiter = ',')]
    targets: Vec<String>,
    /// Instead of the shipped corpora: a folder (and all below it), or a zip; its target must be named in the
    /// path.
    #[arg(long, value_name = "DIR|ZIP")]
    corpus: Vec<PathBuf>,
    /// Write pages into this folder: an index, and every source file with how many inputs executed each line.
    #[arg(long, value_name = "DIR")]
    html: Option<PathBuf>,
    /// Write an lcov tracefile, for genhtml, editors and services: with how many inputs executed each line.
    #[arg(long, value_name = "FILE")]
    lcov: Option<PathBuf>,
    /// Fail when fewer of the regions are reached that are not on the list.
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(..=100))]
    min_percent: Option<u8>,
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
    region: Region,
    /// What names it in the list.
    #[serde(flatten)]
    place: Place,
    /// Why no input can reach it, by the list.
    reason: Option<String>,
}

#[derive(Serialize)]
struct OfTarget {
    inputs: usize,
    inputs_per_second: f64,
    /// How many inputs fail.
    failing: usize,
    #[serde(skip)]
    first_failing: Option<String>,
    summary: Summary,
}

/// Runs the command.
///
/// # Errors
/// When the list does not fit, too little is reached, an input fails, or something cannot be done.
pub fn run(args: &Coverage, project: &Project) -> Result<ExitCode> {
    let progress = Progress::new();
    let targets = chosen_targets(project, &args.targets)?;
    let candidates = inputs(args, project, &targets)?;
    let neutral = Neutral::build(project, &progress)?;
    let map = &neutral.map;
    let mut reached = RegionSet::default();
    let mut of_targets = BTreeMap::new();
    let mut counts = vec![0_u64; map.regions().len()];
    for (name, inputs) in &candidates.inputs {
        let replay = neutral.replay(name);
        let (of_target, regions) = replay_all(&replay, inputs, &mut counts, &progress)?;
        if let (Some(fails), true) = (&of_target.first_failing, args.corpus.is_empty()) {
            bail!("{name}: {fails}");
        }
        of_targets.insert(name.clone(), of_target);
        reached.extend(regions);
    }
    export(args, project, map, &counts, &of_targets)?;
    let list = List::read(&project.shipped().join("unreached.toml"))?;
    let unreached = unreached(project.root(), &(&map.all() - &reached), &list)?;
    let places: Vec<Place> = unreached
        .iter()
        .map(|region| region.place.clone())
        .collect();
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
    judge(args, &measured)?;
    let failing: usize = measured.targets.values().map(|target| target.failing).sum();
    Ok(super::end_of_replay(project, failing))
}

/// Replays the inputs of one target. Returns the regions that they reach, and adds to `counts` how many inputs
/// executed each region.
fn replay_all(
    replay: &Replay<'_>,
    inputs: &Inputs,
    counts: &mut [u64],
    progress: &Progress,
) -> Result<(OfTarget, RegionSet)> {
    let contents = InMemory(inputs.values().map(Vec::as_slice).collect());
    let mut line = progress.counted(replay.target, "inputs", inputs.len() as u64);
    let mut reached = BTreeSet::new();
    let (mut failing, mut first_failing) = (0, None);
    let started = Instant::now();
    replay.regions(&contents, |hits| {
        line.step();
        for &(region, _) in hits.regions {
            counts[region] += 1;
            reached.insert(region);
        }
        if !hits.verdict.is_fine() {
            failing += 1;
            let name = inputs.keys().nth(hits.input).map_or("", String::as_str);
            first_failing.get_or_insert_with(|| format!("{name} fails: {:?}", hits.verdict));
        }
        Ok(())
    })?;
    line.done(progress);
    let regions = replay.map.set(&reached);
    let of_target = OfTarget {
        inputs: inputs.len(),
        inputs_per_second: inputs.len() as f64 / started.elapsed().as_secs_f64(),
        failing,
        first_failing,
        summary: replay.map.summary(&regions),
    };
    Ok((of_target, regions))
}

/// Writes the pages and the tracefile that are asked for.
fn export(
    args: &Coverage,
    project: &Project,
    map: &SourceMap,
    counts: &[u64],
    of_targets: &BTreeMap<String, OfTarget>,
) -> Result<()> {
    if args.html.is_none() && args.lcov.is_none() {
        return Ok(());
    }
    let files = counted::files(map, project.root(), counts)?;
    if let Some(folder) = &args.html {
        let replayed: Vec<String> = of_targets
            .iter()
            .map(|(name, of)| format!("{} inputs of {name}", grouped(of.inputs as u64)))
            .collect();
        let about = format!("What {} executed.", replayed.join(", "));
        pages::write(folder, &files, &project.code_under_test()?, &about)?;
        eprintln!("pages: {}", from_here(&folder.join("index.html")).display());
    }
    if let Some(file) = &args.lcov {
        fs::write(file, lcov::tracefile(&files))
            .with_context(|| format!("{} cannot be written", file.display()))?;
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
fn unreached(root: &Path, regions: &RegionSet, list: &List) -> Result<Vec<Unreached>> {
    let mut sources: BTreeMap<&str, String> = BTreeMap::new();
    let mut all = Vec::new();
    for region in regions.iter() {
        if !sources.contains_key(region.file.as_str()) {
            let path = root.join(&region.file);
            let text = fs::read_to_string(&path)
                .with_context(|| format!("{} cannot be read", path.display()))?;
            sources.insert(&region.file, text);
        }
        let source = &sources[region.file.as_str()];
        let end = (region.end_line == region.start_line).then_some(region.end_column);
        let text =
            text_at(source, region.start_line, region.start_column, end).with_context(|| {
                format!("{region} is not in the source: it changed since the build")
            })?;
        let place = Place {
            file: region.file.clone(),
            function: function_at(source, region.start_line)
                .unwrap_or_default()
                .to_owned(),
            change: String::new(),
            text: text.to_owned(),
        };
        all.push(Unreached {
            reason: list.reason(&place).map(str::to_owned),
            region: region.clone(),
            place,
        });
    }
    Ok(all)
}

fn show(measured: &Measured) -> Result<()> {
    outln!(
        "| {:<20} | {:>14} | {:>14} | {:>14} |",
        "crate",
        "regions",
        "lines",
        "functions"
    );
    outln!("|{0:-<22}|{0:->15}:|{0:->15}:|{0:->15}:|", "");
    let row = |name: &str, summary: &Summary| {
        let of = |portion: &Portion| format!("{} of {}", portion.covered, portion.total);
        format!(
            "| {name:<20} | {:>14} | {:>14} | {:>14} |",
            of(&summary.regions),
            of(&summary.lines),
            of(&summary.functions)
        )
    };
    for (name, summary) in &measured.crates {
        outln!("{}", row(name, summary));
    }
    outln!("{}", row("all", &measured.all));
    for (name, of_target) in &measured.targets {
        outln!("{}", row(name, &of_target.summary));
    }
    let (listed, unlisted): (Vec<&Unreached>, Vec<&Unreached>) = measured
        .unreached
        .iter()
        .partition(|unreached| unreached.reason.is_some());
    outln!("\nunreached, and listed: {}", listed.len());
    let mut functions: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
    for unreached in listed {
        let reason = unreached.reason.as_deref().unwrap_or_default();
        let place = &unreached.place;
        *functions
            .entry((&place.file, &place.function, reason))
            .or_default() += 1;
    }
    for ((file, function, reason), regions) in functions {
        outln!("  {file}, {function}: {regions}. {reason}");
    }
    outln!("\nunreached, and not listed: {}", unlisted.len());
    for Unreached { region, place, .. } in unlisted {
        outln!(
            "  {}:{}:{} in {}: {}",
            region.file,
            region.start_line,
            region.start_column,
            place.function,
            place.text
        );
    }
    for wrong in &measured.wrongly_listed {
        outln!("WRONG: {wrong}");
    }
    Ok(())
}

/// An error unless enough is reached, and the list fits.
fn judge(args: &Coverage, measured: &Measured) -> Result<()> {
    let listed = measured.unreached.iter();
    let listed = listed.filter(|region| region.reason.is_some()).count();
    let regions = measured.all.regions;
    if let Some(percent) = args.min_percent {
        let reachable = regions.total - listed;
        ensure!(
            regions.covered * 100 >= reachable * usize::from(percent),
            "{} of the {reachable} regions that can be reached are fewer than {percent} %",
            regions.covered
        );
    }
    // The list is for the shipped corpora, and for all of them.
    if args.corpus.is_empty() && args.targets.is_empty() {
        let unlisted = measured.unreached.len() - listed;
        ensure!(
            unlisted == 0 && measured.wrongly_listed.is_empty(),
            "{unlisted} regions are unreached and not listed, {} entries of corpus/shipped/unreached.toml are wrong",
            measured.wrongly_listed.len()
        );
    }
    Ok(())
}
