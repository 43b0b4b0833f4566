//! `lab mutants`: how many small changes of the code the shipped corpora notice.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};

use campaign::atomic::{read_json, write_json};
use campaign::project::Project;
use campaign::reasons::{List, Place};
use cli::outln;
use fs_err as fs;

use crate::mutants::{Fate, Record};
use crate::sources::Sources;

/// Score the shipped corpora by mutants: the small changes of the code that they notice
///
/// cargo-mutants changes the code under test in one place after the other; each change is built, and the
/// only test is the replay of what is checked in: seeds, shipped corpora, regressions. A mutant that no
/// input notices survives. Survivors are listed in tools/lab/mutants/survivors.toml, each with the reason why it is
/// equivalent, or why no target can reach it. An interrupted run is resumed, as long as
/// nothing has changed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes:
  0  at least 97 % of the viable mutants are caught, and the survivors are exactly those listed
  1  it is not, or they are not; or something could not be done
  2  the command line is wrong

Examples:
  cargo lab mutants --jobs 2            the code under test
  cargo lab mutants --retry             once more those that survived, after inputs were added
  cargo lab mutants --set harness       the decoders and the recipe writer: no score is asked for
  cargo lab mutants --set harness --sample 20
                                             every twentieth of them: there are thousands
  cargo lab mutants --score-only        what the last run found")]
pub(super) struct Mutants {
    /// What is changed.
    #[arg(long, value_enum, default_value_t = Set::Crates)]
    set: Set,
    /// Only every Nth mutant, from the first to the last file. The score is then an estimate, and survivors
    /// are held against the list no further than the sample goes. Its results are kept beside those of the whole.
    #[arg(long, value_name = "N")]
    sample: Option<NonZeroUsize>,
    /// How many are built and tested at once; each takes about one core.
    #[arg(long, value_name = "N", default_value = "2")]
    jobs: NonZeroUsize,
    /// Keep what was caught although something has changed since: only survivors are tested again.
    #[arg(long)]
    retry: bool,
    /// Run nothing: score what earlier runs found.
    #[arg(long)]
    score_only: bool,
}

/// What is changed by mutants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Set {
    /// The code under test.
    Crates,
    /// The harness's decoders, its mock device and its recipe writer.
    Harness,
}

/// What the fate of a mutant depends on.
const DEPENDS_ON: [&str; 7] = [
    ".cargo",
    "crates",
    "harness-core",
    "oracle",
    "subjects",
    "worker",
    "corpus",
];
/// The package and the name of the test.
const TEST: [&str; 4] = ["--package", "measure-fuzz-built-in", "--test", "shipped"];
/// How long cargo may take for one mutant, in seconds. The test has a clock of its own for each input.
const TIME_OUT: &str = "120";

/// The least score of the code under test, in percent.
const LEAST: usize = 97;

pub(super) fn run(args: &Mutants, project: &Project) -> Result<ExitCode> {
    let root = project.root();
    let set = suffix(args.set);
    let folder = root.join("target/mutants").join(match args.sample {
        None => format!("all{set}"),
        Some(nth) => format!("every-{nth}{set}"),
    });
    let kept = folder.join("record.json");
    let latest = folder.join("mutants.out/outcomes.json");
    let is_part = |name: &Path| DEPENDS_ON.iter().any(|folder| name.starts_with(folder));
    let now = Sources::read(root)?.digest_of(is_part);
    // A record that cannot be understood is as good as none.
    let mut record: Record = read_json(&kept).unwrap_or_default().unwrap_or_default();
    if !args.score_only {
        // An interrupted run has written, and was not taken over.
        if record.fingerprint == now || args.retry {
            record.take(&latest)?;
        } else {
            if !record.outcomes.is_empty() {
                eprintln!("something has changed since the last run: all mutants are tested again");
            }
            record = Record::default();
            if folder.exists() {
                fs::remove_dir_all(&folder)?;
            }
        }
        record.fingerprint.clone_from(&now);
        write_json(&kept, &record)?;
        baseline(root)?;
        test(args, root, &folder)?;
        record.take(&latest)?;
        let names = names(args, root)?;
        record.outcomes.retain(|name, _| names.contains(name));
        write_json(&kept, &record)?;
        let missing = names.len() - record.outcomes.len();
        ensure!(
            missing == 0,
            "{missing} of {} mutants were not tested: the next run resumes",
            names.len()
        );
    } else if record.fingerprint != now {
        eprintln!("something has changed since this was found");
    }
    ensure!(!record.outcomes.is_empty(), "no mutant was tested yet");
    score(args, root, &record)
}

/// The end of the names of a set's files.
const fn suffix(set: Set) -> &'static str {
    match set {
        Set::Crates => "",
        Set::Harness => "-harness",
    }
}

/// Without a change everything passes; otherwise every mutant would be caught.
fn baseline(root: &Path) -> Result<()> {
    let status = Command::new("cargo")
        .args(["test", "--quiet", "--profile", "mutants"])
        .args(TEST)
        .current_dir(root)
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "an input fails without any mutant");
    Ok(())
}

