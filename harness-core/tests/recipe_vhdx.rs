//! Recipes of vhdx images: what they say of their images is true, by the scanner and by QEMU, and they
//! reach what they claim.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use harness_core::MockDevice;
use harness_core::recipe::conditions::End;
use harness_core::recipe::truth::Truth;
use harness_core::recipe::vhdx::geometry::{Boundary, Headers, Tables};
use harness_core::recipe::vhdx::oddity::Oddity;
use harness_core::recipe::vhdx::{Geometry, geometry};
use harness_core::recipe::{Built, LENGTH, Recipe, at};
use harness_core::sparse::SparseImage;
use harness_core::subject::{BUILT_IN, ScanErrorKind, ScanFormat, ScanRequest};
use shared::AllocationSummary;
use testing::qemu::{Folder, output};
use testing::random::Random;

const K: u64 = 1 << 10;
const M: u64 = 1 << 20;

/// A recipe's bytes.
type Bytes = [u8; LENGTH];

/// A vhdx recipe: its bytes go from nearly all plain to anything at all.
fn random_recipe(random: &mut Random) -> Bytes {
    let mut any = || random.next().to_le_bytes()[0];
    let mut bytes: Bytes = std::array::from_fn(|_| any());
    let how = random.index(8);
    let keep_one_in = [32, 16, 8, 4, 2, 2, 1, 1][how];
    for byte in &mut bytes {
        if random.below(keep_one_in) != 0 {
            *byte = 0;
        }
    }
    // Blocks are what it is about; most of them hold something that they may hold.
    for run in 0..random.index(9) {
        let run = at::RUNS + 4 * run;
        bytes[run..run + 4].copy_from_slice(&random.next().to_le_bytes()[..4]);
        if random.below(4) != 0 {
            bytes[run + 3] %= 8;
        }
    }
    if how != 7 {
        bytes[at::DAMAGES..at::RARE].fill(0);
        bytes[at::CHECKSUMS] = 0;
        bytes[at::END_MODE] = 0;
    }
    if random.coin() {
        bytes[at::RARE] = 0;
    }
    if random.coin() {
        let width = 1 + random.next().to_le_bytes()[0] % 13;
        bytes[at::SIZE_MODE] = width << 2;
        bytes[at::SIZE..at::SIZE + 8].copy_from_slice(&random.next().to_le_bytes());
    }
    bytes[at::FORMAT] = 3;
    bytes
}

fn decode(bytes: &Bytes) -> Recipe {
    let recipe = Recipe::decode(bytes).expect("a recipe");
    assert_eq!(recipe.format, ScanFormat::Vhdx);
    recipe
}

/// The truth of an undamaged recipe's image.
fn truth(built: &Built) -> &Truth {
    built.truth.as_ref().expect("no damage")
}

/// What the scanner answers.
fn scan(recipe: &Recipe, image: &SparseImage) -> Result<AllocationSummary, ScanErrorKind> {
    let size = recipe.conditions.sector_size;
    let mut device = MockDevice::new(size, recipe.conditions.index);
    device.set_sparse_input(image);
    let (mut first, mut second) = (vec![0xa5; size as usize], vec![0x5a; size as usize]);
    let answer = BUILT_IN.scanner.scan(ScanRequest {
        format: recipe.format,
        calls: device.build_call_table(),
        device: device.index(),
        caches: [&mut first, &mut second],
        unit: recipe.unit,
        twice: false,
    });
    assert_eq!(device.misuse(), None);
    answer.result.map_err(ScanErrorKind::from)
}

/// What a reader finds that knows no more than the specification and which region table counts.
struct Found {
    virtual_size: u64,
    block_size: u64,
    /// The disk's payload entries.
    entries: Vec<u64>,
    /// Those past its end that are not zero, among the first ones.
    past_the_end: Vec<u64>,
}

fn number(image: &SparseImage, at: u64, width: usize) -> u64 {
    let mut bytes = [0; 8];
    image.read(at, &mut bytes[..width]);
    u64::from_le_bytes(bytes)
}

