//! `images scan`: how much of an image holds data.

use std::ffi::OsString;
use std::num::NonZeroU64;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use shared::{MAX_SECTOR_SIZE, MIN_SECTOR_SIZE};

use crate::chain::notes;
use crate::formats;
use crate::layer::{self, Scanned};
use crate::output::{self, OutputFormat};
use crate::quantity;
use crate::shown;
use crate::source::Source;

/// Print how much of an image holds data
///
/// What counts is the image's own layer: bytes of the virtual disk for which its tables place data in
/// this file. Explicit zeroes are not data. Nothing but the image's tables is read. The text descriptor
/// of a VMDK counts with the extents beside it, as measure --help says.
///
/// The file need not store all of that data: a place may lie in a hole, as after
/// preallocation=metadata. A raw image has no tables, so that it holds what its file stores.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cargo images scan disk.qcow2
  cargo images scan --unit 2M --output json disk.vhdx
  cargo images scan -f vpc --sector-size 4k disk.img

The answer:
  format            raw, qcow2, vmdk, vpc or vhdx
  virtual-size      the disk's size in bytes
  allocated-bytes   the bytes of it that have data, by the image's tables
  stored-bytes      those of them that are no hole in the file (not with an external data file)
  touched-units     with --unit: how many units hold any data, by the tables
  sector-reads      how many sectors were read to find out
  measured          in JSON: own-layer, as always

Exit codes:
  0  there is an answer
  1  there is none
  2  the command line is not understood")]
pub(super) struct Scan {
    /// The format of FILE: raw, qcow2, vmdk, vpc (or vhd), vhdx; detected when it is not given
    #[arg(short, long, value_name = "FMT")]
    format: Option<String>,
    /// The size of the sectors that tables are read in: a power of two from 512 to 64k
    #[arg(
        long,
        value_name = "BYTES",
        default_value = "512",
        allow_hyphen_values = true
    )]
    sector_size: String,
    /// Count the units of this size that hold any data; takes suffixes, such as 64k or 2M
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true)]
    unit: Option<String>,
    /// How to print the answer: human or json
    #[arg(long, value_name = "OFMT", default_value = "human")]
    output: String,
    /// The image
    file: OsString,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Answer {
    format: &'static str,
    virtual_size: u64,
    allocated_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    stored_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    touched_units: Option<u64>,
    sector_reads: u64,
    measured: &'static str,
}

/// Scans, and prints the answer.
pub(super) fn run(args: &Scan) -> Result<ExitCode> {
    let output = OutputFormat::parse(&args.output)?;
    let format = args.format.as_deref().map(formats::parse);
    let format = format.transpose().context("-f")?;
    let sector_size = sector_size(&args.sector_size)?;
    let unit = args.unit.as_deref().map(unit).transpose()?;
    let source = Source::open(Path::new(&args.file), format)?;
    let scanned = source.scan(sector_size, unit)?;
    print(
        output,
        &Answer {
            format: source.format.qemu_name,
            virtual_size: scanned.summary.virtual_size,
            allocated_bytes: scanned.summary.allocated_bytes,
            stored_bytes: stored_bytes(&source, &scanned)?,
            touched_units: scanned.summary.touched.map(|touched| touched.count),
            sector_reads: scanned.sector_reads,
            measured: "own-layer",
        },
    )?;
    for note in notes(&(source, scanned), true)? {
        eprintln!("note: {note}");
    }
    Ok(ExitCode::SUCCESS)
}

/// How many bytes of the data in the tables this file stores: what is not a hole in it. None when the data is in
/// another file.
fn stored_bytes(source: &Source, scanned: &Scanned) -> Result<Option<u64>> {
    if scanned.tables.data_file_name(&source.image)?.is_some() {
        return Ok(None);
    }
    let size = scanned.summary.virtual_size;
    let stored = layer::stored(&source.image, size, &*scanned.tables, None);
    let stored = stored.with_context(|| shown(&source.image.path))?;
    Ok(Some(stored.allocated_bytes))
}

fn sector_size(text: &str) -> Result<u32> {
    let bytes = quantity::parse(text).with_context(|| format!("--sector-size {text:?}"))?;
    let is_possible = bytes.is_power_of_two()
        && (MIN_SECTOR_SIZE as u64..=MAX_SECTOR_SIZE as u64).contains(&bytes);
    if !is_possible {
        bail!(
            "--sector-size {text:?}: expected a power of two from {MIN_SECTOR_SIZE} to {MAX_SECTOR_SIZE}"
        );
    }
    Ok(u32::try_from(bytes)?)
}

fn unit(text: &str) -> Result<NonZeroU64> {
    let bytes = quantity::parse(text).with_context(|| format!("--unit {text:?}"))?;
    NonZeroU64::new(bytes).with_context(|| format!("--unit {text:?}: expected 1 byte or more"))
}

fn print(format: OutputFormat, answer: &Answer) -> Result<()> {
    let number = |number: u64| Some(number.to_string());
    let lines = [
        ("format", Some(answer.format.to_owned())),
        ("virtual-size", number(answer.virtual_size)),
        ("allocated-bytes", number(answer.allocated_bytes)),
        ("stored-bytes", answer.stored_bytes.and_then(number)),
        ("touched-units", answer.touched_units.and_then(number)),
        ("sector-reads", number(answer.sector_reads)),
    ];
    output::print(format, answer, &lines)
}
