//! What the plain scanners share.
//!
//! - [`Data`]: extents of data, added up to bytes and to the units that they touch.
//! - [`Tables`]: the pigeonhole rule.
//! - [`entries`]: a table's entries, but for those that are all zeros.
//! - [`big_endian`], [`little_endian`]: numbers in structures.

use std::num::NonZeroU64;
use std::ops::Range;

use types::{AllocationSummary, ScanErrorKind, TouchedUnits};

use sparse::Bytes;

use crate::readings::Reading;

/// The data of a virtual disk, given as extents in ascending order that do not overlap.
///
/// Extents that meet are joined to runs. Runs do not meet, so they are counted one by one: a run
/// touches every unit from that of its first byte to that of its last one, and only the former can be
/// a unit that an earlier run touched too.
pub(crate) struct Data {
    virtual_size: u64,
    unit: Option<NonZeroU64>,
    /// The run that the next extent may still join, in bytes; empty before the first extent.
    run: Range<u64>,
    /// Bytes in the runs before that one.
    bytes: u64,
    /// Units that the runs before that one touch, and the last of them.
    units: u64,
    last_unit: Option<u64>,
}

impl Data {
    /// A disk of `virtual_size` bytes without data; counts units of `unit` bytes when given.
    pub(crate) fn new(virtual_size: u64, unit: Option<NonZeroU64>) -> Self {
        Self {
            virtual_size,
            unit,
            run: 0..0,
            bytes: 0,
            units: 0,
            last_unit: None,
        }
    }

    /// Adds `length` bytes of data at byte `start` of the virtual disk; what reaches past the disk's
    /// end does not count.
    pub(crate) fn add(&mut self, start: u64, length: u64) {
        let end = start.saturating_add(length).min(self.virtual_size);
        if start >= end {
            return;
        }
        if start == self.run.end {
            self.run.end = end;
        } else {
            self.count_run();
            self.run = start..end;
        }
    }

    /// What was added.
    pub(crate) fn summary(mut self) -> AllocationSummary {
        self.count_run();
        AllocationSummary {
            virtual_size: self.virtual_size,
            allocated_bytes: self.bytes,
            touched: self.unit.map(|unit| TouchedUnits {
                unit: unit.get(),
                count: self.units,
            }),
        }
    }

    fn count_run(&mut self) {
        let Range { start, end } = self.run;
        if start == end {
            return;
        }
        self.bytes += end - start;
        if let Some(unit) = self.unit {
            let (first, last) = (start / unit, (end - 1) / unit);
            // As a difference: 2^64 - 1 units of a byte are the most there can be.
            self.units += last - first;
            self.units += u64::from(self.last_unit != Some(first));
            self.last_unit = Some(last);
        }
    }
}

/// The pigeonhole rule: tables that do not overlap fit the image together.
///
/// Sizes are in sectors of 512 bytes; those that are there in part count whole.
pub(crate) struct Tables {
    image: u64,
    named: u64,
}

impl Tables {
    /// No table yet, in an image of `length` bytes. A lenient reader takes more of them, up to 16 MiB.
    pub(crate) fn new(length: u64, reading: Reading) -> Self {
        let least = if reading.is_lenient() { 16 << 20 } else { 0 };
        Self {
            image: length.max(least).div_ceil(512),
            named: 0,
        }
    }

    /// Counts a table of `length` bytes that an entry names, whether or not another entry named it.
    /// `Corrupt` when the tables named add up to more than the image has.
    pub(crate) fn name(&mut self, length: u64) -> Result<(), ScanErrorKind> {
        self.named += length.div_ceil(512);
        if self.named > self.image {
            return Err(ScanErrorKind::Corrupt);
        }
        Ok(())
    }
}

/// Calls `visit` for each of the `count` entries of `N` bytes at byte `offset` that is not all zeros,
/// in order, with the entry's number and bytes, until `visit` ends with an error. What of an entry lies
/// past the image's end reads as zeros.
pub(crate) fn entries<const N: usize>(
    image: &(impl Bytes + ?Sized),
    offset: u64,
    count: u64,
    mut visit: impl FnMut(u64, [u8; N]) -> Result<(), ScanErrorKind>,
) -> Result<(), ScanErrorKind> {
    let size = N as u64;
    // The first entry that no piece so far had a byte of.
    let mut next = 0;
    for (at, piece) in image.pieces(offset, count * size) {
        let (from, to) = (at - offset, at - offset + piece.len() as u64);
        let mut number = next.max(from / size);
        next = to.div_ceil(size);
        // Pieces may begin and end anywhere; an entry that is not wholly in one is put together.
        if number * size < from {
            visit_unless_zero(number, image.array(offset + number * size), &mut visit)?;
            number += 1;
        }
        let rest = piece.get((number * size - from) as usize..);
        let (whole, cut_off) = rest.unwrap_or_default().as_chunks::<N>();
        for &entry in whole {
            visit_unless_zero(number, entry, &mut visit)?;
            number += 1;
        }
        if !cut_off.is_empty() {
            visit_unless_zero(number, image.array(offset + number * size), &mut visit)?;
        }
    }
    Ok(())
}

fn visit_unless_zero<const N: usize>(
    number: u64,
    entry: [u8; N],
    visit: &mut impl FnMut(u64, [u8; N]) -> Result<(), ScanErrorKind>,
) -> Result<(), ScanErrorKind> {
    if entry == [0; N] {
        return Ok(());
    }
    visit(number, entry)
}

/// The number in a field of at most eight bytes, the highest byte first.
#[inline(always)]
pub(crate) fn big_endian(structure: &[u8], at: Range<usize>) -> u64 {
    let bytes = structure[at].iter();
    bytes.fold(0, |number, &byte| number << 8 | u64::from(byte))
}

/// The number in a field of at most eight bytes, the lowest byte first.
#[inline(always)]
pub(crate) fn little_endian(structure: &[u8], at: Range<usize>) -> u64 {
    let bytes = structure[at].iter();
    bytes.rfold(0, |number, &byte| number << 8 | u64::from(byte))
}
