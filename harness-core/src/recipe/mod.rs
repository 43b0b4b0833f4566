//! Recipes: some dozens of bytes that stand for an image of any size, and for what is true of it.
//!
//! A recipe names a format, a geometry, which units of the disk hold data, then *damage*, a policy for
//! the checksums, and the device that the image is on. [`Recipe::build`] makes the sparse image. What
//! an undamaged recipe says is true of its image whatever a scanner thinks: see [`truth`].
//!
//! # Layout, version 0
//! Positional and little-endian; what is not there reads as zero, so that every byte string is a
//! recipe, the empty one too: an empty qcow2 image of nothing. Only another version is rejected. The
//! positions are constants of [`at`]; what is used rarely comes last. Of a damaged image that is longer the
//! device serves [`conditions::SERVED_OF_DAMAGED`] bytes.
//!
//! | bytes | meaning |
//! |---|---|
//! | 0 | bits 0–1 format (qcow2, vmdk, vhd, vhdx), bits 2–5 ignored, bits 6–7 version: 0 |
//! | 1 | checksums: bits 0–1 policy (0, 1 all right; 2 one is wrong; 3 left as they fell), bits 2–7 which one and how |
//! | 2 | unit to count: 0 none, 1–32 the powers of two from 512 up, else see [`unit_of_selector`] |
//! | 3 | how the size is read: bits 0–1 mode, bits 2–5 width (see [`Size`]) |
//! | 4–11 | the size |
//! | 12–15 | bytes of the disk beyond its last whole unit |
//! | 16 | device: bits 0–2 sector size (see [`conditions::SECTOR_SIZES`]), bits 3–7 index |
//! | 17 | probe: what else is asked about the image (see [`crate::image`]) |
//! | 18–19 | the probe's argument |
//! | 20 | the device's end: 0 the file's, else see [`conditions::End`] |
//! | 21–23 | where it is then |
//! | 24–55 | geometry, by format: see [`qcow2`], [`vmdk`], [`vhd`], [`vhdx`] |
//! | 56–119 | sixteen runs of units of 4 bytes: see [`runs`] |
//! | 120–151 | four damages of 8 bytes: see [`damage`] |
//! | 152–191 | rare knobs, by format |

pub mod conditions;
pub mod damage;
pub mod qcow2;
pub mod runs;
pub mod truth;
pub mod vhd;
pub mod vhdx;
pub mod vmdk;
pub mod writer;

use std::num::NonZeroU64;

use crate::decode::Positional;
use crate::sparse::SparseImage;
use crate::subject::ScanFormat;

use conditions::Conditions;
use damage::{ChecksumPolicy, Damage};
use runs::Runs;
use truth::Truth;
use writer::ImageWriter;

/// The longest recipe, in bytes; what lies behind is ignored.
pub const LENGTH: usize = 192;

/// The positions of what a recipe is made of, in bytes.
pub mod at {
    /// Format and version.
    pub const FORMAT: usize = 0;
    /// Checksum policy.
    pub const CHECKSUMS: usize = 1;
    /// The unit to count.
    pub const UNIT: usize = 2;
    /// How the size is read.
    pub const SIZE_MODE: usize = 3;
    /// The size, 8 bytes.
    pub const SIZE: usize = 4;
    /// The bytes beyond the last whole unit, 4 bytes.
    pub const SIZE_TAIL: usize = 12;
    /// Sector size and index of the device.
    pub const DEVICE: usize = 16;
    /// What else is asked about the image.
    pub const PROBE: usize = 17;
    /// The probe's argument, 2 bytes.
    pub const PROBE_ARGUMENT: usize = 18;
    /// How the device ends.
    pub const END_MODE: usize = 20;
    /// Where the device ends, 3 bytes.
    pub const END: usize = 21;
    /// Geometry, 32 bytes, by format.
    pub const GEOMETRY: usize = 24;
    /// Runs of units, 16 times 4 bytes.
    pub const RUNS: usize = 56;
    /// Damages, 4 times 8 bytes.
    pub const DAMAGES: usize = 120;
    /// Rare knobs, 40 bytes, by format.
    pub const RARE: usize = 152;
}

