//! Random recipes of images. Every check of `fuzz_measure_image` holds for them, with every probe: scanner, model
//! and the recipe's own statement agree. The recipes reach every knob and nearly every message of the scanners.
//!
//! Whether QEMU agrees is the matter of `cargo images differential` and of the tests in `tools/images`.

mod qcow2;
mod random;
mod reach;
mod vhd;
mod vhdx;
mod vmdk;

use std::num::NonZeroU64;

use built_in::fuzz_measure_image;
use fastrand::Rng;
use harness_core::subject::ScanFormat::{Qcow2, Vmdk};
use harness_core::subject::{ScanErrorKind, ScanFormat};
use model::readings::Readings;
use random::{Bytes, random_recipe};
use reach::Reach;
use recipes::truth::Truth;
use recipes::{LENGTH, Recipe, at};
use sparse::SparseImage;
use testing::scan::{answer, callers_mistakes, every_read_fails, reads};
use types::{AllocationSummary, ScanError};

/// How many recipes of each format, half of them damaged.
const RECIPES: u64 = 40_000;

/// A recipe whose image is not damaged, and what is known of it.
struct Sound<'a> {
    recipe: &'a Recipe,
    image: &'a SparseImage,
    truth: &'a Truth,
    answer: Result<AllocationSummary, ScanErrorKind>,
    /// How many bytes of the file the device has not.
    cut: u64,
}

