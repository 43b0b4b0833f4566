//! VHDX: Microsoft's newer format.

mod blocks;
mod known;

use anyhow::{Result, bail, ensure};
use fastrand::Rng;
use harness_core::subject::ScanFormat;
use measure::VhdxOpts;
use types::Options as CalcOptions;
use vhdx::VhdxState;

use crate::differential::draw::{draw_written, pick};
use crate::differential::evidence::{AskedImage, TheirImage};
use crate::differential::qemu::{self, Inconclusive};
use crate::differential::question::Question;
use crate::file::ImageFile;
use crate::format::{Driver, Format};
use crate::layer::{Scanned, Unit, scan_tables};
use crate::map::{Blocks, Entries};
use crate::options::Options;
use crate::target::Target;

const MIB: u64 = 1 << 20;
const TIB: u64 = 1 << 40;
/// How many sectors the bits of a sector bitmap block stand for (MS-VHDX 2.5).
const SECTORS_IN_CHUNK: u64 = 1 << 23;
/// The state of a block that is in the file, and the bits that hold it (MS-VHDX 2.5.1.1).
const PRESENT: u64 = 6;
const STATE: u64 = 7;

pub(super) static VHDX: Format = Format {
    name: "vhdx",
    qemu_name: "vhdx",
    scanned: Some(ScanFormat::Vhdx),
    options: include_str!("vhdx/options.txt"),
    known_answers: known::ANSWERS,
    condition: known::condition,
    known: include_str!("vhdx/known.txt"),
    calc_seeds: include_str!("vhdx/calc_seeds.txt"),
    scan_seeds: include_str!("vhdx/seeds.txt"),
    driver: &Vhdx,
};

struct Vhdx;

impl Driver for Vhdx {
    fn scan(&self, image: &ImageFile, sector_size: u32, unit: Unit) -> Result<Scanned> {
        scan_tables(image, sector_size, |calls, [first, second]| {
            let mut state = VhdxState::init(calls, 0, first, second)?;
            let summary = state.scan_allocation(unit)?;
            let (start, block_size) = (state.table_offset(), u64::from(state.block_size()));
            // After so many blocks' entries comes one of a sector bitmap.
            let chunk_ratio =
                SECTORS_IN_CHUNK * u64::from(state.logical_sector_size()) / block_size;
            let place = move |entries: &mut Entries<'_>, block: u64| {
                let at = start + (block + block / chunk_ratio) * 8;
                let entry = u64::from_le_bytes(entries.read(at)?);
                Ok((entry & STATE == PRESENT).then_some(entry & !(MIB - 1)))
            };
            Ok((summary, Box::new(Blocks { block_size, place })))
        })
    }

    /// The first path in a parent locator: MS-VHDX 2.6.2.6. An entry has where a key and its value begin, four bytes
    /// each, then their lengths.
    fn parent_name(&self, locator: &[u8]) -> Option<String> {
        let mut pairs = locator.get(20..)?.as_chunks().0.iter();
        pairs.find_map(|&[a, b, c, d, e, f, g, h, i, j, k, l]: &[u8; 12]| {
            let text = |start: [u8; 4], length: [u8; 2]| {
                let bytes = locator.get(u32::from_le_bytes(start) as usize..)?;
                let bytes = bytes.get(..u16::from_le_bytes(length).into())?;
                Some(super::utf16(bytes, u16::from_le_bytes))
            };
            let is_path = text([a, b, c, d], [i, j])?.ends_with("path");
            is_path.then(|| text([e, f, g, h], [k, l]))?
        })
    }

    fn target(&self, options: &Options, _secrets: &[String]) -> Result<Target> {
        if options.text("subformat") == Some("fixed") {
            bail!(
                "-o subformat=fixed cannot be answered: by default, qemu-img writes the payload of a \
                 fixed VHDX behind the room that it has allocated for it"
            );
        }
        options.one_of("subformat", &["dynamic"])?;
        // qemu-img rounds up to whole MiB, then cuts, then looks.
        let block_size = options.number("block_size").unwrap_or(0);
        let block_size = block_size.div_ceil(MIB).min(256) * MIB;
        ensure!(
            block_size == 0 || block_size.is_power_of_two(),
            "-o block_size: expected a power of two from 1M to 256M, or 0"
        );
        let log_size = options.number("log_size").unwrap_or(MIB);
        ensure!(
            (1..4096 * MIB).contains(&log_size),
            "-o log_size: expected 1M or more and less than 4G"
        );
        let mut target = Target::new("vhdx", with(u32::try_from(block_size)?));
        target.extra = (log_size.div_ceil(MIB) - 1) * MIB;
        Ok(target)
    }

    fn defaults(&self) -> CalcOptions {
        with(0)
    }

    fn fields(&self, options: &CalcOptions) -> Vec<(&'static str, u64)> {
        vec![("block", block_size(options).into())]
    }

    fn arguments(&self, options: &CalcOptions) -> String {
        format!("subformat=dynamic,block_size={}", block_size(options))
    }

    fn draw(&self, random: &mut Rng) -> Question {
        let block_size = match random.u8(..16) {
            0 => pick(
                random,
                &[
                    1,
                    1 << 19,
                    (1 << 20) + 1,
                    3 << 20,
                    5 << 20,
                    1 << 29,
                    1 << 31,
                ],
            ),
            1..5 => 0,
            _ => 1 << (20 + random.u32(..9)),
        };
        let options = with(block_size);
        // A BAT of at most 16 MiB is quickly read and written.
        let quick = u64::from(block_size.max(1 << 20)).saturating_mul(2 << 20);
        let limit = pick(random, &[1 << 30, 100 << 30, 32 * TIB, 64 * TIB, quick]);
        let mut question = draw_written(options, limit.min(quick), quick, random);
        if question.size == 0 && model::calculators::unit(&options, 0) > 8 * MIB {
            // The table that QEMU writes for a disk of no blocks would be one of gigabytes.
            question.size = 1;
        }
        // QEMU writes the rest of a new block.
        let block = model::calculators::unit(&options, question.size).max(1);
        let most = (64 * MIB / block).max(1);
        while qemu::touched(&question.data(), block) > most && question.fills.pop().is_some() {}
        question
    }

    /// `qemu-img map` calls all of a VHDX image data, so only its size is asked for.
    fn ask(&self, asked: &AskedImage<'_>) -> Result<TheirImage, Inconclusive> {
        let disk = asked.qemu.info(asked.folder, "-f vhdx image")?;
        Ok(TheirImage::new(disk))
    }

    fn verify_content(&self, asked: &AskedImage<'_>) -> Result<Option<String>, Inconclusive> {
        blocks::verify(asked)
    }
}

/// The block size of a VHDX calculator's options, in bytes.
fn block_size(options: &CalcOptions) -> u32 {
    match options {
        CalcOptions::Vhdx(opts) => opts.block_size,
        _ => 0,
    }
}

fn with(block_size: u32) -> CalcOptions {
    CalcOptions::Vhdx(VhdxOpts { block_size })
}
