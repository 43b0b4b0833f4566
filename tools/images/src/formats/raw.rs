//! Raw images: the disk's bytes and nothing else.

use anyhow::Result;
use fastrand::Rng;
use measure::MeasureError;
use types::Options as CalcOptions;

use crate::differential::draw::{LARGEST_FILE, draw_measured};
use crate::differential::evidence::{KnownAnswer, TheirAnswer};
use crate::differential::question::{Question, Way};
use crate::file::ImageFile;
use crate::format::{Driver, Format};
use crate::layer::{self, Scanned, Unit};
use crate::map::Flat;
use crate::options::Options;
use crate::target::Target;

pub(super) static RAW: Format = Format {
    name: "raw",
    qemu_name: "raw",
    scanned: None,
    options: include_str!("raw/options.txt"),
    known_answers: ANSWERS,
    condition: |name, _| panic!("no condition {name}"),
    known: include_str!("raw/known.txt"),
    calc_seeds: include_str!("raw/calc_seeds.txt"),
    scan_seeds: "",
    driver: &Raw,
};

struct Raw;

impl Driver for Raw {
    /// A raw disk has whole sectors of 512 bytes, as for qemu-img, and its data is what the file system
    /// has stored.
    fn scan(&self, image: &ImageFile, _: u32, unit: Unit) -> Result<Scanned> {
        let size = image.length.next_multiple_of(512);
        Ok(Scanned {
            summary: layer::stored(image, size, &Flat(0), unit)?,
            sector_reads: 0,
            tables: Box::new(Flat(0)),
        })
    }

    fn target(&self, options: &Options, _secrets: &[String]) -> Result<Target> {
        options.one_of("preallocation", &["off", "falloc", "full"])?;
        Ok(Target::new("raw", CalcOptions::Raw))
    }

    fn defaults(&self) -> CalcOptions {
        CalcOptions::Raw
    }

    fn draw(&self, random: &mut Rng) -> Question {
        draw_measured(CalcOptions::Raw, LARGEST_FILE, random)
    }
}

const ANSWERS: &[KnownAnswer] = &[KnownAnswer {
    id: "raw-negative-size",
    applies: |evidence| {
        evidence.ours == Err(MeasureError::Overflow)
            && *evidence.theirs == TheirAnswer::Sizes(i64::MIN, i64::MIN)
    },
    example: || Question::empty(CalcOptions::Raw, (1 << 63) - 1, Way::MeasureSize),
}];
