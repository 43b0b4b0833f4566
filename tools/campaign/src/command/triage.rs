//! `campaign triage`: groups the findings of all engines by cause.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use cli::output::{from_here, outln};
use worker::TargetInfo;

use super::{FINDS, INTERRUPTED, Judged, chosen_targets, parse_time};
use crate::atomic;
use crate::cores;
use crate::engine::session;
use crate::progress::Progress;
use crate::project::Project;
use crate::triage::collect::collect;
use crate::triage::group::{Report, Status};
use crate::triage::judge::Bench;
use crate::triage::minimise::Budget;
use crate::triage::summary::overview;
use crate::triage::{keep, triage};

/// The most candidates that a minimisation tries: enough for inputs of some KiB to come to an end.
const MOST_TRIES: usize = 20_000;

/// Group the finds of all engines by cause, each group with its smallest input and an issue text.
///
/// Every find in results/finds is replayed without an engine, and so is every file in folders named with
/// --finds: AFL++'s output, libFuzzer's artifacts, honggfuzz's crash files. Finds that fail in the same way
/// are a group: docs/triage.md explains that, with its limits. The smallest input of each group is minimised
/// so that the same check still fails in the same way.
///
/// Finds are not touched. Results go to results/triage: summary.md, triage.json, triage.sarif, an issue text
/// and a reproducer a group. The next triage takes reproducers over, and knows which finds failed before and
/// are mended.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes:
  0  there are no finds, or all of them are mended
  1  something could not be done: a find cannot be read, its target is not clear; or nothing fails but a
     find that does not reproduce
  2  the command line is wrong
  3  at least one find fails
130  it was interrupted before it replayed any that fails; what was done is written

Examples:
  cargo campaign triage
  cargo campaign triage fuzz_measure_calc --finds /mnt/nightly/afl-out --out nightly
  cargo campaign triage --sarif triage.sarif --json > triage.json
  cargo campaign triage --keep && git add corpus/regressions")]
pub(super) struct Triage {
    /// The targets whose finds to sort; all when none is named.
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    /// A folder with finds, or one find; beside those in results/finds. May be given more than once.
    #[arg(long, value_name = "DIR")]
    finds: Vec<PathBuf>,
    /// Leave results/finds out: sort what --finds names, and nothing else.
    #[arg(long, requires = "finds")]
    only: bool,
    /// Where results go. By default results/triage.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// How long an input may take before it counts as a hang: 5s, 1m.
    #[arg(long, default_value = "5s", value_parser = parse_time, value_name = "TIME")]
    time_out: Duration,
    /// How long the minimisation of a group may take: 30s, 5m.
    #[arg(long, default_value = "30s", value_parser = parse_time, value_name = "TIME")]
    minimize_time: Duration,
    /// How many inputs are replayed at once. By default as many as there are cores.
    #[arg(long, value_name = "K")]
    cores: Option<std::num::NonZeroUsize>,
    /// Copy the reproducers into corpus/regressions/, where cargo test replays them: it fails until they are mended.
    #[arg(long)]
    keep: bool,
    /// What is judged.
    #[command(flatten)]
    pub(super) judged: Judged,
    /// Print the report as JSON instead of a table.
    #[arg(long)]
    json: bool,
    /// Also write the SARIF log to this file.
    #[arg(long, value_name = "FILE")]
    sarif: Option<PathBuf>,
}

pub(super) fn run(args: &Triage, project: &Project) -> Result<ExitCode> {
    let progress = Progress::new();
    session::stop_on_ctrl_c()?;
    let wanted = match args.targets.as_slice() {
        [] => Vec::new(),
        targets => chosen_targets(project, targets)?,
    };
    let out = match &args.out {
        Some(folder) => std::path::absolute(folder)?,
        None => project.results().join("triage"),
    };
    let _lock = project.lock(&out.join("triage"))?;
    let known: Vec<&TargetInfo> = project.targets()?.iter().collect();
    let collected = collect(&folders(args, project, &wanted), &wanted, &known)?;
    let bench = Bench {
        worker: project.worker()?.to_owned(),
        root: project.root().to_owned(),
        command: project.command(),
        judged: project.judged()?,
        time_out: args.time_out,
        budget: Budget {
            tries: MOST_TRIES,
            time: args.minimize_time,
        },
        cores: args.cores.map_or_else(cores::count, usize::from),
        progress: progress.clone(),
    };
    let started = Instant::now();
    let report = triage(&bench, collected, &out)?;
    let (replayed, seconds) = (report.replayed, started.elapsed().as_secs_f64());
    progress.say(&format!(
        "replay {replayed} finds, and minimise: {seconds:.1} s"
    ));
    if let Some(copy) = &args.sarif {
        let log =
            std::fs::read(out.join("triage.sarif")).context("the SARIF log cannot be read")?;
        atomic::write(copy, &log)?;
    }
    if args.json {
        outln!("{}", report.to_json()?);
    } else {
        show(&report, &out)?;
    }
    if args.keep {
        let kept = keep(&report, &out, project.root(), project.targets()?)?;
        for path in &kept.new {
            let path = from_here(path).display();
            progress.say(&format!(
                "kept {path}; describe the mistake in corpus/regressions/README.md"
            ));
        }
        for file in &kept.too_long {
            progress.say(&format!(
                "not kept: {file} is longer than what engines may make"
            ));
        }
    }
    conclude(&report)
}

/// Where finds are looked for.
fn folders(args: &Triage, project: &Project, targets: &[&TargetInfo]) -> Vec<PathBuf> {
    let ours = project.results().join("finds");
    let mut folders = args.finds.clone();
    if args.only {
        return folders;
    }
    match targets {
        [] => folders.push(ours),
        targets => folders.extend(targets.iter().map(|target| ours.join(&target.name))),
    }
    // A folder that was named has to exist; our own does not exist before the first find.
    folders.retain(|folder| folder.exists() || args.finds.contains(folder));
    folders
}

/// What decides the exit code: see the help.
fn conclude(report: &Report) -> Result<ExitCode> {
    let unreproduced: usize = report
        .of(Status::Unreproduced)
        .map(|group| group.inputs.len())
        .sum();
    let mut wrong: Vec<String> = report.troubles.clone();
    if unreproduced > 0 {
        wrong.push(format!(
            "{unreproduced} of the finds do not reproduce: an engine reported them, and they pass when replayed"
        ));
    }
    if report.of(Status::Fails).next().is_some() {
        for what in wrong {
            eprintln!("error: {what}");
        }
        return Ok(ExitCode::from(FINDS));
    }
    if report.interrupted {
        return Ok(ExitCode::from(INTERRUPTED));
    }
    if !wrong.is_empty() {
        bail!("{}", wrong.join("\n"));
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints the groups as a table, and where the rest is.
fn show(report: &Report, out: &Path) -> Result<()> {
    outln!("{}\n", overview(report).replace("**", "").trim_end());
    let mut groups = report.groups.iter();
    let first = groups.find_map(|group| Some((group, group.reproducer.as_ref()?)));
    if let Some((group, reproducer)) = first {
        let regressions = out.join("regressions").join(&group.target);
        let file = regressions.join(&reproducer.file);
        outln!(
            "reproduce: {} replay {}",
            report.command,
            from_here(&file).display()
        );
        let text = out.join("issues").join(format!("{}.md", group.id));
        outln!("issue text: {}", from_here(&text).display());
    }
    let summary = out.join("summary.md");
    outln!("everything: {}", from_here(&summary).display());
    Ok(())
}