impl Found {
    /// Reads an image that is in order.
    fn of(image: &SparseImage, geometry: &Geometry) -> Self {
        let table = match geometry.tables {
            Tables::FirstDamaged => 256 * K,
            _ => 192 * K,
        };
        let (mut bat, mut metadata) = ((0, 0), 0);
        for entry in 0..number(image, table + 8, 4) {
            let entry = table + 16 + 32 * entry;
            let start = number(image, entry + 16, 8);
            match (number(image, entry, 8), number(image, entry + 8, 8)) {
                (0x4200_f623_2dc2_7766, 0x084a_fd9b_5e11_649d) => {
                    bat = (start, number(image, entry + 24, 4));
                }
                (0x4b9a_4790_8b7c_a206, 0x6e88_0f05_5f57_feb8) => metadata = start,
                _ => {}
            }
        }
        let (mut virtual_size, mut block_size, mut sector) = (0, 0, 0);
        for entry in 0..number(image, metadata + 10, 2) {
            let entry = metadata + 32 + 32 * entry;
            let item = metadata + number(image, entry + 16, 4);
            match (number(image, entry, 8), number(image, entry + 8, 8)) {
                (0x4d43_fa36_caa1_6737, 0x6be7_44aa_f033_b6b3) => {
                    block_size = number(image, item, 4);
                }
                (0x4876_cd1b_2fa5_4224, 0xb8f4_3bd8_be5d_11b2) => {
                    virtual_size = number(image, item, 8);
                }
                (0x4709_a96f_8141_bf1d, 0x5fab_faa8_33f2_47ba) => {
                    sector = number(image, item, 4);
                }
                _ => {}
            }
        }
        let chunk = (sector << 23) / block_size + 1;
        let blocks = virtual_size.div_ceil(block_size);
        let mut found = Self {
            virtual_size,
            block_size,
            entries: Vec::new(),
            past_the_end: Vec::new(),
        };
        // Entries that are not zero are rare: only what the image keeps is looked at.
        found.entries.resize(usize::try_from(blocks).unwrap(), 0);
        for (at, piece) in image.pieces(bat.0, bat.1) {
            for (nth, entry) in piece.as_chunks().0.iter().enumerate() {
                let index = (at - bat.0) / 8 + nth as u64;
                let entry = u64::from_le_bytes(*entry);
                if entry == 0 || index % chunk == chunk - 1 {
                    continue;
                }
                let block = index - index / chunk;
                match found.entries.get_mut(usize::try_from(block).unwrap()) {
                    Some(place) => *place = entry,
                    None => found.past_the_end.push(entry),
                }
            }
        }
        found
    }

    /// The disk's present blocks, each with its place in the file.
    fn present(&self) -> impl Iterator<Item = (u64, u64)> {
        self.entries
            .iter()
            .zip(0..)
            .filter(|(entry, _)| *entry & 7 == 6)
            .map(|(entry, block)| (block, entry & !(M - 1)))
    }
}

/// What was reached, and how often.
#[derive(Default)]
struct Reach(BTreeMap<String, u64>);

impl Reach {
    fn note(&mut self, what: impl Into<String>) {
        *self.0.entry(what.into()).or_default() += 1;
    }

    /// How many different things begin with `kind`.
    fn kinds(&self, kind: &str) -> usize {
        self.0.keys().filter(|what| what.starts_with(kind)).count()
    }

