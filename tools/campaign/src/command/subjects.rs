//! `campaign subjects`: all seeds and shipped corpora on other libraries, as a table.

use std::collections::BTreeSet;
use std::fs;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use cli::output::{from_here, outln};
use report::markdown::table;
use serde_json::Value;
use worker::target::{SOUND_REFUSED, UNSOUND_TAKEN};

use super::FINDS;
use crate::corpora::candidates::Candidates;
use crate::corpus::{Store, files_in};
use crate::progress::Progress;
use crate::project::Project;
use crate::replay::{NO_ABORT, NO_HANG, NO_PANIC, Replayer, Verdict, Verdicts};

/// Replay all seeds and shipped corpora on the libraries in subjects/, and print a table.
///
/// A subject is a project with a known.toml. The example is left out: it has its mistakes on purpose. Inputs of formats
/// that a library does not have are left out. Those that fail are in target/subjects.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes:
  0  no library has a finding that its known.toml does not list
  1  something could not be done
  2  the command line is wrong
  3  there are such findings

Examples:
  cargo campaign subjects
  cargo campaign subjects imago qcow2-core --json")]
pub(super) struct Subjects {
    /// The subjects; all when none is named.
    names: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The check on memory.
const MEMORY: &str = "subject.memory";

/// The column that decides the exit code.
const NEW: &str = "new";

/// Each column's name, and what it has.
type Row = Vec<(&'static str, Value)>;

pub(super) fn run(args: &Subjects, project: &Project) -> Result<ExitCode> {
    let folder = project.root().join("subjects");
    let mut names = args.names.clone();
    if names.is_empty() {
        let entries = fs::read_dir(&folder).context("the project has no subjects")?;
        let entries = entries.collect::<Result<Vec<_>, _>>()?.into_iter();
        let entries = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.extend(entries.filter(|name| name != "example"));
        names.retain(|name| folder.join(name).join("known.toml").is_file());
        names.sort();
    }
    let mut rows = Vec::new();
    for name in &names {
        let subject = folder.join(name);
        let is_there = subject.join("known.toml").is_file();
        ensure!(is_there, "no subject {name:?}; see subjects/README.md");
        rows.push(row(name, &Project::open(Some(&subject))?, project)?);
    }
    if args.json {
        let rows: Vec<Value> = rows.iter().cloned().map(Value::from_iter).collect();
        outln!("{}", serde_json::to_string_pretty(&rows)?);
    } else {
        let columns = rows.first().into_iter().flatten();
        let mut cells = vec![columns.map(|(name, _)| (*name).to_owned()).collect()];
        let text = |(_, value): &(_, Value)| value.to_string().replace('"', "");
        cells.extend(rows.iter().map(|row| row.iter().map(text).collect()));
        outln!("{}", table(&cells, 2).trim_end());
    }
    let has_new = rows
        .iter()
        .flatten()
        .any(|(name, value)| *name == NEW && *value != 0);
    Ok(ExitCode::from(if has_new { FINDS } else { 0 }))
}

/// Replays everything on a subject; what is wrong goes to standard error at once.
fn row(name: &str, subject: &Project, ours: &Project) -> Result<Row> {
    let progress = Progress::new();
    let targets = subject.fuzzed()?;
    let mut candidates = Candidates::default();
    for corpus in ["corpus/seeds", "corpus/shipped"] {
        candidates.add_from(&ours.root().join(corpus), &targets)?;
    }
    let mut replayer = Replayer::new(subject.worker()?.to_owned());
    let code = subject.code_under_test()?;
    let code: Vec<&str> = code
        .iter()
        .map(|code| code.name().trim_end_matches('/'))
        .collect();
    let mut formats = BTreeSet::new();
    let mut verdicts = Verdicts::default();
    for (target, inputs) in &candidates.inputs {
        let store = Store::open(&ours.root().join("target/subjects").join(target))?;
        let what = format!("{name}, {target}");
        let line = progress.counted(&what, "inputs", inputs.len() as u64);
        for input in inputs.values() {
            let (path, _) = store.add(input)?;
            let verdict = replayer.verdict(target, &path)?;
            verdicts.add(&verdict);
            if let Verdict::Fail(violation) = &verdict {
                let shown = from_here(&path).display();
                progress.say(&format!("{name}: {shown} fails {}", violation.check));
            }
            if verdict == Verdict::Pass {
                let described = replayer.describe(target, &path)?;
                formats.extend(described.ok().and_then(|of| of.description.part.format));
            }
            line.step();
        }
        line.done(&progress);
    }
    let (mut values, mut panics, mut ends, mut memory, mut gone) = (0, 0, 0, 0, 0);
    for (nth, known) in subject.known()?.iter().enumerate() {
        let count = verdicts.known.get(&nth).copied();
        *match &*known.check {
            NO_PANIC => &mut panics,
            NO_ABORT | NO_HANG => &mut ends,
            MEMORY => &mut memory,
            _ => &mut values,
        } += count.unwrap_or_default();
        if count.is_none() {
            gone += 1;
            progress.say(&format!("{name}: NO LONGER HAPPENS: {known}"));
        }
    }
    let (mut lines, mut blocks) = (0, 0);
    for file in files_in(&subject.root().join("subject/src"))? {
        let text = fs::read_to_string(file)?;
        let code = text.lines().map(str::trim);
        lines += code
            .filter(|line| !line.is_empty() && !line.starts_with("//"))
            .count();
        blocks += text.matches("unsafe {").count();
    }
    let not_judged = |feature| {
        verdicts
            .not_judged
            .get(feature)
            .copied()
            .unwrap_or_default()
    };
    let (refused, taken) = (not_judged(SOUND_REFUSED), not_judged(UNSOUND_TAKEN));
    let (unjudged, cases) = verdicts.unjudged();
    let numbers = [
        ("cases", cases),
        ("pass", verdicts.passed),
        ("known: wrong values", values),
        ("known: panics", panics),
        ("known: aborts, hangs", ends),
        ("known: memory", memory),
        ("known: no longer", gone),
        (NEW, verdicts.failed),
        ("not judged: sound refused", refused),
        ("not judged: unsound taken", taken),
        ("not judged: not supported", unjudged - refused - taken),
        ("adapter's lines", lines),
        ("unsafe blocks", blocks),
    ];
    let formats: Vec<String> = formats.into_iter().collect();
    let mut row = vec![
        ("library", code.join(", ").into()),
        ("formats", formats.join(", ").into()),
    ];
    row.extend(numbers.map(|(name, number)| (name, number.into())));
    Ok(row)
}
