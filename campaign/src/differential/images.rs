//! One image made from a recipe: what the recipe, the model, the scanner and qemu-img say of it.

use std::num::NonZeroU64;
use std::path::Path;

use built_in::BuiltIn;
use harness_core::device::MockDevice;
use harness_core::subject::{ScanErrorKind, ScanFormat, ScanRequest, Scanner as _};
use recipes::conditions::End;
use recipes::truth::Truth;
use recipes::{Built, Recipe};
use shared::{AllocationSummary, ScanError};
use sparse::SparseImage;

use super::blocks;
use super::known::{self, ImageEvidence};
use super::qemu::{self, Inconclusive, Map, Piece, Qemu};
use super::verdict::{Difference, Verdict, guarded};
use crate::images::sparse_file;

/// What qemu-img says of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Theirs {
    /// The disk, or why it refuses the image.
    pub disk: Result<Disk, String>,
    /// What `qemu-img check` complains of, when it was asked.
    pub check: Option<String>,
}

/// A disk as qemu-img sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// Its size in bytes.
    pub size: u64,
    /// Its data in order, when QEMU tells what is data.
    pub data: Option<Vec<Piece>>,
}

/// Makes the recipe's image in `folder` and compares what all say of it.
#[must_use]
pub fn judge(bytes: &[u8], qemu: &Qemu, folder: &Path) -> Verdict {
    try_judge(bytes, qemu, folder).unwrap_or_else(|Inconclusive(why)| Verdict::Inconclusive(why))
}

fn try_judge(bytes: &[u8], qemu: &Qemu, folder: &Path) -> Result<Verdict, Inconclusive> {
    let recipe = Recipe::decode(bytes).map_err(|why| Inconclusive(why.to_owned()))?;
    let Built {
        mut image, truth, ..
    } = match guarded(|| recipe.build()) {
        Ok(built) => built,
        Err(panic) => {
            return Ok(Verdict::differs(
                "the recipe cannot be made",
                format!("it panics: {panic:?}"),
            ));
        }
    };
    image.set_capacity(recipe.conditions.capacity(image.capacity()));
    let truth = truth.filter(|_| recipe.conditions.end == End::OfFile);

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
    let theirs = ask(&recipe, &image, truth.as_ref(), qemu, folder)?;
    let evidence = ImageEvidence {
        recipe: &recipe,
        image: &image,
        is_whole: truth.is_some(),
        ours,
        theirs: &theirs,
    };
    let difference = match compare(&evidence, truth.as_ref()) {
        Some(difference) => difference,
        None => match verify_blocks(&evidence, truth.as_ref(), qemu, folder)? {
            Some(difference) => difference,
            None if ours.is_ok() => return Ok(Verdict::Agrees),
            None => return Ok(Verdict::Refused),
        },
    };
    Ok(known::of_image(&evidence, qemu.major())
        .map_or(Verdict::Differs(difference), Verdict::Known))
}

/// The image's file, in a case's folder.
const IMAGE: &str = "image";

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
}

/// Asks qemu-img.
fn ask(
    recipe: &Recipe,
    image: &SparseImage,
    truth: Option<&Truth>,
    qemu: &Qemu,
    folder: &Path,
) -> Result<Theirs, Inconclusive> {
    let mut check = None;
    let disk = match recipe.format {
        ScanFormat::Qcow2 => {
            make_data_file(image, folder)?;
            // The file itself is asked about, not what it is to lie upon.
            let opened = r#"json:{"driver":"qcow2","backing":null,"file":{"driver":"file","filename":"image"}}"#;
            let map = qemu.map(folder, &[opened])?;
            if truth.is_some_and(|truth| !truth.is_refused()) && map.is_ok() {
                let ended = qemu.img(folder, &["check", opened])?;
                if !ended.is_ok() {
                    check = Some(format!("{}{}", ended.stdout, ended.stderr));
                }
            }
            map.map(Disk::from)
        }
        ScanFormat::Vmdk => qemu.map(folder, &["-f", "vmdk", IMAGE])?.map(Disk::from),
        ScanFormat::Vhd => {
            let is_fixed = truth.is_none_or(|truth| truth.extents() == [(0, truth.virtual_size)]);
            qemu.map(folder, &["-f", "vpc", IMAGE])?.map(|map| Disk {
                size: map.size,
                // Of a fixed disk, map tells the holes of the file.
                data: (!is_fixed).then_some(map.data),
            })
        }
        ScanFormat::Vhdx => {
            let info = qemu.info(folder, &["-f", "vhdx", IMAGE])?;
            info.map(|size| Disk { size, data: None })
        }
    };
    Ok(Theirs { disk, check })
}

impl From<Map> for Disk {
    fn from(map: Map) -> Self {
        Self {
            size: map.size,
            data: Some(map.data),
        }
    }
}

/// Makes the external data file, when the header of a qcow2 image says that there is one.
fn make_data_file(image: &SparseImage, folder: &Path) -> Result<(), Inconclusive> {
    use recipes::qcow2::header::DATA_FILE;
    let mut features = [0; 8];
    image.read(72, &mut features);
    if features[7] & 4 == 0 {
        return Ok(());
    }
    std::fs::File::create(folder.join(DATA_FILE))
        .and_then(|file| file.set_len(1 << 30))
        .map_err(|error| Inconclusive(format!("{DATA_FILE}: {error}")))
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

impl Disk {
    fn in_words(&self, unit: Option<NonZeroU64>) -> String {
        let size = format!("a disk of {} bytes", self.size);
        let Some(data) = &self.data else {
            return size;
        };
        let units = unit.map_or_else(String::new, |unit| {
            format!(" in {} units", qemu::touched(data, unit.get()))
        });
        let few: Vec<_> = data.iter().take(4).collect();
        format!(
            "{size}, {} of which are data{units}: {few:?}{}",
            qemu::bytes_of(data),
            if data.len() > few.len() { " …" } else { "" }
        )
    }
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

/// Of a whole VHDX image, of which qemu-img says no more than its size: whether QEMU reads, in every
/// block that holds data, what the file has there, and zeroes elsewhere.
fn verify_blocks(
    evidence: &ImageEvidence<'_>,
    truth: Option<&Truth>,
    qemu: &Qemu,
    folder: &Path,
) -> Result<Option<Difference>, Inconclusive> {
    let (Some(truth), Ok(_), Ok(_)) = (truth, evidence.ours, &evidence.theirs.disk) else {
        return Ok(None);
    };
    if evidence.recipe.format != ScanFormat::Vhdx {
        return Ok(None);
    }
    let complaint = blocks::verify(evidence.image, truth, qemu, folder, IMAGE)?;
    Ok(complaint.map(|words| Difference {
        signature: "vhdx: what QEMU reads".to_owned(),
        words,
    }))
}