/// A recipe's bytes.
pub type Bytes = Positional<LENGTH>;

/// A decoded recipe.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// The image's format.
    pub format: ScanFormat,
    /// The disk's size.
    pub size: Size,
    /// Which units of the disk hold what.
    pub runs: Runs,
    /// What is then broken.
    pub damages: [Damage; 4],
    /// Which checksums are right.
    pub checksums: ChecksumPolicy,
    /// The unit to count in a scan, in bytes.
    pub unit: Option<NonZeroU64>,
    /// The device that the image is on.
    pub conditions: Conditions,
    /// Byte [`at::PROBE`] and its argument.
    pub probe: (u8, u16),
    bytes: Bytes,
}

/// What a recipe makes.
#[derive(Debug)]
pub struct Built {
    /// The image file: what `cargo images recipe --write-image` writes.
    pub image: SparseImage,
    /// What is true of the image; `None` when it is damaged.
    pub truth: Option<Truth>,
    /// What damage did, a line for each, in words.
    pub damage_done: Vec<damage::Done>,
}

impl Built {
    /// The image on a device, which may end before the file or after it. The truth stays only if it
    /// [holds](Truth::holds_of_first) there too.
    #[must_use]
    pub fn on_device(mut self, conditions: &Conditions) -> Self {
        let capacity = conditions.capacity(self.image.capacity());
        self.truth = self
            .truth
            .filter(|truth| truth.holds_of_first(capacity, &self.image));
        self.image.set_capacity(capacity);
        self
    }
}

impl Recipe {
    /// Decodes a recipe.
    ///
    /// # Errors
    /// Why the bytes are no recipe: they are of another version.
    pub fn decode(data: &[u8]) -> Result<Self, &'static str> {
        let bytes = Bytes::new(data);
        let first = bytes.u8(at::FORMAT);
        if first >> 6 != 0 {
            return Err("a recipe of a version that is not known");
        }
        Ok(Self {
            format: ScanFormat::ALL[usize::from(first & 3)],
            size: Size::decode(&bytes),
            runs: Runs::decode(&bytes),
            damages: std::array::from_fn(|nth| Damage::decode(&bytes, at::DAMAGES + 8 * nth)),
            checksums: ChecksumPolicy::decode(bytes.u8(at::CHECKSUMS)),
            unit: unit_of_selector(bytes.u8(at::UNIT)),
            conditions: Conditions::decode(&bytes),
            probe: (bytes.u8(at::PROBE), bytes.u16(at::PROBE_ARGUMENT)),
            bytes,
        })
    }

    /// The recipe's bytes, from which a format reads its geometry.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Makes the image.
    #[must_use]
    pub fn build(&self) -> Built {
        let mut writer = ImageWriter::new(self.format);
        let truth = match self.format {
            ScanFormat::Qcow2 => qcow2::build(self, &mut writer),
            ScanFormat::Vmdk => vmdk::build(self, &mut writer),
            ScanFormat::Vhd => vhd::build(self, &mut writer),
            ScanFormat::Vhdx => vhdx::build(self, &mut writer),
        };
        writer.put_checksums_right();
        let mut damage_done: Vec<_> = self
            .damages
            .iter()
            .filter_map(|damage| damage.apply(&mut writer))
            .collect();
        if !damage_done.is_empty() && self.checksums != ChecksumPolicy::AsTheyFell {
            writer.put_checksums_right();
        }
        if let ChecksumPolicy::OneWrong { which, mask } = self.checksums {
            damage_done.extend(writer.break_checksum(which, mask));
        }
        Built {
            image: writer.finish(),
            truth: damage_done.is_empty().then_some(truth),
            damage_done,
        }
    }

    /// The same recipe with one unit of plain data more, at that place of a disk (see [`runs`]); `None`
    /// when it has no run to spare.
    #[must_use]
    pub fn with_more_data(&self, place: u16) -> Option<Self> {
        Some(Self {
            runs: self.runs.with_one_more(place & 0x3fff)?,
            ..self.clone()
        })
    }

    /// The recipe in words: format, geometry, data, damage, device.
    #[must_use]
    pub fn in_words(&self) -> String {
        let geometry = match self.format {
            ScanFormat::Qcow2 => qcow2::in_words(self),
            ScanFormat::Vmdk => vmdk::in_words(self),
            ScanFormat::Vhd => vhd::in_words(self),
            ScanFormat::Vhdx => vhdx::in_words(self),
        };
        let built = self.build();
        let mut words = format!(
            "{} image of {} bytes: {geometry}",
            self.format.name(),
            built.image.capacity()
        );
        for done in &built.damage_done {
            words += &format!("; damaged: {done}");
        }
        words += &format!("; {}", self.conditions.in_words());
        if let Some(unit) = self.unit {
            words += &format!("; counting units of {unit} bytes");
        }
        words
    }
}

