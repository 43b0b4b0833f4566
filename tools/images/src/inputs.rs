//! Inputs of the targets in files, folders and zips, and the images behind them.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use cli::inputs;
use harness_core::subject::ScanFormat;
use harness_core::{TARGETS, Target, targets};
use recipes::Recipe;
use recipes::truth::Truth;
use sparse::SparseImage;

use super::shown;

/// The target whose inputs are recipes.
pub(crate) const RECIPES: &str = "fuzz_measure_image";

/// An input of a target.
#[derive(Debug, Clone)]
pub(crate) struct Input {
    /// Its file's name, or its name in a zip.
    pub name: String,
    pub target: &'static Target,
    pub bytes: Vec<u8>,
}

/// The image behind an input.
pub(crate) struct Image {
    /// Its format, unless the input leaves that open.
    pub format: Option<ScanFormat>,
    /// The file, as the device has it.
    pub image: SparseImage,
    /// The recipe that it was made from.
    pub recipe: Option<Recipe>,
    /// What is true of it by its making; `None` when only a scan shows that.
    pub truth: Option<Truth>,
}

/// The image behind an input; `None` when it has none.
pub(crate) fn image(target: &Target, bytes: &[u8]) -> Option<Image> {
    let (format, image) = target.image(bytes)?;
    let recipe = Recipe::decode(bytes).ok();
    let recipe = recipe.filter(|_| target.name == RECIPES);
    let truth = |recipe: &Recipe| recipe.build().on_device(&recipe.conditions).truth;
    Some(Image {
        format,
        image,
        truth: recipe.as_ref().and_then(truth),
        recipe,
    })
}

/// The inputs that are files, or in folders or zips, each once. The path names the target when `target` does not. In a
/// folder, documents (`.md`, `.toml`) are left out. Fails when a file cannot be read, there is no input, or nothing
/// names the target of one.
pub(crate) fn collect(paths: &[PathBuf], target: Option<&'static Target>) -> Result<Vec<Input>> {
    let mut all = Vec::new();
    let mut seen = BTreeSet::new();
    for path in paths {
        for file in inputs::files(path)? {
            let extension = file.extension().unwrap_or_default();
            if path.is_dir() && (extension == "md" || extension == "toml") {
                continue;
            }
            let named = inputs::target_of(&file, TARGETS.iter().map(|target| target.name))?;
            let target = target.or_else(|| targets::find(named?)).with_context(|| {
                let file = shown(&file);
                format!("{file}: no folder in this path is named like a target; add --target NAME")
            })?;
            for (name, bytes) in inputs::read(&file)? {
                if seen.insert((target.name, bytes.clone())) {
                    all.push(Input {
                        name,
                        target,
                        bytes,
                    });
                }
            }
        }
    }
    ensure!(!all.is_empty(), "there are no inputs");
    Ok(all)
}
