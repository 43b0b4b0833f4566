//! What a format of disk images is: one trait, which each file of `formats/` implements.
//!
//! Whoever adds a format writes that file and a row in [`crate::formats`].

use std::fmt;
use std::fs::File;
use std::io;
use std::num::NonZeroU64;

use anyhow::Result;
use fastrand::Rng;
use harness_core::subject::ScanFormat;
use shared::{AllocationSummary, CallTable, ScanError};
use types::Options as CalcOptions;

use super::calc_input::{CalcSeed, Fields};
use super::differential::evidence::{AskedImage, Known, TheirImage};
use super::differential::qemu::{IMAGE, Inconclusive};
use super::differential::question::Question;
use super::map::Tables;
use super::options::Options;
use super::target::Target;

/// The only device index that a scanner is given.
pub const DEVICE: u32 = 0;

/// What a scanner needs: how to read, two buffers of a sector each, and the unit to count for a disk of a size.
pub struct Scan<'a> {
    /// How to read the image.
    pub calls: CallTable<'a>,
    /// Two buffers of a sector each.
    pub caches: [&'a mut [u8]; 2],
    /// The unit to count data in, in bytes, for a disk of so many bytes.
    pub unit: &'a dyn Fn(u64) -> Option<NonZeroU64>,
}

/// An answer of a scanner: the disk, and where its tables are.
pub type Scanned = (AllocationSummary, Box<dyn Tables>);

/// A format of disk images.
pub trait Format: Sync {
    /// The name in reports, in seeds and in the project.
    fn name(&self) -> &'static str;

    /// The name that qemu-img uses.
    fn qemu_name(&self) -> &'static str {
        self.name()
    }

    /// The format of its scanner; `None` when it has none.
    fn scanned(&self) -> Option<ScanFormat>;

    /// Whether an image of the format begins with these bytes, up to 512.
    fn begins(&self, head: &[u8]) -> bool;

    /// Whether a file of `length` bytes whose start shows no format is known by its end.
    ///
    /// # Errors
    /// When the file cannot be read.
    fn ends(&self, _file: &File, _length: u64) -> io::Result<bool> {
        Ok(false)
    }

    /// Scans an image.
    ///
    /// # Errors
    /// The scanner's.
    fn scan(&self, scan: Scan<'_>) -> Result<Scanned, ScanError>;

    /// The options that images are made with: a table as [`crate::options::specs`] reads it.
    fn option_table(&self) -> &'static str;

    /// What to measure for images made with `options`. `secrets` are the ids of the secrets there are.
    ///
    /// # Errors
    /// When a value is out of bounds, options do not go together, or one makes an image whose size is
    /// not known; the message names it.
    fn target(&self, options: &Options, secrets: &[String]) -> Result<Target>;

    /// The calculator with its default options.
    fn defaults(&self) -> CalcOptions;

    /// The fields of an input of `fuzz_measure_calc` that hold the calculator's options.
    fn fields(&self, options: &CalcOptions) -> Fields;

    /// The calculator's options for qemu-img's `-o`.
    fn arguments(&self, options: &CalcOptions) -> String;

    /// Simpler options, each in one way, for making a difference small.
    fn simpler(&self, _options: &CalcOptions) -> Vec<CalcOptions> {
        Vec::new()
    }

    /// The options with which `qemu-img create` shows fastest whether they are legal.
    fn quick_to_create(&self, options: CalcOptions) -> CalcOptions {
        options
    }

    /// The file to measure once qemu-img has written [`IMAGE`].
    fn written_file(&self, _options: &CalcOptions) -> &'static str {
        IMAGE
    }

    /// Whether the calculator's answer to this question is an upper bound.
    fn is_bound(&self, _question: &Question) -> bool {
        false
    }

    /// Whether the disk may be larger than it was asked to be.
    fn grows(&self, _options: &CalcOptions) -> bool {
        false
    }

    /// Draws a question to the calculator.
    fn draw(&self, random: &mut Rng) -> Question;

    /// What qemu-img reports about an image made from a recipe.
    ///
    /// # Errors
    /// When a tool crashes or takes too long.
    fn ask(&self, asked: &AskedImage<'_>) -> Result<TheirImage, Inconclusive>;

    /// Compares what QEMU reads from a sound image with the recipe, where `ask` could not; the complaint, if
    /// there is one.
    ///
    /// # Errors
    /// When a tool crashes or takes too long.
    fn verify_content(&self, _asked: &AskedImage<'_>) -> Result<Option<String>, Inconclusive> {
        Ok(None)
    }

    /// The known differences from QEMU.
    fn known(&self) -> &'static [Known];

    /// Adds the seeds of `fuzz_measure_calc` that are peculiar to the format.
    fn calc_seeds(&self, seeds: &mut Vec<CalcSeed>);

    /// How the images for seeds of `fuzz_measure_scan` are made: a table as [`crate::seeds::recipe`] reads it.
    fn scan_seeds(&self) -> &'static str {
        ""
    }
}

/// A format in the table of all formats.
pub type FormatRef = &'static dyn Format;

impl PartialEq for dyn Format {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl fmt::Display for dyn Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.qemu_name())
    }
}

impl fmt::Debug for dyn Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