/// The unit in bytes that a selector like byte [`at::UNIT`] asks for: 0 none; 1 to 32 the powers of two
/// from 512 up; 33 to 96 all powers of two; from 97 on sizes that are none.
#[must_use]
pub fn unit_of_selector(selector: u8) -> Option<NonZeroU64> {
    NonZeroU64::new(match selector {
        0 => 0,
        1..=32 => 1 << (8 + selector),
        33..=96 => 1 << (selector - 33),
        97 => u64::MAX,
        98 => 3 << 9,
        99 => (1 << 32) - 1,
        100 => 65537,
        other => u64::from(other) * 1000 + 1,
    })
}

/// How large the disk is; a format turns it into bytes by [`Size::bytes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    mode: u8,
    width: u8,
    value: u64,
    tail: u32,
}

impl Size {
    fn decode(bytes: &Bytes) -> Self {
        let mode = bytes.u8(at::SIZE_MODE);
        Self {
            mode: mode & 3,
            width: mode >> 2 & 15,
            value: bytes.u64(at::SIZE),
            tail: bytes.u32(at::SIZE_TAIL),
        }
    }

    /// The size in bytes of a disk of whole units of `unit` bytes and a rest, a multiple of
    /// `granularity` (a power of two) that is at most `most` bytes.
    ///
    /// Mode 0: the units are the value's low bits, mostly few, and the rest is the tail modulo the unit.
    /// Mode 1: the value, in bytes, modulo what is allowed. Mode 2: what is allowed less the value's low
    /// bits in granules. Mode 3: a power of two of bytes (the value's low 6 bits) and the tail. In modes
    /// 1 to 3 what is allowed is 64 units; `most` only with a width of 15 and a tail of at least
    /// 0xf0000000. A scan costs what it walks through, and most of what there is to find is in small
    /// tables.
    #[must_use]
    pub fn bytes(&self, unit: u64, most: u64, granularity: u64) -> u64 {
        const BITS: [u32; 16] = [0, 1, 2, 3, 4, 4, 4, 5, 6, 3, 4, 5, 6, 7, 8, 11];
        let low = self.value & ((1 << BITS[usize::from(self.width)]) - 1);
        let is_wide = self.mode == 0 || (self.width == 15 && self.tail >= 0xf000_0000);
        let most = if is_wide {
            most
        } else {
            most.min(unit.saturating_mul(64))
        };
        let size = match self.mode {
            0 => {
                u128::from(low) * u128::from(unit) + u128::from(u64::from(self.tail) % unit.max(1))
            }
            1 => u128::from(self.value) % (u128::from(most) + 1),
            2 => u128::from(most.saturating_sub(low.saturating_mul(granularity))),
            _ => (1 << (self.value & 63)) + u128::from(self.tail),
        };
        let size = u64::try_from(size.min(u128::from(most))).unwrap_or(most);
        size & !(granularity - 1)
    }
}
