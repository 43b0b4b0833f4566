//! What the tests of recipes share: random recipes, scans, knobs that were reached, and image files.

#![allow(dead_code, reason = "not every test uses all of it")]

use built_in::SUBJECT;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::fs::{self, File};
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use harness_core::MockDevice;
use harness_core::subject::{ScanErrorKind, ScanFormat, ScanRequest};
use recipes::conditions::End;
use recipes::truth::Truth;
use recipes::{Built, LENGTH, Recipe, at};
use sparse::SparseImage;
use testing::map::Map;
use testing::qemu::output;
use testing::random::Random;
use types::AllocationSummary;

/// A recipe of `format`, nearly plain or wholly random; without damage unless `damaged`.
pub(crate) fn random_recipe(
    random: &mut Random,
    format: ScanFormat,
    damaged: bool,
) -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    let one_in = random.pick(&[64, 24, 8, 2, 1]);
    for byte in &mut bytes {
        if random.below(one_in) == 0 {
            *byte = random.next() as u8;
        }
    }
    if one_in > 2 {
        // Data is what an image is about; most of it is plain.
        for run in 0..random.index(9) {
            let run = &mut bytes[at::RUNS + 4 * run..][..4];
            run.copy_from_slice(&(random.next() as u32).to_le_bytes());
            run[3] = match random.below(4) {
                0 => random.next() as u8,
                1 => random.below(8) as u8,
                _ => 0,
            };
        }
        // Sizes of up to 2^15 units.
        bytes[at::SIZE_MODE] = (random.below(16) as u8) << 2;
        bytes[at::SIZE..at::SIZE_TAIL].copy_from_slice(&random.next().to_le_bytes());
        if random.coin() {
            bytes[at::SIZE_TAIL..][..4].copy_from_slice(&(random.next() as u32).to_le_bytes());
        }
        // What is rare stays rare.
        for byte in &mut bytes[at::RARE..] {
            if random.below(4) != 0 {
                *byte = 0;
            }
        }
    }
    if !damaged {
        bytes[at::DAMAGES..at::RARE].fill(0);
        bytes[at::CHECKSUMS] = 0;
        bytes[at::END_MODE] = 0;
    }
    let format = ScanFormat::ALL.iter().position(|other| *other == format);
    bytes[at::FORMAT] = format.expect("it is one of all") as u8;
    bytes
}

/// Decodes a recipe.
pub(crate) fn decode(bytes: &[u8]) -> Recipe {
    Recipe::decode(bytes).expect("a recipe")
}

/// What the built-in scanner answers.
pub(crate) fn scan(
    recipe: &Recipe,
    built: &Built,
    unit: Option<NonZeroU64>,
) -> Result<AllocationSummary, ScanErrorKind> {
    let size = recipe.conditions.sector_size;
    let mut device = MockDevice::new(size, recipe.conditions.index);
    device.set_sparse_input(&built.image);
    let mut caches = [vec![0xa5; size as usize], vec![0x5a; size as usize]];
    let [first, second] = &mut caches;
    let answer = SUBJECT.scanner.scan(ScanRequest {
        format: recipe.format,
        calls: device.build_call_table(),
        device: device.index(),
        caches: [first, second],
        unit,
        twice: false,
    });
    assert_eq!(device.misuse(), None);
    answer.result.map_err(ScanErrorKind::from)
}

/// The truth of a recipe, when there is one and the device is as long as the file.
pub(crate) fn truth<'a>(recipe: &Recipe, built: &'a Built) -> Option<&'a Truth> {
    let whole = recipe.conditions.end == End::OfFile;
    built.truth.as_ref().filter(|_| whole)
}

/// The scanner's answer is the truth, counting units of `unit` bytes; and the format's calculator
/// stands to the file as the truth says.
pub(crate) fn assert_truth(recipe: &Recipe, built: &Built, unit: Option<NonZeroU64>) {
    let Some(truth) = truth(recipe, built) else {
        return;
    };
    if let Some(expected) = truth.answer(unit) {
        assert_eq!(
            scan(recipe, built, unit),
            expected,
            "{}\n{:?}",
            recipe.in_words(),
            recipe_bytes(recipe)
        );
    }
    if let Some(own_size) = truth.own_size {
        let unit = NonZeroU64::new(model::calculators::unit(
            &own_size.options,
            truth.virtual_size,
        ));
        let summary = truth.answer(unit).expect("one answer").expect("accepted");
        let measured = SUBJECT
            .calculators
            .measure(&summary, &own_size.options)
            .unwrap_or_else(|error| panic!("{error:?}: {}", recipe.in_words()));
        assert!(
            (own_size.at_least..=own_size.at_most).contains(&measured.required),
            "{} is not in {own_size:?}: {}",
            measured.required,
            recipe.in_words()
        );
    }
}

