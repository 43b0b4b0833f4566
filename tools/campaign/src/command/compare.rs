//! `campaign compare`: all engines on the same oracle, from the same starts, for the same time, as often as asked.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::{Result, bail};
use cli::output::{from_here, outln};
use report::{Comparison, Start, TargetResult, against, summary};

use super::{FINDS, INTERRUPTED, Judged, chosen_targets};
use crate::atomic;
use crate::comparison::check;
use crate::comparison::folder::Folder;
use crate::comparison::hunts as hunted;
use crate::comparison::order;
use crate::comparison::plan::Asked;
use crate::comparison::reporting::{self, Reporting};
use crate::comparison::schedule::{Schedule, Trials};
use crate::comparison::start::{self, Opened};
use crate::comparison::trial::{self, Trial};
use crate::engine::session;
use crate::fuzz::never_evaluated_in_words;
use crate::progress::Progress;
use crate::project::Project;
use crate::supervisor::Claim;

/// Compare the engines: same oracle, same seeds, same profile, same time, one core each.
///
/// Every engine runs on every target --trials times. Trials are run in blocks of one of each, in an
/// order drawn at random inside a block, so that a machine that drifts treats all alike; the seed of the order
/// is recorded. Every input that an engine kept is replayed, in the order in which it came, through one neutral
/// coverage build without any engine's instrumentation: coverage is source regions, lines and functions of the
/// code under test. The folder then has index.html, report.json, summary.md, and series.csv with the growth of
/// every trial that counts.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Resuming:
  A comparison that was interrupted, killed or cut off from power is resumed by the same command and the
  same --out (or with --out alone). Trials that are whole are kept as they are. One that did not end is run
  again from its beginning; what it left is moved to unfinished/ in the folder, and counts for nothing. Trials
  that were lost to the machine (by a full disk, for example) are run again too; those in which an engine died are kept as
  failures, unless --retry is given. Engines that a killed tool left are ended: at once by a process that watches
  for that, or else by the next start. More --trials than before add trials; whatever else differs is refused,
  because trials would not be comparable: the folder has copies of builds, seeds and dictionaries, so the project
  may change meanwhile, but targets, engines, times, processor and tools may not. When everything is whole, the
  same command makes the report again.

Exit codes:
  0  every engine ran on every target, clean
  1  a result does not count: an engine died, read no seeds or executed nothing, a trial was lost, or a check
     was never evaluated; or something could not be built
  2  the command line is wrong
  3  there are finds
130  it was interrupted; the report has what is whole, and the same command resumes it
What --against shows changes none of these.

Examples:
  cargo campaign compare --time 1m
  cargo campaign compare --trials 10 --time 24h --cores 4 --out results/compare/october
  cargo campaign compare --out results/compare/october                resumes it
  cargo campaign compare --from both --trials 10 --time 10m
                                        what do the seeds give, and what the engine?
  cargo campaign compare --out results/compare/october --check        do its numbers follow from its trials?
  cargo campaign compare --out results/compare/november --against results/compare/october
                                        what has changed; nothing is run when both are whole
  cargo campaign compare fuzz_measure_scan --time 10m --engines afl,libfuzzer --cores 1
  cargo campaign compare --trials 10 --time 10m --engines all,ensemble
                                        together, or the best engine alone?
  cargo campaign compare --trials 10 --engines all,afl+no-cmplog,libfuzzer+value-profile,libfuzzer+asan
                                        what do CmpLog, value profile and AddressSanitizer change?")]
pub(super) struct Compare {
    #[command(flatten)]
    asked: Asked,
    /// What is judged.
    #[command(flatten)]
    pub(super) judged: Judged,
    /// Where to write the result, and what to resume; by default results/compare/ and the time of day.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Run nothing: verify that the numbers in --out follow from series.csv, the trials' records and the hunts there.
    /// Exit code 1 when one does not. Neither builds nor inputs need be there.
    #[arg(long, requires = "out", conflicts_with_all = ["retry", "against"])]
    check: bool,
    /// Run trials again in which an engine died or did nothing.
    #[arg(long)]
    retry: bool,
    /// Set the result side by side with an earlier one, for example of the seeds before a change: the folder
    /// that a comparison wrote, or its report.json. What differs in the conditions comes first. The folder gets
    /// against.md too.
    #[arg(long, value_name = "DIR")]
    against: Option<PathBuf>,
}

