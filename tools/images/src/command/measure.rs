//! `images measure`: how large an image will be, with qemu-img's own interface.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail, ensure};
use measure::MeasureOutput;
use serde::Serialize;

use crate::chain::{Chain, notes};
use crate::format::FormatRef;
use crate::formats::{self, luks};
use crate::options::{self, Options};
use crate::output::{self, OutputFormat};
use crate::quantity;
use crate::shown;
use crate::source::Source;
use crate::target::Target;

/// Print how large an image will be, as `qemu-img measure` does
///
/// Answers for raw and qcow2 what qemu-img measure answers, and for vmdk, vpc and vhdx, which qemu-img
/// refuses, the size of the file that qemu-img convert writes. Data that is zeroes counts, though convert
/// skips it: then the size is a bound. Options and values have qemu-img's names and meaning; what
/// qemu-img create refuses is refused.
///
/// FILE is read as qemu-img reads it. Its tables place the data. In a raw image, a fixed VHD and a
/// qcow2 with preallocated metadata, a hole in the file holds no data. Backing files are followed; only
/// regular files are opened for that, never a protocol such as json: or nbd:.
///
/// The text descriptor of a VMDK is answered for the whole disk (monolithicFlat, monolithicSparse,
/// twoGbMaxExtentFlat, twoGbMaxExtentSparse, vmfs, custom). Its extents must be regular files in its own
/// folder, named without a path, and no links. Refused by name: devices, raw device maps, COWD, vmfsSparse
/// and seSparse, one extent of a split disk, and differencing VHD and VHDX.
///
/// On purpose unlike qemu-img: ZERO extents read as zeroes and RDONLY ones are read (it passes over both);
/// a blank line before an extent does not count it again; an extent that does not fit its file, or is not
/// understood, is an error; so is a text of 1 MiB or more.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cargo images measure --size 10G -O qcow2
  cargo images measure -O qcow2 -o cluster_size=2M,preallocation=metadata disk.raw
  cargo images measure -f vpc -O vhdx --output json disk.vhd
  cargo images measure --own-layer -O qcow2 overlay.qcow2
  cargo images measure -O vmdk -o help          what can be set for a format

Formats: raw, qcow2, vmdk, vpc (or vhd), vhdx.
SIZE is in bytes, or has one of the suffixes b, k, M, G, T, P, E: 64k, 1.5G.

With FILE, the JSON has a key that qemu-img's has not:
  measured          chain (FILE and all backing files) or own-layer

Exit codes:
  0  there is an answer
  1  there is none
  2  the command line is not understood")]
pub(super) struct Measure {
    /// How to print the answer: human or json
    #[arg(long, value_name = "OFMT", default_value = "human")]
    output: String,
    /// The format of FILE; detected when it is not given
    #[arg(short, long, value_name = "FMT")]
    format: Option<String>,
    /// The format to measure for
    #[arg(short = 'O', long, value_name = "FMT", default_value = "raw")]
    target_format: String,
    /// Options of the format to measure for; -o help lists them
    #[arg(
        short = 'o',
        long = "options",
        value_name = "OPT=VAL,...",
        allow_hyphen_values = true
    )]
    options: Vec<String>,
    /// A secret that encrypt.key-secret names: secret,id=ID,data=TEXT; it is not looked at
    #[arg(long, value_name = "OBJDEF")]
    object: Vec<String>,
    /// Measure for an empty disk of SIZE bytes
    #[arg(short, long, value_name = "SIZE", allow_hyphen_values = true)]
    size: Option<String>,
    /// Measure FILE without its backing file
    #[arg(long)]
    own_layer: bool,
    /// Taken for qemu-img's sake: images are opened for reading only, and never locked
    #[arg(short = 'U', long)]
    force_share: bool,
    /// Refused: FILE is a file's name
    #[arg(long)]
    image_opts: bool,
    /// Refused: only an image's active state is measured
    #[arg(short = 'l', long, value_name = "SNAPSHOT")]
    snapshot: Option<String>,
    /// Measure for a copy of this image
    #[arg(value_name = "FILE")]
    files: Vec<OsString>,
}

/// The keys are qemu-img's, and so is their order, but for the last one.
#[derive(Debug, Serialize)]
struct Answer {
    #[serde(skip_serializing_if = "Option::is_none")]
    bitmaps: Option<u64>,
    required: u64,
    #[serde(rename = "fully-allocated")]
    fully_allocated: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    measured: Option<&'static str>,
}

