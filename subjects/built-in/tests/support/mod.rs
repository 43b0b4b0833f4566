//! What the tests of recipes share: random recipes, scans, values that were reached, and QEMU.

#![allow(
    dead_code,
    unused_imports,
    unused_macros,
    reason = "not every test uses all of it"
)]

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::fs::{self, File};
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use built_in::SUBJECT;
use fastrand::Rng;
use harness_core::subject::{ScanErrorKind, ScanFormat, ScanRequest};
use harness_core::{MockDevice, Refusal};
use recipes::conditions::End;
use recipes::truth::Truth;
use recipes::{Built, LENGTH, Recipe, at};
use sparse::SparseImage;
use testing::map::Map;
use testing::qemu::output;
use types::{AllocationSummary, ScanError};

/// A recipe's bytes.
pub(crate) type Bytes = [u8; LENGTH];

/// A recipe of `format`, nearly plain or wholly random; without damage unless `damaged`.
pub(crate) fn random_recipe(random: &mut Rng, format: ScanFormat, damaged: bool) -> Bytes {
    let mut bytes = [0; LENGTH];
    let one_in = *random.choice(&[64, 24, 8, 2, 1]).expect("one of five");
    for byte in &mut bytes {
        if random.u64(..one_in) == 0 {
            *byte = random.u8(..);
        }
    }
    if one_in > 2 {
        // Data is what an image is about; most of it is plain.
        for run in 0..random.usize(..9) {
            let run = &mut bytes[at::RUNS + 4 * run..][..4];
            run.copy_from_slice(&random.u32(..).to_le_bytes());
            run[3] = match random.u8(..4) {
                0 => random.u8(..),
                1 => random.u8(..8),
                _ => 0,
            };
        }
        // Sizes of up to 2^15 units.
        bytes[at::SIZE_MODE] = random.u8(..16) << 2;
        bytes[at::SIZE..at::SIZE_TAIL].copy_from_slice(&random.u64(..).to_le_bytes());
        if random.bool() {
            bytes[at::SIZE_TAIL..][..4].copy_from_slice(&random.u32(..).to_le_bytes());
        }
        // What is rare stays rare.
        for byte in &mut bytes[at::RARE..] {
            if random.u8(..4) != 0 {
                *byte = 0;
            }
        }
    }
    if !damaged {
        for damage in bytes[at::DAMAGES..at::RARE].chunks_exact_mut(8) {
            damage[0] &= !3;
        }
        bytes[at::CHECKSUMS] = 0;
        bytes[at::END_MODE] = 0;
    }
    bytes[at::FORMAT] = format as u8;
    bytes
}

/// A recipe of zeros but for its format and these bytes.
pub(crate) fn zeros_but(format: ScanFormat, changes: &[(usize, u8)]) -> Recipe {
    let mut bytes = [0; LENGTH];
    bytes[at::FORMAT] = format as u8;
    for &(at, byte) in changes {
        bytes[at] = byte;
    }
    decode(&bytes)
}

/// Decodes a recipe.
pub(crate) fn decode(bytes: &[u8]) -> Recipe {
    Recipe::decode(bytes).expect("a recipe of version 0")
}

/// The built-in scanner's answer on the recipe's device.
pub(crate) fn scan(
    recipe: &Recipe,
    image: &SparseImage,
    unit: Option<NonZeroU64>,
) -> Result<AllocationSummary, ScanError> {
    let size = recipe.conditions.sector_size;
    let mut device = MockDevice::new(size, recipe.conditions.index);
    device.set_sparse_input(image);
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
    let ours = |refusal: Refusal| refusal.error().expect("ours are the model's");
    answer.result.map_err(ours)
}

/// The truth of a recipe, when there is one and the device is as long as the file.
pub(crate) fn truth<'a>(recipe: &Recipe, built: &'a Built) -> Option<&'a Truth> {
    let whole = recipe.conditions.end == End::OfFile;
    built.truth.as_ref().filter(|_| whole)
}

