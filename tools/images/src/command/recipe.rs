//! `images recipe`: what an input of `fuzz_measure_image` stands for.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow};
use harness_core::Describe as _;
use harness_core::image::ImageCase;
use harness_core::subject::ScanErrorKind;
use model;
use recipes::Recipe;
use serde::Serialize;
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
pub struct RecipeArgs {
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

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Answer {
    case: String,
    file: u64,
    recipe_says: Option<Held>,
    model_says: Held,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case", untagged)]
enum Held {
    Error {
        error: String,
    },
    #[serde(rename_all = "kebab-case")]
    Data {
        virtual_size: u64,
        allocated_bytes: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        touched_units: Option<u64>,
    },
}

impl From<Result<AllocationSummary, ScanErrorKind>> for Held {
    fn from(answer: Result<AllocationSummary, ScanErrorKind>) -> Self {
        match answer {
            Ok(summary) => Self::Data {
                virtual_size: summary.virtual_size,
                allocated_bytes: summary.allocated_bytes,
                touched_units: summary.touched.map(|touched| touched.count),
            },
            Err(kind) => Self::Error {
                error: format!("{kind:?}"),
            },
        }
    }
}

impl Held {
    fn in_words(&self) -> String {
        match self {
            Self::Error { error } => error.clone(),
            Self::Data {
                virtual_size,
                allocated_bytes,
                touched_units,
            } => {
                let units =
                    touched_units.map_or_else(String::new, |count| format!(" in {count} units"));
                format!("{allocated_bytes} of {virtual_size} bytes hold data{units}")
            }
        }
    }
}

/// Runs the command.
///
/// # Errors
/// When the file cannot be read or is no recipe, or the image cannot be written.
pub fn run(args: &RecipeArgs) -> Result<ExitCode> {
    let data = fs::read(&args.file).with_context(|| shown(&args.file))?;
    let refused = |why: &str| anyhow!("{}: {why}", shown(&args.file));
    let case = ImageCase::decode(&data).map_err(refused)?;
    let recipe = Recipe::decode(&data).map_err(refused)?;
    let built = recipe.build().on_device(&recipe.conditions);
    let image = built.image;
    if let Some(path) = &args.write_image {
        file::write(&image, path)?;
    }
    if args.write_image.is_some() && !args.describe && !args.json {
        return Ok(ExitCode::SUCCESS);
    }
    let recipe_says = built.truth.and_then(|truth| truth.answer(recipe.unit));
    let answer = Answer {
        case: case.in_words(),
        file: image.capacity(),
        recipe_says: recipe_says.map(Held::from),
        model_says: model::scanners::scan(recipe.format, &image, recipe.unit).into(),
    };
    if args.json {
        outln!("{}", serde_json::to_string_pretty(&answer)?);
    } else {
        let truth = answer.recipe_says.as_ref().map_or_else(
            || "nothing: the image is damaged or cut".to_owned(),
            Held::in_words,
        );
        outln!("case:        {}", answer.case);
        outln!("file:        {} bytes", answer.file);
        outln!("recipe says: {truth}");
        outln!("model says:  {}", answer.model_says.in_words());
    }
    Ok(ExitCode::SUCCESS)
}
