//! `images differential`: the model and the code under test against QEMU's own tools.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::builder::PossibleValuesParser;

use crate::differential::qemu::Qemu;
use crate::differential::{self, Plan};
use crate::formats;
use crate::inputs;
use cli::interrupt;
use cli::outln;
use cli::{FINDS, INTERRUPTED, parse_time};

/// Judge the model: random questions and images, put to it, to the code under test, and to QEMU's tools.
///
/// Calculators: disks with data at random places, and what qemu-img measure, create and convert make of
/// them. Scanners: images made from random recipes, undamaged and damaged, and what qemu-img info, map
/// and check and qemu-io read in them. Recipe, model, scanner and QEMU must agree, but for the known
/// differences, each of which has a reason and a test. What differs otherwise is made small, described
/// in words, and saved as an input of fuzz_measure_calc or fuzz_measure_image.
///
/// When a tool of QEMU's crashes or takes too long, the case is inconclusive.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes:
  0  all agree, or differ as is known
  1  QEMU's tools are missing, or not one case of some kind was conclusive
  2  the command line is wrong
  3  something differs as nobody knew
130  it was interrupted; the table has what was done until then

Examples:
  cargo images differential
  cargo images differential --cases 100 --formats qcow2,vhdx --seed 7
  cargo images differential --corpus corpus/shipped corpus/regressions
  cargo images differential --json --cores 4 > differential.json")]
pub(super) struct Differential {
    /// How many calculator questions and undamaged images must agree for each format, and how many damaged
    /// images must be conclusive; up to four times as many are drawn
    #[arg(long, value_name = "N", default_value = "1000")]
    cases: NonZeroU64,
    /// What the cases are drawn from: the same seed, the same cases
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Judge the images behind these inputs (files, folders, zips) instead of random cases
    #[arg(long, value_name = "PATH", num_args = 1.., conflicts_with_all = ["cases", "seed"])]
    corpus: Vec<PathBuf>,
    /// The formats
    #[arg(
        long,
        value_delimiter = ',',
        value_parser = PossibleValuesParser::new(formats::ALL.map(|format| format.name)),
        default_values_t = formats::ALL.map(|format| format.name.to_owned())
    )]
    formats: Vec<String>,
    /// How many cases run at once; by default as many as there are cores
    #[arg(long, value_name = "K")]
    cores: Option<NonZeroUsize>,
    /// How long a run of one of QEMU's tools may take
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_time)]
    limit: Duration,
    /// Leave differences as they were found, and do not make them small
    #[arg(long)]
    as_found: bool,
    /// Only print the known differences, with what decides each (docs/known-differences.md)
    #[arg(long)]
    known: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Where differences are saved; by default the project's corpus/regressions/
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(super) fn run(
    args: &Differential,
    project: impl FnOnce() -> Result<PathBuf>,
) -> Result<ExitCode> {
    if args.known {
        outln!("{}", differential::known::page().trim_end());
        return Ok(ExitCode::SUCCESS);
    }
    interrupt::stop_on_ctrl_c()?;
    let plan = Plan {
        cases: args.cases.get(),
        seed: args.seed,
        formats: formats::ALL
            .into_iter()
            .filter(|format| args.formats.iter().any(|name| name == format.name))
            .collect(),
        cores: args.cores.map_or_else(
            || std::thread::available_parallelism().map_or(1, usize::from),
            usize::from,
        ),
        qemu: Qemu::find(args.limit)?,
        corpus: match &*args.corpus {
            [] => Vec::new(),
            paths => inputs::collect(paths, None)?,
        },
        as_found: args.as_found,
        out: match &args.out {
            Some(out) => out.clone(),
            None => project()?.join("corpus/regressions"),
        },
    };
    let report = differential::run(&plan)?;
    if args.json {
        outln!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        outln!("{}", report.in_words().trim_end());
    }
    if report.differs() {
        return Ok(ExitCode::from(FINDS));
    }
    if report.interrupted {
        return Ok(ExitCode::from(INTERRUPTED));
    }
    let shortcomings = report.shortcomings();
    if !shortcomings.is_empty() {
        bail!("{}", shortcomings.join("; "));
    }
    Ok(ExitCode::SUCCESS)
}
