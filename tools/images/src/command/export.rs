//! `images export`: the images behind inputs, as files with a list of the right answers.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use clap::builder::PossibleValuesParser;
use cli::content_name;
use cli::outln;
use harness_core::{TARGETS, targets};
use serde_json::json;

use super::recipe::as_json;
use crate::inputs;
use crate::{file, formats, quantity, shown};

/// The list's name.
const MANIFEST: &str = "manifest.jsonl";

/// Write the images behind inputs to files, with the right answers: a test suite for any tool
///
/// Takes inputs of every target that reads images: findings, folders of a corpus, zips. Each image becomes a sparse
/// file, named like its input with the format's extension. A line of JSON in manifest.jsonl states what the reference
/// model answers for it. Nothing is overwritten.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cargo images export corpus/shipped --into /tmp/suite
  cargo images export results/finds/fuzz_measure_image/afl/1f2e3d4c --into /tmp/find
  cargo images export --largest 64M fuzz_measure_scan_seed_corpus.zip --into /tmp/suite

Each line of manifest.jsonl:
  file             the image's file, in the same folder
  input, target    the input that it was made of
  format           qcow2, vmdk, vhd or vhdx; null where the file itself is to show it
  formats          then all formats that the file is of
  length           the file's length in bytes
  virtual-size     the disk's size in bytes, where the image is sound
  allocated-bytes  how many of these bytes the image's own tables place in the file
  error            why it is not sound: Corrupt, Unsupported or NotThisFormat
  known-by-making  whether the image was made to be so; else only the reference model states it

docs/known-differences.md lists where QEMU answers otherwise, and who is right.

Exit codes:
  0  the images are written; inputs without an image are counted
  1  an input cannot be read, no input has an image, or a file is there already
  2  the command line is wrong")]
pub(super) struct Export {
    /// The folder to write to; it is made
    #[arg(long, value_name = "FOLDER")]
    into: PathBuf,
    /// The target that the inputs are of; by default a folder of their path, or the zip's name, names it
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(TARGETS.iter().map(|target| target.name)))]
    target: Option<String>,
    /// Leave out images whose file would be longer than this
    #[arg(long, value_name = "SIZE", default_value = "1T", value_parser = quantity::parse)]
    largest: u64,
    /// Files, folders and zips of inputs
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
}

pub(super) fn run(args: &Export) -> Result<ExitCode> {
    let inputs = inputs::collect(&args.inputs, args.target.as_deref().and_then(targets::find))?;
    let (mut length, mut stored, mut without, mut too_large) = (0, 0, 0, 0);
    let mut chosen = Vec::new();
    // An image is made twice and never kept: all of them together may not fit the memory.
    for input in &inputs {
        match input.target.image(&input.bytes) {
            None => without += 1,
            Some((_, image)) if image.capacity() > args.largest => too_large += 1,
            Some((_, image)) => {
                length += u128::from(image.capacity());
                let pieces = image.pieces(0, image.capacity());
                stored += pieces.map(|(_, piece)| piece.len()).sum::<usize>();
                chosen.push(input);
            }
        }
    }
    let count = chosen.len();
    let skipped = format!("{without} inputs have no image, {too_large} are longer than --largest");
    ensure!(count != 0, "nothing to export: {skipped}");
    eprintln!("{count} images of {length} bytes, {stored} of them no holes; {skipped}");

    let folder = &args.into;
    fs::create_dir_all(folder).with_context(|| shown(folder))?;
    let path = folder.join(MANIFEST);
    let mut manifest = fs::File::create_new(&path).with_context(|| shown(&path))?;
    let mut names = BTreeSet::new();
    for input in chosen {
        let made = inputs::image(input.target, &input.bytes).context("an image is gone")?;
        let format = made.format.map(|format| formats::of_scanner(format).name);
        let extension = format.unwrap_or("img");
        let mut name = format!("{}.{extension}", input.name.replace('/', "-"));
        if !names.insert(name.clone()) {
            // Another input has the name.
            name = format!("{}-{name}", &content_name(&input.bytes)[..16]);
        }
        file::write(&made.image, &folder.join(&name))?;
        let model = |format| as_json(model::scanners::scan(format, &made.image, None));
        let formats = || {
            let formats = model::detect::formats(&made.image);
            json!({ "formats": formats.iter().map(|format| format.name()).collect::<Vec<_>>() })
        };
        let mut line = made.format.map_or_else(formats, model);
        line["file"] = name.into();
        line["input"] = input.name.clone().into();
        line["target"] = input.target.name.into();
        line["format"] = format.into();
        line["length"] = made.image.capacity().into();
        let truth = made.truth.and_then(|truth| truth.answer(None));
        line["known-by-making"] = truth.is_some().into();
        writeln!(manifest, "{line}").with_context(|| shown(&path))?;
    }
    outln!("{count} images and {MANIFEST} in {}", shown(folder));
    Ok(ExitCode::SUCCESS)
}
