//! `campaign triage`: every find of every engine, a group a cause.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail};

use super::{FINDS, INTERRUPTED, chosen_targets, parse_time};
use crate::engine::session;
use crate::output::{from_here, outln};
use crate::progress::Progress;
use crate::project::{Project, names};
use crate::triage::collect::{Collected, collect};
use crate::triage::group::{Environment, Group, Report, Status, VERSION};
use crate::triage::judge::Bench;
use crate::triage::minimise::Budget;
use crate::triage::output::{Places, keep, write};
use crate::triage::reproduce::BUDGET;
use crate::triage::summary::{engines, in_words, smallest};
use crate::triage::{collect, issue, sort};

/// Sort the finds of all engines into groups, one a cause, each with its smallest input and an issue text.
///
/// Every find in results/finds is replayed without an engine, and so is every file in folders named with
/// --finds: AFL++'s output, libFuzzer's artifacts, honggfuzz's crash files. Finds that fail in the same way
/// are a group: docs/triage.md says what that means, and what its limits are. Of each group the smallest
/// input is minimised so that the same check still fails in the same way.
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
pub struct Triage {
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
    /// Print the report as JSON instead of a table.
    #[arg(long)]
    json: bool,
    /// Also write the SARIF log to this file.
    #[arg(long, value_name = "FILE")]
    sarif: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// When something could not be done; see the exit codes in the help.
pub fn run(args: &Triage, project: &Project) -> Result<ExitCode> {
    let progress = Progress::new();
    session::stop_on_ctrl_c()?;
    let wanted = match args.targets.as_slice() {
        [] => Vec::new(),
        targets => chosen_targets(project, targets)?,
    };
    let wanted = names(wanted);
    let out = match &args.out {
        Some(folder) => std::path::absolute(folder)?,
        None => project.results().join("triage"),
    };
    let _lock = project.lock(&out.join("triage"))?;
    let Collected {
        finds,
        mut troubles,
    } = collect(
        &folders(args, project, &wanted),
        &wanted,
        &names(project.targets()?),
    )?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let bench = Bench {
        worker: project.worker()?.to_owned(),
        root: project.root().to_owned(),
        time_out: args.time_out,
        cores: args.cores.map_or(cores, usize::from),
        progress: progress.clone(),
    };

    let started = Instant::now();
    let last = Report::read(&out);
    let budget = Budget {
        time: args.minimize_time,
        ..BUDGET
    };
    let sorted = sort(&bench, &finds, &out, last.as_ref(), budget)?;
    progress.say(&format!(
        "replay {} finds, and minimise: {:.1} s",
        sorted.replayed,
        started.elapsed().as_secs_f64()
    ));
    troubles.extend(sorted.troubles);
    let report = Report {
        version: VERSION,
        made: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        environment: environment(project.root()),
        command: project.command(),
        time_out_seconds: args.time_out.as_secs_f64(),
        interrupted: session::interrupted(),
        finds: finds.len(),
        replayed: sorted.replayed,
        troubles,
        groups: sorted.groups,
        earlier: sorted.earlier,
    };
    write(
        &report,
        &sorted.reproduced,
        &out,
        project.root(),
        args.sarif.as_deref(),
    )?;
    if args.json {
        outln!("{}", report.to_json()?);
    } else {
        show(&report, &out, project)?;
    }
    if args.keep {
        let kept = keep(&report, &out, project.root(), project.targets()?)?;
        for path in &kept.new {
            let path = from_here(path).display();
            progress.say(&format!(
                "kept {path}; corpus/regressions/README.md is to say what was wrong"
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
fn folders(args: &Triage, project: &Project, targets: &[&str]) -> Vec<PathBuf> {
    let ours = project.results().join("finds");
    let mut folders = args.finds.clone();
    if args.only {
        return folders;
    }
    match targets {
        [] => folders.push(ours),
        targets => folders.extend(targets.iter().map(|target| ours.join(target))),
    }
    // What was named has to be there; what nobody has found yet need not.
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
fn show(report: &Report, out: &Path, project: &Project) -> Result<()> {
    let header = ["group", "what", "inputs", "smallest", "found by", "first"];
    let rows: Vec<[String; 6]> = report.groups.iter().map(row).collect();
    if !rows.is_empty() {
        let mut widths = header.map(str::len);
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let line = |cells: &[String; 6]| {
            let mut text = String::new();
            for (nth, (cell, &width)) in cells.iter().zip(&widths).enumerate() {
                text += &match nth {
                    2 | 3 => format!("{cell:>width$}  "),
                    _ => format!("{cell:<width$}  "),
                };
            }
            text.trim_end().to_owned()
        };
        outln!("{}", line(&header.map(str::to_owned)));
        for row in &rows {
            outln!("{}", line(row));
        }
        outln!("");
    }
    outln!("{}", in_words(report).replace("**", ""));
    let places = Places::new(out, project.root());
    if let Some(first) = report
        .groups
        .iter()
        .find(|group| group.reproducer.is_some())
        && let Some(reproducer) = &first.reproducer
    {
        outln!(
            "reproduce: {} replay {}",
            project.command(),
            from_here(
                &out.join("regressions")
                    .join(&first.target)
                    .join(&reproducer.file)
            )
            .display()
        );
        outln!("issue text: {}", places.issue(&first.id));
    }
    outln!(
        "everything: {}",
        from_here(&out.join("summary.md")).display()
    );
    Ok(())
}

fn row(group: &Group) -> [String; 6] {
    [
        group.id.clone(),
        issue::title(group).replace('`', ""),
        group.inputs.len().to_string(),
        smallest(group),
        engines(group),
        group
            .first_ms()
            .map_or_else(|| "unknown".to_owned(), collect::time_shown),
    ]
}

/// What the project is made of now, as far as git, the compiler and the system tell.
fn environment(root: &Path) -> Environment {
    let says = |program: &str, arguments: &[&str]| {
        let output = Command::new(program)
            .args(arguments)
            .current_dir(root)
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("cannot run {program}"));
        match output {
            Ok(output) if output.status.success() => {
                let text = String::from_utf8_lossy(&output.stdout);
                text.lines().next().unwrap_or_default().trim().to_owned()
            }
            _ => String::new(),
        }
    };
    let hash = [
        "describe",
        "--always",
        "--abbrev=12",
        "--exclude=*",
        "--dirty",
    ];
    Environment {
        commit: says("git", &hash),
        rustc: says("rustc", &["--version"]),
        system: says("uname", &["-s", "-r", "-m"]),
    }
}