/// cargo-mutants, with what every call of it needs.
fn cargo_mutants(args: &Mutants, root: &Path) -> Command {
    let mut command = Command::new("cargo");
    command
        .args(["mutants", "--workspace", "--config"])
        .arg(format!(".cargo/mutants{}.toml", suffix(args.set)))
        .current_dir(root);
    if let Some(nth) = args.sample {
        command.args(["--sharding", "round-robin", "--shard", &format!("0/{nth}")]);
    }
    command
}

fn test(args: &Mutants, root: &Path, folder: &Path) -> Result<()> {
    let status = cargo_mutants(args, root)
        .args(["--baseline", "skip", "--iterate", "--timeout", TIME_OUT])
        .args(["--jobs", &args.jobs.to_string(), "--output"])
        .arg(folder)
        .status()
        .context("cannot run cargo mutants; scripts/setup --mutants installs it")?;
    // Its exit codes: 0 all caught, 2 some missed, 3 some timed out.
    match status.code() {
        Some(0 | 2 | 3) => Ok(()),
        _ => bail!("cargo mutants did not come to its end: {status}"),
    }
}

/// The names of all mutants that there are to test.
fn names(args: &Mutants, root: &Path) -> Result<BTreeSet<String>> {
    let output = cargo_mutants(args, root)
        .args(["--list", "--colors", "never"])
        .output()
        .context("cannot run cargo mutants")?;
    ensure!(
        output.status.success(),
        "cargo mutants cannot list mutants: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).context("names that are not UTF-8")?;
    Ok(text.lines().map(str::to_owned).collect())
}

fn score(args: &Mutants, root: &Path, record: &Record) -> Result<ExitCode> {
    let list = format!("tools/lab/mutants/survivors{}.toml", suffix(args.set));
    outln!("{}", table(record).trim_end());
    let outcomes = record.outcomes.iter();
    let survivors = outcomes.filter(|(_, (_, fate))| *fate == Fate::Missed);
    let allowlist = List::read(&root.join(&list))?;
    let mut places: Vec<Place> = Vec::new();
    let mut unlisted = 0;
    for (name, (mutant, _)) in survivors {
        let place = mutant.place(root)?;
        let reason = allowlist.reason(&place);
        unlisted += usize::from(reason.is_none());
        outln!(
            "survivor: {name} `{}`\n    {}",
            place.text,
            reason.unwrap_or("NOT LISTED")
        );
        places.push(place);
    }
    let stale = match args.sample {
        None => allowlist.stale(&places),
        // What is listed may be outside.
        Some(_) => Vec::new(),
    };
    for wrong in &stale {
        outln!("WRONG: {wrong}");
    }
    let count = |fate| record.count(None, fate);
    let unknown = count(Fate::Unknown);
    ensure!(unknown == 0, "the fate of {unknown} mutants is not known");
    let caught = count(Fate::Caught) + count(Fate::Timeout);
    let viable = caught + count(Fate::Missed);
    if args.set == Set::Crates {
        ensure!(
            caught * 100 >= viable * LEAST,
            "{caught} of {viable} viable mutants are caught, which is less than {LEAST} %"
        );
        ensure!(
            unlisted == 0 && stale.is_empty(),
            "{unlisted} survivors are not listed in {list}, {} entries are wrong",
            stale.len()
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// The counts and scores of each package and of all.
fn table(record: &Record) -> String {
    let outcomes = record.outcomes.values();
    let packages: BTreeSet<&str> = outcomes.map(|(mutant, _)| &*mutant.package).collect();
    let columns = "package | mutants | unviable | caught | of these hung | survived | score";
    let mut rows = vec![report::markdown::heading(columns)];
    for package in packages.into_iter().map(Some).chain([None]) {
        let count = |fate| record.count(package, fate);
        let (hung, missed) = (count(Fate::Timeout), count(Fate::Missed));
        let (caught, unviable) = (count(Fate::Caught) + hung, count(Fate::Unviable));
        let counts = [caught + missed + unviable, unviable, caught, hung, missed];
        let mut row = vec![package.unwrap_or("all").to_owned()];
        row.extend(counts.map(|count| count.to_string()));
        row.push(percent(caught, caught + missed));
        rows.push(row);
    }
    report::markdown::table(&rows, 1)
}

/// With one digit after the point, rounded down.
fn percent(part: usize, of: usize) -> String {
    match (part * 1000).checked_div(of) {
        Some(tenths) => format!("{}.{} %", tenths / 10, tenths % 10),
        None => "–".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_is_never_rounded_up() {
        assert_eq!(percent(969, 1000), "96.9 %");
        assert_eq!(percent(9699, 10000), "96.9 %");
        assert_eq!(percent(5, 5), "100.0 %");
        assert_eq!(percent(0, 0), "–");
    }
}
