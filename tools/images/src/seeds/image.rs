//! The recipes that are seeds of `fuzz_measure_image`: every format, every probe, every byte of geometry.
//!
//! Each is a sound image that its scanner has an answer for, or names a feature that is refused.

use anyhow::{Context as _, Error, Result, ensure};
use built_in::SUBJECT;
use harness_core::Outcome;
use harness_core::image::Probe;
use harness_core::subject::ScanFormat;
use harness_core::targets;
use recipes::conditions::Conditions;
use recipes::vhdx::knobs::LOG;
use recipes::{LENGTH, Recipe, at};

use super::Seed;
use crate::layer::Unit;

/// How many bytes of geometry a recipe has, and of rare knobs.
const GEOMETRY: usize = at::RUNS - at::GEOMETRY;
const RARE: usize = LENGTH - at::RARE;

/// A recipe in the making.
#[derive(Debug, Clone)]
struct Bytes([u8; LENGTH]);

impl Bytes {
    /// A disk of 40 units: three with data at its start, two further on, the last one.
    fn of(format: u8) -> Self {
        Self([0; LENGTH])
            .set(at::FORMAT, &[format])
            .set(at::SIZE_MODE, &[8 << 2])
            .set(at::SIZE, &[40])
            .run(0, 0, 3, 0)
            .run(1, 20, 2, 0)
            .run(2, 1 << 14, 1, 0)
    }