    fn knobs(&mut self, g: &Geometry) {
        self.note(format!("block {} of {}", g.block_size, g.logical_sector));
        self.note(format!("physical {}", g.physical_sector));
        self.note(format!("boundary {:?}", g.boundary));
        self.note(format!("headers {:?}", g.headers));
        if g.headers != Headers::Equal {
            self.note(format!("stale {:?} {:?}", g.stale, g.headers));
            self.note(format!("distance {:?} {:?}", g.distance, g.headers));
        }
        let signature = (g.header_signature_wrong, g.table_signature_wrong);
        self.note(format!("damaged by signature {signature:?}"));
        self.note(format!("tables {:?}", g.tables));
        self.note(format!("parts {:?}", g.parts));
        self.note(format!("spare {}", g.spare_bat));
        self.note(format!("bitmaps {:?}", g.bitmaps));
        self.note(format!("log {}", g.log_length));
        self.note(format!("metadata of {}", g.metadata_length));
        self.note(format!("unknown regions {}", g.unknown_regions));
        self.note(format!("unknown of {}", g.unknown_length));
        self.note(format!(
            "stand of regions {:?} {}",
            g.unknown_regions_stand, g.metadata_first
        ));
        self.note(format!("items {:?}", g.items));
        self.note(format!("lie {:?}", g.items_lie));
        self.note(format!("unknown items {}", g.unknown_items));
        self.note(format!("stand of items {:?}", g.unknown_items_stand));
        let parameters = (g.leave_blocks_allocated, g.parameters_reserved);
        self.note(format!("parameters {parameters:?}"));
        self.note(format!("order {:?}", g.order));
        self.note(format!("end {:?}", g.file_end));
        self.note(format!("creator {:?}", g.creator));
        for bit in 0..8 {
            self.note(format!("reserved bit {bit} {}", g.reserved.has(1 << bit)));
        }
        self.note(format!("most {}", g.most_blocks));
        self.note(format!("exact {:?}", g.exact_entries));
        self.note(format!("far {}", g.far));
        self.note(format!("log outside {}", g.log_outside));
        self.note(format!("log version {}", g.log_version.min(1)));
    }

    fn blocks(&mut self, found: &Found) {
        for entry in &found.entries {
            if *entry != 0 {
                let place = *entry >> 20 != 0;
                let reserved = *entry >> 3 & 0x1ffff != 0;
                self.note(format!(
                    "state {}, a place: {place}, reserved bits: {reserved}",
                    entry & 7
                ));
            }
        }
        for entry in &found.past_the_end {
            self.note(format!("past the end: state {}", entry & 7));
        }
        let blocks = found.entries.len() as u64;
        if let Some((last, _)) = found.present().last() {
            let part = found.virtual_size % found.block_size != 0;
            self.note(format!(
                "last block present: {}, in part: {part}",
                last + 1 == blocks
            ));
        }
    }
}

#[test]
fn what_recipes_say_is_true_and_all_knobs_are_reached() {
    let mut random = Random(0x7668_6478);
    let mut reach = Reach::default();
    for number in 0..20_000 {
        let bytes = random_recipe(&mut random);
        let recipe = decode(&bytes);
        let built = recipe.build();
        let geometry = geometry(&recipe);
        reach.knobs(&geometry);
        let Some(truth) = &built.truth else {
            reach.note("damaged");
            continue;
        };
        if recipe.conditions.end != End::OfFile {
            reach.note("cut");
            continue;
        }
        let context = || format!("number {number}: {}\n{bytes:?}", recipe.in_words());
        let oddity = format!("{:?}", geometry.oddity);
        let oddity = oddity.split('(').next().unwrap_or_default();
        let Some(expected) = truth.answer(recipe.unit) else {
            reach.note("several reasons");
            continue;
        };
        assert_eq!(scan(&recipe, &built.image), expected, "{}", context());
        match expected {
            Err(kind) => reach.note(format!("oddity {oddity}: {kind:?}")),
            Ok(_) => reach.note(format!("oddity {oddity}: none")),
        }
        if geometry.oddity == Oddity::None {
            let found = Found::of(&built.image, &geometry);
            reach.blocks(&found);
        }
        if truth.is_refused() {
            continue;
        }
        check_own_size(truth, &mut reach, &context);
    }
    for (what, count) in &reach.0 {
        println!("{count:6} {what}");
    }
    conclude(&reach);
}

