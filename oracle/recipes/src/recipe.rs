//! A recipe's bytes, decoded.

use std::num::NonZeroU64;

use types::ScanFormat;

use crate::conditions::Conditions;
use crate::damage::{ChecksumPolicy, Damage};
use crate::layout::{Bytes, at};
use crate::runs::{Runs, Unit};

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
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The same recipe with one unit of plain data more, at that place of a disk (see [`crate::runs`]); `None`
    /// when it has no run to spare.
    pub fn with_more_data(&self, place: u16) -> Option<Self> {
        Some(Self {
            runs: self.runs.with_one_more(place & 0x3fff)?,
            ..self.clone()
        })
    }
}

/// The unit in bytes that a selector like byte [`at::UNIT`] asks for: 0 none; 1 to 32 the powers of two
/// from 512 up; 33 to 96 all powers of two; from 97 on sizes that are none.
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

/// What an image is like, for [`Recipe::in_words`].
pub(crate) struct Description {
    /// The size of the disk, and of a unit of it, in bytes.
    pub(crate) disk: u64,
    pub(crate) unit: u64,
    /// How many entries the tables have, for units of the disk and past its end.
    pub(crate) slots: u64,
    /// What of the geometry is not as in the recipe of zeros.
    pub(crate) unusual: String,
    /// What a unit holds.
    pub(crate) kind: fn(&Unit) -> String,
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