/// The scanner's answer is the truth, counting units of `unit` bytes, and the format's calculator
/// relates to the file as the truth states. The scanner's answer.
pub(crate) fn assert_truth(
    recipe: &Recipe,
    built: &Built,
    unit: Option<NonZeroU64>,
) -> Result<AllocationSummary, ScanErrorKind> {
    let context = || format!("{}\n{:?}", recipe.in_words(), recipe_bytes(recipe));
    let answer = scan(recipe, &built.image, unit).map_err(ScanErrorKind::from);
    let truth = built.truth.as_ref().expect("it is not damaged");
    if let Some(expected) = truth.answer(unit) {
        assert_eq!(answer, expected, "{}", context());
    }
    if let Some(own_size) = truth.own_size.filter(|_| answer.is_ok()) {
        let own_unit = model::calculators::unit(&own_size.options, truth.virtual_size);
        let summary = truth.answer(NonZeroU64::new(own_unit));
        let summary = summary.expect("one answer").expect("accepted");
        let measured = SUBJECT.calculators.measure(&summary, &own_size.options);
        let required = measured
            .expect("the image's own options are legal")
            .required;
        assert!(
            (own_size.at_least..=own_size.at_most).contains(&required),
            "{required} is not in {own_size:?}: {}",
            context()
        );
    }
    answer
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
        let values = self.0.entry(knob).or_default();
        *values.entry(format!("{value:?}")).or_default() += 1;
    }

    /// A knob must have had so many values.
    #[track_caller]
    pub(crate) fn assert(&self, knob: &str, values: usize) {
        let seen = self.0.get(knob).map_or(0, BTreeMap::len);
        assert_eq!(seen, values, "values of {knob}: {:?}", self.0.get(knob));
    }

    /// A knob must have had these values, among others.
    #[track_caller]
    pub(crate) fn assert_all(&self, knob: &str, values: impl IntoIterator<Item = impl Debug>) {
        for value in values {
            assert!(self.count(knob, &value) > 0, "{knob} was never {value:?}");
        }
    }

    /// How often a value was seen.
    pub(crate) fn count(&self, knob: &str, value: impl Debug) -> u64 {
        let value = format!("{value:?}");
        let seen = self.0.get(knob).and_then(|values| values.get(&value));
        seen.copied().unwrap_or(0)
    }
}

/// Adds the value of fields of a struct, each under its own name.
macro_rules! note_fields {
    ($reach:expr, $of:expr, $($field:ident),+ $(,)?) => {
        $($reach.note(stringify!($field), &$of.$field);)+
    };
}
pub(crate) use note_fields;

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

/// Pieces of a disk: start and end in bytes.
type Extents = Vec<(u64, u64)>;

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

    /// Makes a file of `size` bytes beside the image, all of them a hole.
    pub(crate) fn create(&self, name: &str, size: u64) -> File {
        let file = File::create(self.folder.join(name)).expect("a file can be made");
        file.set_len(size).expect("a file can be sparse");
        file
    }

    /// Writes the image to a sparse file.
    pub(crate) fn write(&self, image: &SparseImage) {
        let file = self.create(IMAGE, image.capacity());
        for (at, piece) in image.pieces(0, u64::MAX) {
            file.write_all_at(piece, at).expect("it can be written");
        }
    }

    /// Runs a command of qemu-img on the image.
    pub(crate) fn run(&mut self, command: &[&str]) -> Ran {
        let tool = ["-k", "5", "20", "qemu-img"];
        let image = ["-f", self.format, IMAGE];
        let output = output(&self.folder, "timeout", &[&tool, command, &image].concat());
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        match output.status.code() {
            Some(0) => Ran::Well(printed),
            Some(127) => panic!("qemu-img cannot be run: install qemu-utils"),
            // 124 when it timed out, more when it was killed by a signal.
            Some(..124) => Ran::Refused(printed + &complaint),
            _ => {
                self.inconclusive += 1;
                Ran::Inconclusive
            }
        }
    }

    /// The virtual size that `info` prints; its complaint; or `None` when it was inconclusive.
    pub(crate) fn virtual_size(&mut self) -> Result<Option<u64>, String> {
        match self.run(&["info", "--output", "json"]) {
            Ran::Well(json) => {
                let size = json
                    .split_once("\n    \"virtual-size\": ")
                    .expect("info prints it");
                let end = size.1.find(',').expect("more follows");
                Ok(Some(size.1[..end].parse().expect("a number")))
            }
            Ran::Refused(complaint) => Err(complaint),
            Ran::Inconclusive => Ok(None),
        }
    }

    /// The disk's size and the extents that `map` calls data, neighbours made one; as start and end in
    /// bytes. Its complaint; or `None` when it was inconclusive.
    pub(crate) fn map(&mut self) -> Result<Option<(u64, Extents)>, String> {
        match self.run(&["map", "--output", "json"]) {
            Ran::Well(json) => {
                let map = Map::parse(&json);
                Ok(Some((map.size(), map.extents())))
            }
            Ran::Refused(complaint) => Err(complaint),
            Ran::Inconclusive => Ok(None),
        }
    }
}
