//! What a format of disk images is: names, tables and a driver, which each file of `formats/` has.
//!
//! Whoever adds a format writes that file and a row in [`crate::formats`].

use std::fmt;

use anyhow::Result;
use fastrand::Rng;
use harness_core::subject::ScanFormat;
use types::Options as CalcOptions;

use super::differential::evidence::{AskedImage, ImageEvidence, KnownAnswer, TheirImage};
use super::differential::qemu::{IMAGE, Inconclusive};
use super::differential::question::Question;
use super::file::ImageFile;
use super::layer::{Scanned, Unit};
use super::options::Options;
use super::target::Target;

/// A format of disk images: its names, its tables, and its driver.
pub(crate) struct Format {
    /// The name in reports, in seeds and in the project.
    pub name: &'static str,
    /// The name that qemu-img uses.
    pub qemu_name: &'static str,
    /// The format of its scanner; `None` when it has none.
    pub scanned: Option<ScanFormat>,
    /// The options that images are made with: a table as [`crate::options::specs`] reads it.
    pub options: &'static str,
    /// The known differences from QEMU: a table as [`crate::differential::known`] reads it.
    pub known: &'static str,
    /// Whether a condition in that table holds. It panics when there is no such condition.
    pub condition: fn(name: &str, evidence: &ImageEvidence<'_>) -> bool,
    /// How those are detected that are about questions.
    pub known_answers: &'static [KnownAnswer],
    /// The seeds of `fuzz_measure_calc`: a table as [`crate::seeds::calc`] reads it.
    pub calc_seeds: &'static str,
    /// How the images for seeds of `fuzz_measure_scan` are made: a table as [`crate::seeds::recipe`] reads it.
    pub scan_seeds: &'static str,
    /// What needs code.
    pub driver: &'static dyn Driver,
}

/// What a format needs code for.
pub(crate) trait Driver: Sync {
    /// Scans an image, reading sectors of `sector_size` bytes; counts the units of `unit` bytes that data touches,
    /// when given. Fails as the scanner does, or because the file is only a part of an image.
    fn scan(&self, image: &ImageFile, sector_size: u32, unit: Unit) -> Result<Scanned>;

    /// The parent that a differencing VHD or VHDX names in these bytes of it, its `parent` in `types::Facts`.
    fn parent_name(&self, _bytes: &[u8]) -> Option<String> {
        None
    }

    /// What to measure for images made with `options`. `secrets` are the ids of the secrets there are. Fails when a
    /// value is out of bounds, options do not go together, or one makes an image whose size is not known; the message
    /// names it.
    fn target(&self, options: &Options, secrets: &[String]) -> Result<Target>;

    /// The calculator with its default options.
    fn defaults(&self) -> CalcOptions;

    /// The fields of an input of `fuzz_measure_calc` that hold the calculator's options: their names in
    /// [`crate::calc_input`] and their values.
    fn fields(&self, _options: &CalcOptions) -> Vec<(&'static str, u64)> {
        Vec::new()
    }

    /// The calculator's options for qemu-img's `-o`.
    fn arguments(&self, _options: &CalcOptions) -> String {
        String::new()
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
    fn ask(&self, asked: &AskedImage<'_>) -> Result<TheirImage, Inconclusive> {
        by_map(asked)
    }

    /// Compares what QEMU reads from a sound image with the recipe, where `ask` could not; the complaint, if
    /// there is one.
    fn verify_content(&self, _asked: &AskedImage<'_>) -> Result<Option<String>, Inconclusive> {
        Ok(None)
    }
}

/// What `qemu-img map` reports about an image.
pub(super) fn by_map(asked: &AskedImage<'_>) -> Result<TheirImage, Inconclusive> {
    let opened = format!("-f {} {IMAGE}", asked.format.qemu_name);
    Ok(TheirImage::new(asked.qemu.map(asked.folder, &opened)?))
}

/// A format in the table of all formats.
pub(crate) type FormatRef = &'static Format;

impl PartialEq for Format {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.qemu_name)
    }
}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