    fn set(mut self, at: usize, bytes: &[u8]) -> Self {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    fn run(self, nth: usize, place: u16, length: u8, kind: u8) -> Self {
        let [low, high] = place.to_le_bytes();
        self.set(at::RUNS + 4 * nth, &[low, high, length, kind])
    }

    fn probe(self, probe: u8, argument: u16) -> Self {
        self.set(at::PROBE, &[probe])
            .set(at::PROBE_ARGUMENT, &argument.to_le_bytes())
    }

    /// The recipe without the zeros at its end, which read the same; but engines pass over an input of no bytes.
    fn trimmed(&self) -> Vec<u8> {
        let last = self.0.iter().rposition(|&byte| byte != 0);
        self.0[..=last.unwrap_or(0)].to_vec()
    }
}

/// Every seed of `fuzz_measure_image`. Fails when one of them fails a check: a fault of the code under test or of the
/// oracle.
pub(crate) fn seeds() -> Result<Vec<Seed>> {
    let mut all: Vec<(String, Bytes)> = Vec::new();
    for (number, format) in (0_u8..).zip(ScanFormat::ALL) {
        of_format(format.name(), number, &mut all);
    }
    let target = targets::find(super::IMAGE).context("no target is called so")?;
    let mut images = Vec::new();
    let mut seeds = Vec::new();
    for (name, bytes) in all {
        let input = bytes.trimmed();
        let image = asked(&input).with_context(|| format!("the seed {name}"))?;
        // A knob that the format does not have makes the same image again.
        if images.contains(&image) {
            continue;
        }
        images.push(image);
        let outcome = target.run(&SUBJECT, &input);
        ensure!(outcome == Outcome::Checked, "the seed {name} is no case");
        seeds.push(Seed { name, input });
    }
    Ok(seeds)
}

fn of_format(name: &str, number: u8, all: &mut Vec<(String, Bytes)>) {
    let plain = Bytes::of(number);
    let mut add = |what: &str, bytes: Bytes| all.push((format!("{name}-{what}"), bytes));
    add("of-size-0", Bytes([0; LENGTH]).set(at::FORMAT, &[number]));
    add("plain", plain.clone());
    for (probe, argument, what) in [
        (1, 0, "scanned-again"),
        (2, 1, "with-sectors-of-512"),
        (2, 2, "with-sectors-of-65536"),
        (3, 100, "with-other-caches"),
        (4, 0, "second-scan"),
        (5, 9, "counting-other-units"),
        (6, 0, "first-read-fails"),
        (6, 2, "third-read-fails"),
        (6, u16::MAX, "another-read-fails"),
        (7, 30, "with-more-data"),
        (8, 0, "all-calculators"),
        (9, 0, "own-format"),
    ] {
        let probe = plain.clone().probe(probe, argument);
        add(what, probe.set(at::UNIT, &[8]));
    }
    for kind in 1..16 {
        let runs = plain.clone().run(3, 8, 2, kind).run(4, 12, 2 | 0x60, kind);
        add(&format!("kind-{kind}"), runs);
    }
    add("past-the-end", plain.clone().run(3, 3 << 14, 5, 0));
    let many_units = |units: u64| {
        let plain = plain.clone().set(at::SIZE_MODE, &[15 << 2]);
        plain.set(at::SIZE, &units.to_le_bytes())
    };
    add("large", many_units(1025).run(3, 2 << 14 | 9000, 9, 0));
    // The largest disk of the format, and one a little smaller.
    for (what, less) in [("largest", 0), ("nearly-largest", 1)] {
        let bytes = plain.clone().set(at::SIZE_MODE, &[15 << 2 | 2]);
        let bytes = bytes.set(at::SIZE, &[less]);
        add(what, bytes.set(at::SIZE_TAIL, &[0xff; 4]));
    }
    add("odd-size", plain.clone().set(at::SIZE_TAIL, &[0, 0x0e]));
    for knob in 0..GEOMETRY {
        for value in [1, 2, 3] {
            let bytes = plain.clone().set(at::GEOMETRY + knob, &[value]);
            add(&format!("geometry-{knob}-is-{value}"), bytes);
        }
    }
    for knob in 0..RARE {
        let bytes = plain.clone().set(at::RARE + knob, &[1]);
        add(&format!("rare-{knob}"), bytes);
    }
    // A damage of each kind of thing, and each policy for the checksums.
    for (what, hits) in [("number", 1), ("entry", 2), ("byte", 3)] {
        for (policy, checksums) in [("", 0), ("-checksums-as-they-fell", 3)] {
            let bytes = plain
                .clone()
                .set(at::DAMAGES, &[hits, 0, 0, 8])
                .set(at::CHECKSUMS, &[checksums]);
            add(&format!("{what}-damaged{policy}"), bytes);
        }
    }
    // Entries in a row that name one table, or one unit.
    for (what, units, entries, geometry) in [
        ("few", 600, 0xf2, 1),
        ("many", 1500, 0xf6, 1),
        ("units", 40, 0xf6, 0),
    ] {
        let bytes = many_units(units).set(at::GEOMETRY, &[geometry]);
        let bytes = bytes.set(at::DAMAGES, &[entries, 0, 0, 20]);
        add(&format!("{what}-entries-alike"), bytes);
    }
    // Encrypted data; a stream that inflates to far more than its unit; one whose last sector the file lacks in part.
    // The bytes of geometry are a qcow2 cluster's size or a VMDK's kind, the encryption, what is cut off the file,
    // the sectors of compressed data, and whether there are 3840 more.
    for (number_of, what, [first, encryption, cut, sectors, more], kind) in [
        (0, "luks", [0, 6, 0, 0, 0], 0),
        (0, "aes", [0, 7, 0, 0, 0], 0),
        (0, "swelling", [9, 0, 0, 255, 0], 0xdb),
        (0, "compressed-and-cut", [0, 0, 100, 127, 0], 3),
        (0, "compressed-in-2048-sectors", [11, 0, 0, 255, 0xef], 3),
        (1, "swelling", [1, 0, 0, 0, 0], 0xf8),
    ] {
        if number == number_of {
            let knobs = plain
                .clone()
                .set(at::GEOMETRY, &[first, 0, 0, 0, encryption]);
            let knobs = knobs.set(at::GEOMETRY + 19, &[cut, 0, sectors]);
            let knobs = match more {
                0 => knobs,
                _ => knobs.set(at::RARE + 6, &[more]),
            };
            add(what, knobs.run(2, 1 << 14, 1 | 0xe0, kind));
        }
    }
    // As many entries of a directory name one table as tables fit the file, and one more. A size of 2^32 blocks and some.
    let large = plain.clone().set(at::SIZE_MODE, &[63]).set(at::SIZE, &[34]);
    let large = large.set(at::SIZE_TAIL, &[0, 0, 0, 0xf0]);
    for (number_of, what, knob, values) in [
        (0, "tables-just-fit", 187, &[0xb0][..]),
        (0, "tables-do-not-fit", 187, &[0xb1]),
        (1, "tables-just-fit", 178, &[0xd8]),
        (1, "tables-do-not-fit", 178, &[0xd9]),
        (3, "blocks-in-33-bits", at::RARE, &[159, 0, 0, 0, 0, 0xf0]),
    ] {
        if number == number_of {
            add(what, large.clone().set(knob, values));
        }
    }
    // Logs that have to be replayed, the last one without a valid sequence. Other data is as much before the replay.
    for (what, blocks, log, first) in [
        ("log", 40, 0x60, 0),
        ("log-of-other-data", 12, 0x70, 0),
        ("log-of-three-entries", 40, 0x79, 0),
        ("log-around-the-end", 40, 0x71, 3),
        ("log-between-older-entries", 40, 0x72, 0),
        ("log-with-a-torn-entry", 40, 0x6b, 40),
        ("log-without-its-beginning", 40, 0x64, 0),
    ] {
        if number == 3 {
            let bytes = plain.clone().set(at::GEOMETRY, &[1]);
            add(what, bytes.set(at::SIZE, &[blocks]).set(LOG, &[log, first]));
        }
    }
    for (what, place, bytes) in [
        ("one-checksum-wrong", at::CHECKSUMS, &[2][..]),
        ("another-checksum-wrong", at::CHECKSUMS, &[6]),
        ("device-cut-short", at::END_MODE, &[4, 1]),
        ("device-longer", at::END_MODE, &[2, 0, 2]),
    ] {
        add(what, plain.clone().set(place, bytes));
    }
}

/// A recipe's image, in pieces and its length, and what is asked about it.
type Asked = (
    Vec<(u64, Vec<u8>)>,
    u64,
    ScanFormat,
    Conditions,
    Unit,
    Probe,
);

fn asked(input: &[u8]) -> Result<Asked> {
    let recipe = Recipe::decode(input).map_err(Error::msg)?;
    let image = recipe.build().image;
    let pieces = image.pieces(0, u64::MAX);
    Ok((
        pieces.map(|(at, piece)| (at, piece.to_vec())).collect(),
        image.capacity(),
        recipe.format,
        recipe.conditions,
        recipe.unit,
        Probe::of(&recipe),
    ))
}

/// Whether two inputs are the same case.
pub(crate) fn same_case(one: &[u8], other: &[u8]) -> bool {
    let both = asked(one).ok().zip(asked(other).ok());
    both.is_some_and(|(one, other)| one == other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_format_has_every_probe() {
        let seeds = seeds().unwrap();
        for format in ScanFormat::ALL {
            let probes: BTreeSet<String> = seeds
                .iter()
                .filter_map(|seed| Recipe::decode(&seed.input).ok())
                .filter(|recipe| recipe.format == format)
                .map(|recipe| {
                    let probe = format!("{:?}", Probe::of(&recipe));
                    probe.split('(').next().unwrap_or_default().to_owned()
                })
                .collect();
            assert_eq!(probes.len(), 10, "{probes:?}");
        }
    }
}