/// A recipe's bytes.
pub(crate) fn recipe_bytes(recipe: &Recipe) -> Vec<u8> {
    (0..LENGTH).map(|nth| recipe.bytes().u8(nth)).collect()
}

/// Values that were seen, by what they are of.
#[derive(Default)]
pub(crate) struct Reach(BTreeMap<&'static str, BTreeMap<String, u64>>);

impl Reach {
    /// Notes a value of a knob.
    pub(crate) fn note(&mut self, knob: &'static str, value: impl Debug) {
        *self
            .0
            .entry(knob)
            .or_default()
            .entry(format!("{value:?}"))
            .or_default() += 1;
    }

    /// A knob must have had so many values.
    #[track_caller]
    pub(crate) fn assert(&self, knob: &str, values: usize) {
        let seen = self.0.get(knob).map_or(0, BTreeMap::len);
        assert_eq!(seen, values, "values of {knob}: {:?}", self.0.get(knob));
    }

    /// How often a value was seen.
    pub(crate) fn count(&self, knob: &str, value: impl Debug) -> u64 {
        let value = format!("{value:?}");
        let seen = self.0.get(knob).and_then(|values| values.get(&value));
        seen.copied().unwrap_or(0)
    }
}

/// What became of a run of a tool.
#[derive(Debug)]
pub(crate) enum Ran {
    /// It succeeded, and printed this.
    Well(String),
    /// It complained.
    Refused(String),
    /// It crashed, or was still running after 20 seconds.
    Inconclusive,
}

/// qemu-img and a folder of its own, which is below the target folder.
pub(crate) struct Qemu {
    folder: PathBuf,
    format: &'static str,
    /// How many runs were inconclusive.
    pub(crate) inconclusive: u64,
}

const IMAGE: &str = "image";

impl Qemu {
    /// A folder of this name; `format` is the format in QEMU's words.
    pub(crate) fn new(name: &str, format: &'static str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&folder).expect("a folder can be made");
        Self {
            folder,
            format,
            inconclusive: 0,
        }
    }

    /// Writes the image to a sparse file.
    pub(crate) fn write(&self, image: &SparseImage) {
        let path = self.folder.join(IMAGE);
        let file = File::create(path).expect("the image's file can be made");
        for (at, piece) in image.pieces(0, u64::MAX) {
            file.write_all_at(piece, at).expect("it can be written");
        }
        file.set_len(image.capacity()).expect("it can be sparse");
    }

    /// Runs a command of qemu-img on the image.
    pub(crate) fn run(&mut self, command: &[&str]) -> Ran {
        let tool = ["-k", "5", "20", "qemu-img"];
        let image = ["-f", self.format, IMAGE];
        let output = output(&self.folder, "timeout", &[&tool, command, &image].concat());
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        match output.status.code() {
            Some(0) => Ran::Well(said),
            Some(127) => panic!("qemu-img cannot be run: install qemu-utils"),
            // 124 when it timed out, more when it was killed by a signal.
            Some(..124) => Ran::Refused(complaint),
            _ => {
                self.inconclusive += 1;
                Ran::Inconclusive
            }
        }
    }

    /// The virtual size that `info` tells.
    pub(crate) fn virtual_size(&mut self) -> Result<Option<u64>, String> {
        match self.run(&["info", "--output", "json"]) {
            Ran::Well(json) => {
                let size = json
                    .split_once("\n    \"virtual-size\": ")
                    .expect("info tells it");
                let end = size.1.find(',').expect("more follows");
                Ok(Some(size.1[..end].parse().expect("a number")))
            }
            Ran::Refused(complaint) => Err(complaint),
            Ran::Inconclusive => Ok(None),
        }
    }

    /// The extents that `map` calls data, neighbours made one; as start and end in bytes.
    pub(crate) fn data(&mut self) -> Result<Option<Vec<(u64, u64)>>, String> {
        match self.run(&["map", "--output", "json"]) {
            Ran::Well(json) => {
                let mut extents: Vec<(u64, u64)> = Vec::new();
                for extent in Map::parse(&json).data() {
                    let end = extent.start + extent.length;
                    match extents.last_mut() {
                        Some(last) if last.1 == extent.start => last.1 = end,
                        _ => extents.push((extent.start, end)),
                    }
                }
                Ok(Some(extents))
            }
            Ran::Refused(complaint) => Err(complaint),
            Ran::Inconclusive => Ok(None),
        }
    }
}
