//! Which units of the disk hold what.
//!
//! A unit is a cluster, a grain or a block. Sixteen runs of four bytes each:
//!
//! | bytes | meaning |
//! |---|---|
//! | 0–1 | place: bits 14–15 how it is meant, bits 0–13 the place |
//! | 2 | bits 0–4 how many units, 0 for no run; bits 5–7 free for the format |
//! | 3 | what they hold: the format's own numbering, 0 for plain data |
//!
//! The place counts from the disk's first unit (0), back from its last one (1), in 16384ths of the
//! disk (2), or, past the disk's end, among what slots the tables have there (3). Where two runs meet
//! on a unit the later one counts.

use crate::layout::{Bytes, at};

/// How many runs a recipe has.
pub const COUNT: usize = 16;

/// The runs of a recipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Runs([Run; COUNT]);

/// One run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    place: u16,
    length: u8,
    kind: u8,
}

/// A unit of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    /// The unit's number, from the disk's start.
    pub index: u64,
    /// Bits 5–7 of the run's length, shifted down.
    pub extra: u8,
    /// What the unit holds, in the format's numbering.
    pub kind: u8,
}

impl Run {
    /// The number of the first unit, below `slots`; `None` when there is no such unit.
    fn first(self, on_disk: u64, slots: u64) -> Option<u64> {
        let place = u64::from(self.place & 0x3fff);
        match self.place >> 14 {
            0 => place.checked_rem(on_disk),
            1 => place.checked_rem(on_disk).map(|back| on_disk - 1 - back),
            // Below 2^64 for every disk: the place is less than 16384ths.
            2 if on_disk != 0 => Some(((u128::from(on_disk) * u128::from(place)) >> 14) as u64),
            3 => place
                .checked_rem(slots - on_disk)
                .map(|past| on_disk + past),
            _ => None,
        }
    }
}

impl Runs {
    pub(super) fn decode(bytes: &Bytes) -> Self {
        Self(std::array::from_fn(|nth| {
            let from = at::RUNS + 4 * nth;
            Run {
                place: bytes.u16(from),
                length: bytes.u8(from + 2),
                kind: bytes.u8(from + 3),
            }
        }))
    }

    /// The same runs and one unit of kind 0 at a place from the disk's start; `None` when the last run
    /// is taken.
    pub(super) fn with_one_more(self, place: u16) -> Option<Self> {
        let mut runs = self.0;
        let last = &mut runs[COUNT - 1];
        if last.length & 31 != 0 {
            return None;
        }
        *last = Run {
            place,
            length: 1,
            kind: 0,
        };
        Some(Self(runs))
    }

    /// The units that the runs name, each once, by number, on a disk of `on_disk` units whose tables
    /// have `slots` entries: units from `on_disk` on lie past the disk's end. At most 496.
    pub fn units(&self, on_disk: u64, slots: u64) -> Vec<Unit> {
        let slots = slots.max(on_disk);
        // Where each run begins and ends, and all of these borders: between two neighbours among them one
        // and the same run counts.
        let mut stretches = [(0, 0, self.0[0]); COUNT];
        let mut borders = [0; 2 * COUNT];
        let mut count = 0;
        for run in self.0.iter().filter(|run| run.length & 31 != 0) {
            let Some(first) = run.first(on_disk, slots) else {
                continue;
            };
            let end = (first + u64::from(run.length & 31)).min(slots);
            stretches[count] = (first, end, *run);
            [borders[2 * count], borders[2 * count + 1]] = [first, end];
            count += 1;
        }
        let stretches = &stretches[..count];
        let borders = &mut borders[..2 * count];
        borders.sort_unstable();
        let mut units = Vec::with_capacity(16 * count);
        for border in borders.windows(2) {
            let of_last = stretches
                .iter()
                .rfind(|(first, end, _)| (*first..*end).contains(&border[0]));
            if let Some((_, _, run)) = of_last {
                units.extend((border[0]..border[1]).map(|index| Unit {
                    index,
                    extra: run.length >> 5,
                    kind: run.kind,
                }));
            }
        }
        units
    }
}