/// Judges random recipes of a format, which `prepare` may change. `note` notes the knobs of sound ones. The scanner
/// must give at least so many different error messages: a change that makes recipes miss some shows here.
fn explore(
    format: ScanFormat,
    messages: usize,
    prepare: fn(&mut Bytes, &mut Rng),
    note: fn(&Sound<'_>, &mut Reach),
) -> Reach {
    let mut random = Rng::with_seed(4);
    let mut reach = Reach::default();
    for nth in 0..RECIPES {
        let mut bytes = random_recipe(&mut random, format, nth / 9 % 2 == 0);
        // Every probe from 1 to 9, with any argument.
        bytes[at::PROBE] = (1 + nth % 9) as u8;
        bytes[at::PROBE_ARGUMENT..][..2].copy_from_slice(&random.u16(..).to_le_bytes());
        prepare(&mut bytes, &mut random);
        fuzz_measure_image(&bytes);

        let recipe = decode(&bytes);
        let built = recipe.build();
        let length = built.image.capacity();
        let built = built.on_device(&recipe.conditions);
        let answer = scan(&recipe, &built.image);
        if nth % 4 == 0 {
            // Whatever the image is, every reading has an answer, and ours is among them.
            let readings = Readings::of(format, &built.image, recipe.unit);
            let is_there = match &answer {
                Ok(answer) => readings.answers.contains(answer),
                Err(_) => readings.may_be_refused,
            };
            assert!(is_there, "{answer:?}: {readings:?}");
        }
        match answer {
            Ok(_) => reach.note("kind of answer", "a summary"),
            Err(error) => {
                reach.note("kind of answer", ScanErrorKind::from(error));
                reach.note("message", error);
            }
        }
        let Some(truth) = built.truth.as_ref() else {
            continue;
        };
        let answer = answer.map_err(ScanErrorKind::from);
        match answer {
            _ if truth.answer(None).is_none() => reach.note("answer", "several reasons"),
            Ok(summary) => {
                reach.note("data", summary.allocated_bytes != 0);
                let exact = truth.own_size.map(|own| own.at_least == own.at_most);
                reach.note("own size is exact", exact);
            }
            Err(kind) => reach.note("answer", kind),
        }
        let sound = Sound {
            recipe: &recipe,
            image: &built.image,
            truth,
            answer,
            cut: length.saturating_sub(built.image.capacity()),
        };
        note(&sound, &mut reach);
    }
    reach.conclude();
    for kind in [
        ScanErrorKind::Corrupt,
        ScanErrorKind::Unsupported,
        ScanErrorKind::NotThisFormat,
    ] {
        assert!(reach.count("kind of answer", kind) > 100, "{kind:?}");
        assert!(reach.count("answer", kind) > 20, "{kind:?}");
    }
    assert!(reach.count("data", true) > RECIPES / 8 && reach.count("data", false) > 0);
    assert!(reach.count("own size is exact", Some(true)) > 500);
    let seen = reach.values("message");
    assert!(seen >= messages, "only {seen} messages of {format:?}");
    reach
}

/// The scanner's answer, with sectors as large as the recipe's device has.
fn scan(recipe: &Recipe, image: &SparseImage) -> Result<AllocationSummary, ScanError> {
    let unit = recipe.unit.map(NonZeroU64::get);
    let size = recipe.conditions.sector_size;
    answer(recipe.format, image, unit, &[size])
}

fn decode(bytes: &[u8]) -> Recipe {
    Recipe::decode(bytes).expect("a recipe of version 0")
}

/// A recipe of zeros but for its format and these bytes.
fn zeros_but(format: ScanFormat, changes: &[(usize, u8)]) -> Recipe {
    let mut bytes = [0; LENGTH];
    bytes[at::FORMAT] = format as u8;
    for &(at, byte) in changes {
        bytes[at] = byte;
    }
    decode(&bytes)
}

#[test]
fn a_recipe_of_zeros_is_the_smallest_disk_of_its_format() {
    for (format, virtual_size, file) in
        [(ScanFormat::Vmdk, 65536, 65536), (ScanFormat::Vhd, 0, 2048)]
    {
        let recipe = zeros_but(format, &[]);
        let built = recipe.build();
        assert_eq!(built.image.capacity(), file, "{format:?}");
        let summary = AllocationSummary::new(virtual_size, 0);
        assert_eq!(scan(&recipe, &built.image), Ok(summary), "{format:?}");
    }
}

const OVERDRAWN: ScanError =
    ScanError::Corrupt("the tables named add up to more sectors than the image has");

/// Many entries of a directory name one table. Tables that fill the image are taken, and one more is not.
#[test]
fn tables_may_fill_the_image_and_no_more() {
    // The largest disk that a recipe makes, with data in its first unit.
    let large = [(at::SIZE_MODE, 63), (at::SIZE, 63), (15, 0xf0), (58, 1)];
    // Clusters of 512 bytes, and a gap in front of the data.
    let small_clusters = vec![(24, 1), (37, 0xaf), (38, 8)];
    // Data in the last 31 grains too, with gaps.
    let far_grains = vec![(31, 0xf0), (60, 30), (61, 0x40), (62, 31)];
    // The knob; a unit in bytes, the sectors of a table, and units and tables that are named once.
    for (format, changes, (knob, first), (unit, table, units, tables)) in [
        (Qcow2, small_clusters, (187, 0xa8), (512, 1, 0, 0)),
        (Vmdk, far_grains, (178, 0xd0), (65536, 4, 31, 1)),
    ] {
        let mut just_fit = 0;
        for nth in 0..16 {
            let recipe = [&large[..], &changes, &[(knob, first + nth)]].concat();
            let recipe = zeros_but(format, &recipe);
            let bytes: Vec<u8> = (0..LENGTH).map(|at| recipe.bytes().u8(at)).collect();
            fuzz_measure_image(&bytes);
            let image = recipe.build().image;
            let fit = image.capacity().div_ceil(512) / table;
            let named = scan(&recipe, &image).map(|it| it.allocated_bytes / unit - units + tables);
            match named {
                Ok(named) if just_fit == 0 && named < fit => {}
                Ok(named) if just_fit == 0 && named == fit && nth < 15 => just_fit = named,
                other => assert_eq!(other, Err(OVERDRAWN), "{nth}"),
            }
        }
        assert!(just_fit > 1000, "{format:?}: {just_fit}");
    }
}

/// A read that fails is an I/O error, and then a scan with the same state answers.
#[test]
fn every_read_of_sound_images_may_fail() {
    let mut random = Rng::with_seed(5);
    for format in ScanFormat::ALL {
        let (mut images, mut repeated) = (0, 0);
        while repeated < 2000 {
            let recipe = decode(&random_recipe(&mut random, format, false));
            let image = recipe.build().image;
            if reads(format, &image) < 300 && scan(&recipe, &image).is_ok() {
                callers_mistakes(format, &image);
                repeated += every_read_fails(format, &image);
                images += 1;
            }
        }
        println!("{format:?}: {images} images, {repeated} scans after a read that failed");
        assert!(images > 20, "{format:?}: {images}");
    }
}
