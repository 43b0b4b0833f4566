//! What the scanner and the calculator answer is what recipes say, and every knob is reached.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use built_in::SUBJECT;
use recipes::conditions::End;
use recipes::truth::Truth;
use recipes::vhdx::geometry::Headers;
use recipes::vhdx::oddity::Oddity;
use recipes::vhdx::{Geometry, geometry};
use testing::random::Random;

use crate::found::Found;
use crate::{decode, random_recipe, scan};

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
            let part = !found.virtual_size.is_multiple_of(found.block_size);
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
    let unit = NonZeroU64::new(model::calculators::unit(&own.options, truth.virtual_size));
    let summary = truth.answer(unit).expect("an answer").expect("a number");
    let size = SUBJECT
        .calculators
        .measure(&summary, &own.options)
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
