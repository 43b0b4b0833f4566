//! A question to a calculator that can be put to qemu-img as well.

use shared::AllocationSummary;
use types::Options;

use super::qemu::{self, Piece};

/// A question: a disk with data, the image that is to hold it, and how qemu-img is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The image that is to hold the disk.
    pub options: Options,
    /// The disk's size in bytes.
    pub size: u64,
    /// What is on the disk, in order, without overlap.
    pub fills: Vec<Fill>,
    /// How qemu-img is asked.
    pub way: Way,
}

/// A piece of the disk that is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fill {
    /// Where it begins, in bytes.
    pub start: u64,
    /// Where it ends, in bytes.
    pub end: u64,
    /// With what.
    pub with: With,
}

/// What a piece of the disk is filled with. Without a qcow2 source all is data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum With {
    /// Data.
    Data,
    /// Data, compressed in the source.
    Compressed,
    /// Zeroes, written as such: no data.
    Zeroes,
}

/// How qemu-img is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// `measure --size`: both numbers of an empty disk.
    MeasureSize,
    /// `measure` of a source: both numbers.
    Measure(Source),
    /// `create`: the length of the file of an empty disk.
    Create,
    /// `convert` of a source: the length of the file that it writes.
    Convert(Source),
    /// `convert -S 0` of a raw source of zeros, all of which are written: the length of a full image.
    ConvertAll,
}

/// In what the disk is handed to qemu-img.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A sparse file.
    Raw,
    /// A qcow2 image with clusters of so many bytes.
    Qcow2(u64),
}

impl Question {
    /// What the calculators are asked.
    pub(crate) fn summary(&self) -> AllocationSummary {
        let data = self.data();
        let unit = model::calculators::unit(&self.options, self.size);
        let summary = AllocationSummary::new(self.size, qemu::bytes_of(&data));
        // No unit is counted where the option names none.
        match unit {
            0 => summary,
            unit => summary.with_touched(unit, qemu::touched(&data, unit)),
        }
    }

    /// The pieces of the disk that hold data, in order.
    pub(crate) fn data(&self) -> Vec<Piece> {
        if self.way == Way::ConvertAll {
            return vec![(0, self.size)];
        }
        self.fills
            .iter()
            .filter(|fill| fill.with != With::Zeroes)
            .map(|fill| (fill.start, fill.end))
            .collect()
    }

    /// A question about an empty disk.
    pub const fn empty(options: Options, size: u64, way: Way) -> Self {
        Self {
            options,
            size,
            fills: Vec::new(),
            way,
        }
    }

    /// The same question of less, in every way that makes it one step simpler, and with each of the simpler
    /// `options`.
    pub(crate) fn simpler(&self, options: Vec<Options>) -> Vec<Self> {
        let mut all = Vec::new();
        for nth in 0..self.fills.len() {
            let mut fewer = self.clone();
            fewer.fills.remove(nth);
            all.push(fewer);
        }
        let last = self.fills.last().map_or(0, |fill| fill.end);
        for size in [last, self.size / 2, self.size & !511, self.size & !0xffff] {
            if (last..self.size).contains(&size) {
                all.push(Self {
                    size,
                    ..self.clone()
                });
            }
        }
        all.extend(options.into_iter().map(|options| Self {
            options,
            ..self.clone()
        }));
        all
    }

    pub(crate) fn in_words(&self) -> String {
        let way = match self.way {
            Way::MeasureSize => "measure --size",
            Way::Measure(Source::Raw) => "measure of a raw file",
            Way::Measure(Source::Qcow2(_)) => "measure of a qcow2 file",
            Way::Create => "create",
            Way::Convert(Source::Raw) => "convert of a raw file",
            Way::Convert(Source::Qcow2(_)) => "convert of a qcow2 file",
            Way::ConvertAll => "convert -S 0",
        };
        format!(
            "qemu-img {way}: {:?}, a disk of {} bytes with {:?}",
            self.options, self.size, self.fills
        )
    }
}
