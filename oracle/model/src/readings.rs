//! What is right where readers differ: the specification's reading, and QEMU's.
//!
//! `cargo images differential --known` lists the differences. Each is of one of three kinds, and comments in the
//! scanners name the lines:
//!
//! - *we refuse, they take*: a lenient reader goes on, as QEMU does.
//! - *they refuse, we take*: `may_be_refused` of each format knows what makes a reader refuse.
//! - *the numbers differ*: a choice. A format has some, and each choice is a bit.
//!
//! A library may follow one reader here and another there, so all leniency goes together with each set of choices.

use std::num::NonZeroU64;

use types::{AllocationSummary, ScanErrorKind, ScanFormat};

use sparse::Bytes;

use crate::scanners;

/// How an image is read where readers differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    is_lenient: bool,
    /// Whether a log is replayed first.
    pub(crate) replays: bool,
    choices: u32,
}

impl Reading {
    /// The specification's, which our own code is held to. It refuses a log that has to be replayed.
    pub(crate) const OURS: Self = Self {
        is_lenient: false,
        replays: false,
        choices: 0,
    };

    /// The specification's, which replays a log.
    pub(crate) const REPLAYED: Self = Self {
        replays: true,
        ..Self::OURS
    };

    /// A lenient one without choices, which replays a log.
    pub(crate) const LENIENT: Self = Self {
        is_lenient: true,
        ..Self::REPLAYED
    };

    /// Whether what the specification refuses and QEMU takes is taken.
    pub(crate) fn is_lenient(self) -> bool {
        self.is_lenient
    }

    /// Whether the `nth` choice of the format is the other one.
    pub(crate) fn chooses(self, nth: u32) -> bool {
        self.choices >> nth & 1 == 1
    }
}

/// The answers about an image that are right by one reading or another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readings {
    /// The numbers, each once.
    pub answers: Vec<AllocationSummary>,
    /// Whether one of the readings refuses the image.
    pub may_be_refused: bool,
    /// How large the disk is, in bytes, by readings that refuse the image, and why they do.
    pub refused: Vec<(u64, ScanErrorKind)>,
    /// The specification's answer, of a log that has to be replayed first after that.
    pub replayed: Result<AllocationSummary, ScanErrorKind>,
}

impl Readings {
    /// All that is right about an image of that format, counting units of `unit` bytes when given.
    pub fn of<B: Bytes + ?Sized>(format: ScanFormat, image: &B, unit: Option<NonZeroU64>) -> Self {
        let mut all = Self {
            answers: Vec::new(),
            may_be_refused: scanners::may_be_refused(format, image),
            refused: Vec::new(),
            replayed: scanners::read(format, image, unit, Reading::REPLAYED),
        };
        all.add(scanners::scan(format, image, unit));
        for choices in 0..1 << scanners::CHOICES[format as usize] {
            let reading = Reading {
                choices,
                ..Reading::LENIENT
            };
            let answer = scanners::read(format, image, unit, reading);
            let facts = scanners::facts_by(format, image, reading);
            if let (Err(kind), Ok(facts)) = (answer, facts) {
                all.refused.push((facts.virtual_size, kind));
            }
            all.add(answer);
            if !image.length().is_multiple_of(SECTOR) {
                let padded = InWholeSectors(image);
                all.add(scanners::read(format, &padded, unit, reading));
            }
        }
        all
    }

    fn add(&mut self, answer: Result<AllocationSummary, ScanErrorKind>) {
        match answer {
            Ok(answer) if !self.answers.contains(&answer) => self.answers.push(answer),
            Ok(_) => {}
            Err(_) => self.may_be_refused = true,
        }
    }
}

const SECTOR: u64 = 512;

/// An image as QEMU sees it: its file is as long as whole sectors, and the last one ends with zeros.
struct InWholeSectors<'a, B: ?Sized>(&'a B);

impl<B: Bytes + ?Sized> Bytes for InWholeSectors<'_, B> {
    fn length(&self) -> u64 {
        self.0.length().next_multiple_of(SECTOR)
    }

    fn pieces(&self, offset: u64, length: u64) -> impl Iterator<Item = (u64, &[u8])> {
        self.0.pieces(offset, length)
    }
}
