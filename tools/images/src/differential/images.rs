//! The image behind one input: the answers of its recipe, the model, the scanner and qemu-img.

use std::path::Path;

use built_in::BuiltIn;
use harness_core::Target;
use harness_core::device::MockDevice;
use harness_core::subject::{ScanErrorKind, ScanFormat, ScanRequest, Scanner as _};
use model::readings::Readings;
use shared::{AllocationSummary, ScanError};

use super::evidence::{AskedImage, ImageEvidence};
use super::known;
use super::qemu::{self, IMAGE, Qemu};
use super::verdict::{Verdict, guarded};
use crate::inputs::{self, Image};
use crate::layer::Unit;
use crate::{file, formats};

/// Makes the image of an input in `folder` and compares all answers about it. An error is a verdict that comes early.
pub(super) fn judge(
    target: &Target,
    input: &[u8],
    qemu: &Qemu,
    folder: &Path,
) -> Result<Verdict, Verdict> {
    let made = guarded("the image cannot be made", || inputs::image(target, input))?;
    let no_image = || Verdict::Inconclusive("the input has no image of a known format".to_owned());
    let made = made.ok_or_else(no_image)?;
    let scanned = made.format.ok_or_else(no_image)?;
    let unit = made.recipe.as_ref().and_then(|recipe| recipe.unit);
    let model = model::scanners::scan(scanned, &made.image, unit);
    let ours = guarded("the scanner panics", || scan(scanned, &made, unit))?;
    if ours.map_err(ScanErrorKind::from) != model {
        let words = format!("the scanner answers {ours:?}, the model {model:?}");
        return Err(Verdict::differs("scanner and model", words));
    }
    let truth = made.truth.as_ref();
    if let Some(expected) = truth.and_then(|truth| truth.answer(unit))
        && expected != model
    {
        let words = format!("the recipe answers {expected:?}, scanner and model {ours:?}");
        return Err(Verdict::differs("recipe and model", words));
    }

    let written = file::write(&made.image, &folder.join(IMAGE));
    written.map_err(|error| Verdict::Inconclusive(format!("{error:#}")))?;
    let format = formats::of_scanner(scanned);
    let asked = AskedImage {
        recipe: made.recipe.as_ref(),
        format,
        image: &made.image,
        truth,
        qemu,
        folder,
    };
    let theirs = format.driver.ask(&asked)?;
    let evidence = ImageEvidence {
        asked: &asked,
        ours,
        theirs: &theirs,
    };
    let mut difference = compare(&evidence, unit);
    if difference.is_none() && ours.is_ok() && theirs.disk.is_ok() {
        let complaint = format.driver.verify_content(&asked)?;
        difference = complaint.map(|words| ("what QEMU reads".to_owned(), words));
    }
    Ok(match difference {
        None => ours.map_or(Verdict::Refused, |_| Verdict::Agrees),
        Some((what, words)) => known::of_image(&evidence, qemu.major).map_or_else(
            || Verdict::differs(format!("{}: {what}", format.name), &words),
            |id| match is_a_reading(&evidence, scanned, unit) {
                true => Verdict::Known(id),
                false => Verdict::differs(format!("{id} is no reading of the model"), &words),
            },
        ),
    })
}

/// Whether the model knows QEMU's answer: what a library gives as well is right then.
fn is_a_reading(evidence: &ImageEvidence<'_>, format: ScanFormat, unit: Unit) -> bool {
    let readings = Readings::of(format, evidence.asked.image, unit);
    let Ok(disk) = &evidence.theirs.disk else {
        return readings.may_be_refused;
    };
    let is_theirs = |ours: &AllocationSummary| {
        let data = disk.data.as_deref();
        let touched = |data| ours.touched.map(|units| qemu::touched(data, units.unit));
        ours.virtual_size == disk.size
            && data.is_none_or(|data| ours.allocated_bytes == qemu::bytes_of(data))
            && data.is_none_or(|data| ours.touched.map(|units| units.count) == touched(data))
    };
    readings.answers.iter().any(is_theirs)
}

/// Scans as a user of the scanner would.
fn scan(format: ScanFormat, made: &Image, unit: Unit) -> Result<AllocationSummary, ScanError> {
    let conditions = made.recipe.as_ref().map(|recipe| &recipe.conditions);
    let (sector, index) = conditions.map_or((512, 1), |on| (on.sector_size, on.index));
    let mut device = MockDevice::new(sector, index);
    device.set_sparse_input(&made.image);
    let mut caches = [(); 2].map(|()| vec![0xee; sector as usize]);
    let [first, second] = &mut caches;
    BuiltIn
        .scan(ScanRequest {
            format,
            calls: device.build_call_table(),
            device: device.index(),
            caches: [first, second],
            unit,
            twice: false,
        })
        .result
        .map_err(|refusal| refusal.error().expect("ours are the model's"))
}

/// What kind of difference there is between our answer and QEMU's, and the answers.
fn compare(evidence: &ImageEvidence<'_>, unit: Unit) -> Option<(String, String)> {
    let AskedImage { truth, .. } = evidence.asked;
    let (ours, disk) = match (evidence.ours, &evidence.theirs.disk) {
        (Err(_), Err(_)) => return None,
        (Err(error), Ok(disk)) => {
            let what = format!("we refuse ({error:?}), qemu-img does not");
            return Some((what, format!("qemu-img sees {}", disk.in_words(unit))));
        }
        (Ok(summary), Err(complaint)) => {
            let what = format!(
                "qemu-img refuses ({}), we do not",
                without_numbers(complaint)
            );
            return Some((
                what,
                format!("we answer {summary:?}; qemu-img complains: {complaint}"),
            ));
        }
        (Ok(summary), Ok(disk)) => (summary, disk),
    };
    let data = disk.data.as_ref();
    let what = if ours.virtual_size != disk.size {
        "the disk's size"
    } else if truth
        .zip(data)
        .is_some_and(|(truth, data)| truth.extents() != *data)
    {
        "where data is"
    } else if data.is_some_and(|data| ours.allocated_bytes != qemu::bytes_of(data)) {
        "how much data there is"
    } else if ours
        .touched
        .zip(data)
        .is_some_and(|(units, data)| units.count != qemu::touched(data, units.unit))
    {
        "how many units have data"
    } else {
        let complaint = evidence.theirs.check.as_ref()?;
        return Some(("qemu-img check complains".to_owned(), complaint.clone()));
    };
    let words = format!("we answer {ours:?}, qemu-img sees {}", disk.in_words(unit));
    Some((what.to_owned(), words))
}

/// A complaint without its numbers, which differ from case to case of one kind.
fn without_numbers(complaint: &str) -> String {
    let words = complaint.split_whitespace().map(|word| {
        let has_number = word.contains(|letter: char| letter.is_ascii_digit());
        if has_number { "#" } else { word }
    });
    words.collect::<Vec<_>>().join(" ")
}
