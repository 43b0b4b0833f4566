//! Raw images: the disk's bytes and nothing else.

use anyhow::Result;
use fastrand::Rng;
use harness_core::subject::ScanFormat;
use measure::MeasureError;
use shared::ScanError;
use types::Options as CalcOptions;

use crate::calc_input::{CalcSeed, Fields};
use crate::differential::draw::{LARGEST_FILE, draw_measured};
use crate::differential::evidence::{AskedImage, Known, TheirAnswer, TheirImage};
use crate::differential::qemu::Inconclusive;
use crate::differential::question::{Question, Way};
use crate::format::{Format, Scan, Scanned};
use crate::options::Options;
use crate::target::Target;

/// The format.
pub struct Raw;

impl Format for Raw {
    fn name(&self) -> &'static str {
        "raw"
    }

    fn scanned(&self) -> Option<ScanFormat> {
        None
    }

    fn begins(&self, _head: &[u8]) -> bool {
        false
    }

    /// There is nothing to scan: what a raw image holds the file system knows.
    fn scan(&self, _scan: Scan<'_>) -> Result<Scanned, ScanError> {
        Err(ScanError::NotThisFormat)
    }

    fn option_table(&self) -> &'static str {
        "preallocation  text  off, falloc or full; the size is the same
         size           size  ignored: --size or FILE gives it"
    }

    fn target(&self, options: &Options, _secrets: &[String]) -> Result<Target> {
        options.one_of("preallocation", &["off", "falloc", "full"])?;
        Ok(Target::new(self.qemu_name(), CalcOptions::Raw))
    }

    fn defaults(&self) -> CalcOptions {
        CalcOptions::Raw
    }

    fn fields(&self, _options: &CalcOptions) -> Fields {
        Fields::default()
    }

    fn arguments(&self, _options: &CalcOptions) -> String {
        String::new()
    }

    fn draw(&self, random: &mut Rng) -> Question {
        draw_measured(CalcOptions::Raw, LARGEST_FILE, random)
    }

    fn ask(&self, _asked: &AskedImage<'_>) -> Result<TheirImage, Inconclusive> {
        Err(Inconclusive("a raw image has no scanner".to_owned()))
    }

    fn known(&self) -> &'static [Known] {
        KNOWN
    }

    fn calc_seeds(&self, seeds: &mut Vec<CalcSeed>) {
        for (name, size) in [
            ("raw-of-size-0", 0),
            ("raw-1-byte", 1),
            ("raw-1m", 1 << 20),
            ("raw-1t", 1 << 40),
            ("raw-largest", (1 << 63) - 512),
        ] {
            seeds.push(CalcSeed::new(name, CalcOptions::Raw).disk(size, size / 2));
        }
    }
}

const KNOWN: &[Known] = &[Known::calculator(
    "raw-negative-size",
    "qemu-img prints 2^63 bytes as a negative number; we answer that they do not fit",
    |evidence| {
        evidence.ours == Err(MeasureError::Overflow)
            && *evidence.theirs == TheirAnswer::Sizes(i64::MIN, i64::MIN)
    },
    || Question::empty(CalcOptions::Raw, (1 << 63) - 1, Way::MeasureSize),
)];
