//! `campaign replay`: runs inputs without an engine.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use cli::output::outln;
use serde::Serialize;
use worker::{Case, Known, TargetInfo};

use super::{FINDS, Judged};
use crate::corpora::candidates::target_of;
use crate::corpus::files_in;
use crate::project::{Project, names};
use crate::replay::{Replayer, Verdict, Verdicts};

/// Replay inputs without an engine: print pass, rejected, not judged, known, or which check fails, on which case.
///
/// A file that any engine found fails here with the same check. The case is printed in words and as
/// Rust that runs.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes:
  0  no input fails
  1  a file cannot be read, or its target is not clear
  2  the command line is wrong
  3  at least one input fails

Examples:
  cargo campaign replay results/finds/fuzz_measure_calc/afl/3f0e…
  cargo campaign replay --target fuzz_measure_scan crash-1a2b…
  cargo campaign replay corpus/seeds/fuzz_measure_scan
  cargo campaign --project subjects/imago replay --judge values,refusals corpus/seeds/fuzz_measure_scan")]
pub(super) struct Replay {
    /// Files to replay, or folders with files to replay.
    #[arg(required = true, value_name = "FILE|DIR")]
    inputs: Vec<PathBuf>,
    /// The target. By default a folder of the input's path names it.
    #[arg(long)]
    target: Option<String>,
    /// What is judged.
    #[command(flatten)]
    pub(super) judged: Judged,
    /// Also describe inputs that pass.
    #[arg(long)]
    describe: bool,
    /// Print JSON: one object an input, in an array.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Replayed<'a> {
    path: String,
    target: &'a str,
    #[serde(flatten)]
    verdict: Verdict,
    /// What fails, as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// The case of an input that does not fail: a violation has its own.
    #[serde(rename = "case", skip_serializing_if = "Option::is_none")]
    sound_case: Option<Case>,
}

pub(super) fn run(args: &Replay, project: &Project) -> Result<ExitCode> {
    let inputs = collect(args, project)?;
    let mut replayer = Replayer::new(project.worker()?.to_owned());
    let mut all = Vec::new();
    let mut counted = Verdicts::default();
    for (target, path) in inputs {
        let verdict = replayer.verdict(target, &path)?;
        counted.add(&verdict);
        let message = match &verdict {
            Verdict::Fail(violation) => Some(violation.to_string()),
            _ => None,
        };
        let sound_case = if args.describe && verdict == Verdict::Pass {
            let described = replayer.describe(target, &path)?;
            described.ok().map(|described| described.description.case)
        } else {
            None
        };
        let replayed = Replayed {
            path: path.display().to_string(),
            target,
            verdict,
            message,
            sound_case,
        };
        if args.json {
            all.push(replayed);
        } else {
            show(&replayed)?;
        }
    }
    if args.json {
        outln!("{}", serde_json::to_string_pretty(&all)?);
    } else {
        let Verdicts {
            passed,
            rejected,
            failed,
            ..
        } = &counted;
        outln!("{passed} passed, {rejected} rejected, {failed} failed");
        outln!("{}", project.judged()?);
        for (feature, count) in &counted.not_judged {
            outln!("{count} not judged: {feature}");
        }
        if let Some(warning) = counted.warning() {
            outln!("{warning}");
        }
        if args.inputs.iter().any(|given| given.is_dir()) {
            show_known(project.known()?, &counted)?;
        }
    }
    Ok(match counted.failed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(FINDS),
    })
}

fn show(replayed: &Replayed<'_>) -> Result<()> {
    let Replayed { path, target, .. } = replayed;
    match &replayed.verdict {
        Verdict::Pass => outln!("pass      {path}"),
        Verdict::Rejected { why } => outln!("rejected  {path}: {why}"),
        Verdict::NotJudged { feature } => outln!("not judged: {feature}  {path}"),
        Verdict::Known { violation, .. } => outln!("known     {path}: {}", violation.check),
        Verdict::Error { message } => outln!("error     {path}: {message}"),
        Verdict::Fail(violation) => {
            let check = &violation.check;
            outln!("FAIL      {path}\n  target: {target}\n  check: {check}");
            outln!("  {}", violation.to_string().replace('\n', "\n  "));
        }
    }
    if let Some(Case { words, rust }) = &replayed.sound_case {
        outln!("  case: {words}\n  as Rust:");
        for line in rust.lines() {
            outln!("    {line}");
        }
    }
    Ok(())
}

/// How often each known finding was met; that one was not is worth a look at the list.
fn show_known(list: &[Known], counted: &Verdicts) -> Result<()> {
    for (nth, known) in list.iter().enumerate() {
        match counted.known.get(&nth) {
            None => outln!("NO LONGER HAPPENS here: {known}"),
            Some(0) => outln!("known, behind others: {known}"),
            Some(count) => outln!("known: {count} of {known}"),
        }
    }
    Ok(())
}

fn collect<'a>(args: &Replay, project: &'a Project) -> Result<Vec<(&'a str, PathBuf)>> {
    let mut inputs = Vec::new();
    for given in &args.inputs {
        let files = match given.metadata() {
            Err(error) => bail!("{}: {error}", given.display()),
            Ok(kind) if kind.is_dir() => files_in(given)?,
            Ok(kind) if kind.is_file() => vec![given.clone()],
            Ok(_) => bail!("{} is neither a file nor a folder", given.display()),
        };
        let target = match &args.target {
            Some(name) => &project.target(name)?.name,
            None => target_in_path(given, project)?,
        };
        if files.is_empty() {
            bail!("{} has no files to replay", given.display());
        }
        inputs.extend(files.into_iter().map(|file| (target, file)));
    }
    Ok(inputs)
}

/// The target that a path names.
fn target_in_path<'a>(path: &Path, project: &'a Project) -> Result<&'a str> {
    let fuzzed = names(project.fuzzed()?).join("|");
    let all: Vec<&TargetInfo> = project.targets()?.iter().collect();
    let target = target_of(path, &all)?.with_context(|| {
        let path = path.display();
        format!("{path}: no folder in this path is named like a target; add --target {fuzzed}")
    })?;
    Ok(&target.name)
}
