//! One image made from a recipe: what the recipe, the model, the scanner and qemu-img say of it.

use std::path::Path;

use built_in::BuiltIn;
use harness_core::device::MockDevice;
use harness_core::subject::{ScanErrorKind, ScanRequest, Scanner as _};
use recipes::truth::Truth;
use recipes::{Built, Recipe};
use shared::{AllocationSummary, ScanError};
use sparse::SparseImage;

use super::evidence::{AskedImage, ImageEvidence};
use super::known;
use super::qemu::{self, IMAGE, Inconclusive, Qemu};
use super::verdict::{Difference, Verdict, guarded};
use crate::{formats, sparse_file};

/// Makes the recipe's image in `folder` and compares what all say of it.
#[must_use]
pub fn judge(bytes: &[u8], qemu: &Qemu, folder: &Path) -> Verdict {
    try_judge(bytes, qemu, folder).unwrap_or_else(|Inconclusive(why)| Verdict::Inconclusive(why))
}

fn try_judge(bytes: &[u8], qemu: &Qemu, folder: &Path) -> Result<Verdict, Inconclusive> {
    let recipe = Recipe::decode(bytes).map_err(|why| Inconclusive(why.to_owned()))?;
    let Built { image, truth, .. } = match guarded(|| recipe.build().on_device(&recipe.conditions))
    {
        Ok(built) => built,
        Err(panic) => {
            return Ok(Verdict::differs(
                "the recipe cannot be made",
                format!("it panics: {panic:?}"),
            ));
        }
    };

    let model = model::scanners::scan(recipe.format, &image, recipe.unit);
    let ours = match guarded(|| scan(&recipe, &image)) {
        Ok(ours) => ours,
        Err(panic) => {
            return Ok(Verdict::differs(
                "the scanner panics",
                format!("it says {panic:?}"),
            ));
        }
    };
    if ours.map_err(ScanErrorKind::from) != model {
        return Ok(Verdict::differs(
            "scanner and model",
            format!("the scanner answers {ours:?}, the model {model:?}"),
        ));
    }
    if let Some(said) = truth.as_ref().and_then(|truth| truth.answer(recipe.unit))
        && said != model
    {
        return Ok(Verdict::differs(
            "recipe and model",
            format!("the recipe says {said:?}, scanner and model {ours:?}"),
        ));
    }

    sparse_file::write(&image, &folder.join(IMAGE))
        .map_err(|error| Inconclusive(format!("{error:#}")))?;
    let format = formats::of_scanner(recipe.format);
    let asked = AskedImage {
        recipe: &recipe,
        image: &image,
        truth: truth.as_ref(),
        qemu,
        folder,
    };
    let theirs = format.ask(&asked)?;
    let evidence = ImageEvidence {
        recipe: &recipe,
        image: &image,
        is_whole: truth.is_some(),
        ours,
        theirs: &theirs,
    };
    let difference = match compare(&evidence, truth.as_ref()) {
        Some(difference) => difference,
        None => {
            let is_taken = ours.is_ok() && theirs.disk.is_ok();
            let complaint = if is_taken {
                format.verify_content(&asked)?
            } else {
                None
            };
            match complaint {
                Some(words) => Difference {
                    signature: format!("{}: what QEMU reads", format.name()),
                    words,
                },
                None if ours.is_ok() => return Ok(Verdict::Agrees),
                None => return Ok(Verdict::Refused),
            }
        }
    };
    Ok(known::of_image(format, &evidence, qemu.major())
        .map_or(Verdict::Differs(difference), Verdict::Known))
}

/// Scans as a user of the scanner would.
fn scan(recipe: &Recipe, image: &SparseImage) -> Result<AllocationSummary, ScanError> {
    let sector = recipe.conditions.sector_size;
    let mut device = MockDevice::new(sector, recipe.conditions.index);
    device.set_sparse_input(image);
    let mut caches = [(); 2].map(|()| vec![0xee; sector as usize]);
    let [first, second] = &mut caches;
    BuiltIn
        .scan(ScanRequest {
            format: recipe.format,
            calls: device.build_call_table(),
            device: device.index(),
            caches: [first, second],
            unit: recipe.unit,
            twice: false,
        })
        .result
        .map_err(|refusal| refusal.error().expect("ours are the model's"))
}

/// What differs between our answer and QEMU's.
fn compare(evidence: &ImageEvidence<'_>, truth: Option<&Truth>) -> Option<Difference> {
    let ImageEvidence {
        recipe,
        ours,
        theirs,
        ..
    } = evidence;
    let name = recipe.format.name();
    let differs = |what: String, words: String| {
        Some(Difference {
            signature: format!("{name}: {what}"),
            words,
        })
    };
    let (ours, disk) = match (ours, &theirs.disk) {
        (Err(_), Err(_)) => return None,
        (Err(error), Ok(disk)) => {
            return differs(
                format!("we refuse ({error:?}), qemu-img does not"),
                format!("qemu-img sees {}", disk.in_words(recipe.unit)),
            );
        }
        (Ok(summary), Err(complaint)) => {
            return differs(
                format!(
                    "qemu-img refuses ({}), we do not",
                    without_numbers(complaint)
                ),
                format!("we answer {summary:?}; qemu-img says {complaint}"),
            );
        }
        (Ok(summary), Ok(disk)) => (summary, disk),
    };
    let both = || {
        format!(
            "we answer {ours:?}, qemu-img sees {}",
            disk.in_words(recipe.unit)
        )
    };
    if ours.virtual_size != disk.size {
        return differs("the disk's size".to_owned(), both());
    }
    if let Some(data) = &disk.data {
        if let Some(truth) = truth
            && truth.extents() != *data
        {
            return differs("where data is".to_owned(), both());
        }
        if ours.allocated_bytes != qemu::bytes_of(data) {
            return differs("how much data there is".to_owned(), both());
        }
        if let Some(units) = ours.touched
            && units.count != qemu::touched(data, units.unit)
        {
            return differs("how many units have data".to_owned(), both());
        }
    }
    theirs.check.as_ref().and_then(|complaint| {
        differs(
            "qemu-img check complains".to_owned(),
            format!("it says: {complaint}"),
        )
    })
}

/// A complaint without its numbers, which tell one case from another and not one kind.
fn without_numbers(complaint: &str) -> String {
    let mut kept = String::new();
    for word in complaint.split_whitespace() {
        if !kept.is_empty() {
            kept.push(' ');
        }
        if word.contains(|letter: char| letter.is_ascii_digit()) {
            kept.push('#');
        } else {
            kept.push_str(word);
        }
    }
    kept
}