/// Measures, and prints the answer.
pub(super) fn run(args: &Measure) -> Result<ExitCode> {
    let output = OutputFormat::parse(&args.output)?;
    let format = formats::parse(&args.target_format).context("-O")?;
    if args.options.iter().any(|list| asks_for_help(list)) {
        print_options(format)?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.image_opts {
        bail!("--image-opts: an image is named by its file here, not by a block device's options");
    }
    if args.snapshot.is_some() {
        bail!("--snapshot: internal snapshots are not read here, only an image's active state");
    }
    let objects = args.object.iter();
    let secrets = objects
        .map(|object| luks::secret_id(object))
        .collect::<Result<Vec<_>>>()?;
    let options = Options::parse(&args.options, &options::specs(format.options))?;
    let target = format.driver.target(&options, &secrets)?;
    let (answer, file_notes) = match (&args.size, &args.files[..]) {
        (Some(_), [_, ..]) => bail!("--size and FILE do not go together"),
        (None, []) => bail!("either --size or FILE is needed"),
        (None, [_, _, ..]) => bail!("more than one FILE"),
        (Some(_), []) if args.format.is_some() => bail!("-f is the format of FILE: there is none"),
        (Some(_), []) if args.own_layer => bail!("--own-layer needs a FILE"),
        (Some(size), []) => (measure_size(&target, size)?, Vec::new()),
        (None, [file]) => {
            let format = args.format.as_deref().map(formats::parse);
            let format = format.transpose().context("-f")?;
            let source = Source::open(Path::new(file), format)?;
            measure_file(&target, source, args.own_layer)?
        }
    };
    print(output, &answer)?;
    let file_notes = file_notes.iter().map(String::as_str);
    for note in target.notes.iter().copied().chain(file_notes) {
        eprintln!("note: {note}");
    }
    Ok(ExitCode::SUCCESS)
}

fn measure_size(target: &Target, text: &str) -> Result<Answer> {
    let size = quantity::parse(text).with_context(|| format!("--size {text:?}"))?;
    ensure!(
        i64::try_from(size).is_ok(),
        "--size {text:?}: expected a number from 0 to {}",
        i64::MAX
    );
    Ok(Answer::new(target.measure_empty(size)?, None))
}

/// The answer, and the notes on it.
fn measure_file(target: &Target, source: Source, own_layer: bool) -> Result<(Answer, Vec<String>)> {
    let chain = if own_layer {
        Chain::own_layer(source)?
    } else {
        Chain::follow(source)?
    };
    let summary = chain.summary(target.unit(chain.virtual_size()))?;
    let mut answer = Answer::new(target.measure_copy(summary)?, bitmaps_size(target, &chain)?);
    answer.measured = Some(if own_layer { "own-layer" } else { "chain" });
    Ok((answer, notes(&chain.images[0], own_layer)?))
}

/// What the bitmaps of the image take in the target, where both have some.
fn bitmaps_size(target: &Target, chain: &Chain) -> Result<Option<u64>> {
    let (source, scanned) = &chain.images[0];
    let Some(cluster_size) = target.bitmap_cluster_size else {
        return Ok(None);
    };
    let size = scanned.tables.bitmaps_size(&source.image, cluster_size);
    size.with_context(|| shown(&source.image.path))
}

impl Answer {
    const fn new(output: MeasureOutput, bitmaps: Option<u64>) -> Self {
        Self {
            bitmaps,
            required: output.required,
            fully_allocated: output.fully_allocated,
            measured: None,
        }
    }
}

fn print(format: OutputFormat, answer: &Answer) -> Result<()> {
    let number = |number: u64| Some(number.to_string());
    let lines = [
        ("required size", number(answer.required)),
        ("fully allocated size", number(answer.fully_allocated)),
        ("bitmaps size", answer.bitmaps.and_then(number)),
    ];
    output::print(format, answer, &lines)
}

fn asks_for_help(list: &str) -> bool {
    list.split(',').any(|item| matches!(item, "help" | "?"))
}

fn print_options(format: FormatRef) -> Result<()> {
    let mut text = format!("Options of {format}:\n");
    for spec in options::specs(format.options) {
        text += &format!("  {:<24}{}\n", spec.name, spec.about);
    }
    output::write(text.as_bytes())
}