/// The calculator answers for the image what the recipe says.
fn check_own_size(truth: &Truth, reach: &mut Reach, context: &dyn Fn() -> String) {
    let Some(own) = truth.own_size else {
        reach.note("own size: none");
        return;
    };
    let unit = NonZeroU64::new(own.options.unit(truth.virtual_size));
    let summary = truth.answer(unit).expect("an answer").expect("a number");
    let size = own
        .options
        .ask(BUILT_IN.calculators, &summary)
        .expect("a size");
    assert!(
        (own.at_least..=own.at_most).contains(&size.required),
        "{size:?} for {own:?}; {}",
        context()
    );
    let exact = own.at_least == own.at_most;
    reach.note(format!(
        "own size: exact: {exact}, any block: {}",
        summary.allocated_bytes != 0
    ));
}

fn conclude(reach: &Reach) {
    let seen = |what: &str| reach.0.contains_key(what);
    for (kind, count) in [
        ("block ", 9 * 2),
        ("physical ", 4),
        ("boundary ", 7),
        ("headers ", 5),
        ("stale ", 5 * 4),
        ("distance ", 4 * 4),
        ("damaged by signature ", 4),
        ("tables ", 4),
        ("parts ", 120),
        ("spare ", 8),
        ("bitmaps ", 5),
        ("log ", 4 + 2 + 2),
        ("metadata of ", 8),
        ("unknown regions ", 4 + 11),
        ("unknown of ", 4),
        ("stand of regions ", 3 * 2),
        ("items ", 120),
        ("lie ", 4),
        ("unknown items ", 4),
        ("stand of items ", 3),
        ("parameters ", 4),
        ("order ", 4),
        ("end ", 4),
        ("creator ", 4),
        ("reserved bit ", 16),
        ("most ", 2),
        ("exact ", 9),
        ("far ", 21),
        ("last block present: ", 4),
    ] {
        assert_eq!(reach.kinds(kind), count, "{kind}");
    }
    // Without a place there is nothing of state 0 to see; a present block has one.
    for state in 0..8 {
        for (place, reserved) in [(false, false), (false, true), (true, false), (true, true)] {
            let what = format!("state {state}, a place: {place}, reserved bits: {reserved}");
            let possible = match state {
                0 => place || reserved,
                6 => place,
                _ => true,
            };
            assert_eq!(seen(&what), possible, "{what}");
        }
        let what = format!("past the end: state {state}");
        assert!(seen(&what), "{what}");
    }
    for what in [
        "own size: none",
        "own size: exact: true, any block: false",
        "own size: exact: true, any block: true",
        "own size: exact: false, any block: false",
        "own size: exact: false, any block: true",
        "oddity None: none",
        // Of blocks, or of the number of regions.
        "oddity None: Corrupt",
        "oddity None: Unsupported",
        "oddity LargestDisk: none",
    ] {
        assert!(seen(what), "{what}");
    }
    for (kind, names) in [
        ("NotThisFormat", &["FileSignature"][..]),
        (
            "Unsupported",
            &[
                "DirtyLog",
                "Version",
                "RequiredRegion",
                "RequiredItem",
                "ParentLocator",
                "HasParent",
            ],
        ),
        (
            "Corrupt",
            &[
                "BothHeadersDamaged",
                "EqualHeadersDiffer",
                "LogMisplaced",
                "LogOverRegion",
                "BothTablesDamaged",
                "TooManyRegions",
                "NoBat",
                "NoMetadata",
                "TwoBats",
                "TwoMetadata",
                "RegionMisaligned",
                "RegionOverHeaders",
                "RegionsOverlap",
                "RegionOutside",
                "BatShort",
                "MetadataEmpty",
                "MetadataSignature",
                "TooManyItems",
                "ItemMissing",
                "ItemTwice",
                "ItemLength",
                "ItemOutside",
                "BlockSize",
                "LogicalSector",
                "DiskTooLarge",
                "DiskOfPartSectors",
                "BlockOver",
                "BlockOutside",
                "FileShort",
            ],
        ),
    ] {
        for name in names {
            let what = format!("oddity {name}: {kind}");
            assert!(seen(&what), "{what}");
        }
    }
}
