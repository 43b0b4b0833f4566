//! How long the minimisation of many inputs takes, but for moving those that are taken out.

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use harness_core::Target;
use serde::Serialize;

use super::super::Neutral;
use super::Bench;
use crate::corpora::survey::Terms;
use crate::corpora::thin::Thinning;
use crate::corpora::{pack, zip_of};
use crate::coverage::Replay;
use crate::output::outln;
use crate::progress::Progress;
use crate::project::Project;
use crate::report::{grouped, rounded};

/// Where the made inputs begin: another number gives others.
const RANDOM_START: u64 = 20_260_101;
/// The default of `minimize --memory`, in bytes.
const MEMORY: usize = 512 << 20;

#[derive(Debug, Serialize)]
struct Measured {
    target: String,
    inputs: usize,
    seconds: f64,
    /// How many inputs are left.
    kept: u64,
}

pub(super) fn run(
    args: &Bench,
    project: &Project,
    targets: &[&Target],
    sizes: &[usize],
) -> Result<ExitCode> {
    let progress = Progress::new();
    let neutral = Neutral::build(project, &progress)?;
    let mut all = Vec::new();
    for &target in targets {
        let replay = neutral.replay(target.name);
        for &inputs in sizes {
            all.push(measure(project, target, &replay, inputs, &progress)?);
        }
    }
    if args.json {
        outln!("{}", serde_json::to_string_pretty(&all)?);
        return Ok(ExitCode::SUCCESS);
    }
    outln!("| target | inputs | seconds | inputs/s | kept |");
    outln!("|---|--:|--:|--:|--:|");
    for row in all {
        outln!(
            "| {} | {} | {:.1} | {} | {} |",
            row.target,
            grouped(row.inputs as u64),
            row.seconds,
            rounded(row.inputs as f64 / row.seconds),
            grouped(row.kept)
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn measure(
    project: &Project,
    target: &Target,
    replay: &Replay<'_>,
    inputs: usize,
    progress: &Progress,
) -> Result<Measured> {
    let runs = project.results().join("run");
    fs::create_dir_all(&runs).with_context(|| format!("{} cannot be made", runs.display()))?;
    let folder = tempfile::Builder::new()
        .prefix("bench-replay-")
        .tempdir_in(&runs)
        .with_context(|| format!("{} cannot be written to", runs.display()))?;
    let corpus = folder.path().join(target.name);
    make(project, target, inputs, &corpus, progress)?;

    let started = Instant::now();
    let thinned = Thinning {
        replay: replay.clone(),
        corpus: &corpus,
        finds: &folder.path().join("finds"),
        terms: Terms {
            keep: 1,
            max_input: target.max_input,
            memory: MEMORY,
        },
        discard: true,
        progress,
    }
    .rehearse()?;
    Ok(Measured {
        target: target.name.to_owned(),
        inputs,
        seconds: started.elapsed().as_secs_f64(),
        kept: thinned.after.inputs,
    })
}

/// Makes inputs: each is one of the shipped corpus with one to four of its bytes replaced.
fn make(
    project: &Project,
    target: &Target,
    inputs: usize,
    folder: &Path,
    progress: &Progress,
) -> Result<()> {
    let zip = zip_of(&project.root().join("corpora"), target);
    let shipped: Vec<Vec<u8>> = pack::read(&zip)?.into_values().collect();
    fs::create_dir(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    // SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
    let mut random = RANDOM_START;
    let mut below = |limit: usize| {
        random = random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % limit as u64) as usize
    };
    let mut line = progress.counted("make inputs", "inputs", inputs as u64);
    for number in 0..inputs {
        let mut input = shipped[below(shipped.len())].clone();
        for _ in 0..=below(4) {
            let value = below(256);
            if !input.is_empty() {
                let at = below(input.len());
                input[at] = value as u8;
            }
        }
        let file = folder.join(format!("{number:08}"));
        fs::write(&file, input).with_context(|| format!("{} cannot be written", file.display()))?;
        line.step();
    }
    line.done(progress);
    Ok(())
}
