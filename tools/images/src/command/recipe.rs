//! `images recipe`: what an input of `fuzz_measure_image` stands for.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow};
use harness_core::Describe as _;
use harness_core::image::ImageCase;
use harness_core::subject::ScanErrorKind;
use serde_json::{Value, json};
use shared::AllocationSummary;

use crate::{file, shown};
use cli::outln;

/// Describe the image behind an input of fuzz_measure_image, and write it
///
/// A recipe of some dozens of bytes stands for an image file of any size. With --write-image it becomes
/// that file, sparse, so that a find can be opened with any other tool.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cargo images recipe results/finds/fuzz_measure_image/afl/1f2e3d4c
  cargo images recipe --write-image /tmp/find.vhdx FILE && qemu-img info /tmp/find.vhdx
  cargo images recipe --json FILE

The answer:
  case          the recipe in words: format, geometry, what is damaged, the device
  file          the size of the image in bytes, as the device has it
  recipe says   what is true of the image by its making; nothing when it is damaged or cut
  model says    what the reference model answers for it

Exit codes:
  0  there is an answer, or the image is written
  1  FILE is no recipe, or cannot be read
  2  the command line is not understood")]
pub(super) struct RecipeArgs {
    /// Describe the recipe as well when its image is written
    #[arg(long)]
    describe: bool,
    /// Write the image, as the device has it, to this new file
    #[arg(long, value_name = "OUT")]
    write_image: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// The recipe
    file: PathBuf,
}

pub(super) fn run(args: &RecipeArgs) -> Result<ExitCode> {
    let data = fs::read(&args.file).with_context(|| shown(&args.file))?;
    let refused = |why: &str| anyhow!("{}: {why}", shown(&args.file));
    let case = ImageCase::decode(&data).map_err(refused)?;
    let recipe = &case.recipe;
    let built = recipe.build().on_device(&recipe.conditions);
    let image = built.image;
    if let Some(path) = &args.write_image {
        file::write(&image, path)?;
    }
    if args.write_image.is_some() && !args.describe && !args.json {
        return Ok(ExitCode::SUCCESS);
    }
    let truth = built.truth.and_then(|truth| truth.answer(recipe.unit));
    let model = model::scanners::scan(recipe.format, &image, recipe.unit);
    if args.json {
        let answer = json!({
            "case": case.in_words(),
            "file": image.capacity(),
            "recipe-says": truth.map(as_json),
            "model-says": as_json(model),
        });
        outln!("{}", serde_json::to_string_pretty(&answer)?);
    } else {
        let truth = truth.map_or_else(
            || "nothing: the image is damaged or cut".to_owned(),
            in_words,
        );
        outln!("case:        {}", case.in_words());
        outln!("file:        {} bytes", image.capacity());
        outln!("recipe says: {truth}");
        outln!("model says:  {}", in_words(model));
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn as_json(answer: Result<AllocationSummary, ScanErrorKind>) -> Value {
    let summary = match answer {
        Ok(summary) => summary,
        Err(kind) => return json!({ "error": format!("{kind:?}") }),
    };
    let mut json = json!({
        "virtual-size": summary.virtual_size,
        "allocated-bytes": summary.allocated_bytes,
    });
    if let Some(touched) = summary.touched {
        json["touched-units"] = touched.count.into();
    }
    json
}

fn in_words(answer: Result<AllocationSummary, ScanErrorKind>) -> String {
    let summary = match answer {
        Ok(summary) => summary,
        Err(kind) => return format!("{kind:?}"),
    };
    let (bytes, size) = (summary.allocated_bytes, summary.virtual_size);
    let units = summary
        .touched
        .map(|touched| format!(" in {} units", touched.count));
    let units = units.unwrap_or_default();
    format!("{bytes} of {size} bytes hold data{units}")
}