pub(super) fn run(args: &Compare, project: &Project) -> Result<ExitCode> {
    let progress = Progress::new();
    session::stop_on_ctrl_c()?;
    let mut asked = args.asked.clone();
    asked.targets.sort();
    asked.targets.dedup();
    let old = args.against.as_deref().map(report::read).transpose()?;
    let time = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let folder = match &args.out {
        Some(folder) => std::path::absolute(folder)?,
        None => project
            .results()
            .join("compare")
            .join(time.replace(':', "-")),
    };
    if args.check {
        return check(&Folder::open(&folder)?);
    }
    // No folder is made for a target that is not there. One that is resumed has its own targets.
    let targets = match folder.join("plan.json").exists() {
        true => Vec::new(),
        false => chosen_targets(project, &asked.targets)?,
    };
    let folder = Folder::open(&folder)?;
    let claim = Claim::take(folder.root(), &folder.lock())?;
    if claim.ended > 0 {
        progress.say(&format!(
            "{} processes of a comparison that was killed are ended",
            claim.ended
        ));
    }
    let opened = start::open(&asked, &targets, project, folder, &progress)?;
    let Opened { folder, plan, .. } = &opened;
    let targets = plan.targets.iter().map(|name| &opened.targets[name]);
    let (starts, engines) = (&plan.starts, &plan.engines);
    let order = order::of(targets, starts, engines, plan.trials, plan.order_seed);
    for id in order.iter().filter(|_| args.retry) {
        if Trial::read(folder, id)?.is_some_and(|trial| trial.failure.is_some()) {
            progress.say(&format!("{id}: it failed, and is run again"));
            let path = trial::file(&folder.trial(id));
            fs::rename(&path, path.with_extension("failed.json"))?;
        }
    }
    let schedule = Schedule {
        opened: &opened,
        progress: &progress,
    };
    let trials = schedule.run(order);
    let hunts = hunted::read(folder)?;
    let reporting = Reporting {
        opened: &opened,
        trials: &trials,
        hunts: &hunts,
    };
    let comparison = progress.step("report", || reporting.comparison())?;
    // Printed first: on a full disk it is all that there will be.
    outln!("{}", summary::markdown(&comparison));
    reporting::write(&comparison, folder.root())?;
    if let (Some(old), Some(from)) = (&old, &args.against) {
        let names = [
            &from.display().to_string(),
            &from_here(folder.root()).display().to_string(),
        ];
        let text = against::markdown([old, &comparison], names.map(String::as_str));
        atomic::write_durably(&folder.root().join("against.md"), text.as_bytes())?;
        outln!("{text}");
    }
    let lost = hunted::lost(&hunts);
    conclude(&comparison, &trials, folder, project, lost)
}

/// Prints which published numbers do not follow from the raw data.
fn check(folder: &Folder) -> Result<ExitCode> {
    let differences = check::differences(folder)?;
    if differences.is_empty() {
        outln!("every number follows from the trials' records");
        return Ok(ExitCode::SUCCESS);
    }
    bail!("{}", differences.join("\n"))
}

/// Prints the result, and decides what the whole is worth.
fn conclude(
    comparison: &Comparison,
    trials: &Trials,
    folder: &Folder,
    project: &Project,
    mut failures: Vec<String>,
) -> Result<ExitCode> {
    let command = project.command();
    let mut has_finds = false;
    for (target, engine) in comparison.engines() {
        let (name, title) = (&target.title(), &engine.title);
        for group in &engine.finds {
            has_finds = true;
            outln!(
                "FIND {} ({name}, {title}): {} inputs; reproduce: {command} replay --target {} {}",
                group.check,
                group.inputs,
                target.target,
                group.example
            );
        }
        for trial in &engine.trials {
            if let Some(failure) = &trial.failure {
                failures.push(format!("{name}, {title}, trial {}: {failure}", trial.trial));
            }
        }
    }
    // Seeds have to evaluate every check. From nothing it is a result when no input does.
    let seeded = |target: &&TargetResult| target.start == Start::Seeds;
    for target in comparison.targets.iter().filter(seeded) {
        let missed = &target.never_evaluated;
        if !missed.is_empty() && trials.not_begun == 0 {
            let name = &target.target;
            let words = never_evaluated_in_words(name, missed);
            failures.push(format!("{name}: {words}"));
        }
    }
    outln!(
        "page: {}",
        from_here(&folder.root().join("index.html")).display()
    );
    if trials.not_begun > 0 || !trials.lost.is_empty() {
        eprintln!(
            "resume with: {command} compare --out {}",
            from_here(folder.root()).display()
        );
    }
    for failure in &failures {
        eprintln!("{failure}");
    }
    Ok(if has_finds {
        ExitCode::from(FINDS)
    } else if !failures.is_empty() {
        ExitCode::FAILURE
    } else if comparison.interrupted {
        ExitCode::from(INTERRUPTED)
    } else {
        ExitCode::SUCCESS
    })
}
