//! VHD: Microsoft's older format, which qemu-img calls `vpc`.

mod known;

use anyhow::Result;
use fastrand::Rng;
use harness_core::subject::ScanFormat;
use measure::{VhdOpts, VhdSubformat};
use types::Options as CalcOptions;
use vhd::VhdState;

use crate::differential::draw::{draw_written, once_in, pick};
use crate::differential::evidence::{AskedImage, TheirImage};
use crate::differential::qemu::Inconclusive;
use crate::differential::question::Question;
use crate::file::ImageFile;
use crate::format::{Driver, Format, by_map};
use crate::layer::{Scanned, Unit, scan_tables};
use crate::map::{Blocks, Entries, Flat};
use crate::options::{Options, choice_of};
use crate::target::Target;

const SECTOR: u64 = 512;
/// The table entry of a block that is not in the file.
const ABSENT: u32 = 0xffff_ffff;

/// In the order of the target's selector.
const SUBFORMATS: [(&str, VhdSubformat); 2] = [
    ("dynamic", VhdSubformat::Dynamic),
    ("fixed", VhdSubformat::Fixed),
];

pub(super) static VHD: Format = Format {
    name: "vhd",
    qemu_name: "vpc",
    scanned: Some(ScanFormat::Vhd),
    options: include_str!("vhd/options.txt"),
    known_answers: known::ANSWERS,
    condition: known::condition,
    known: include_str!("vhd/known.txt"),
    calc_seeds: include_str!("vhd/calc_seeds.txt"),
    scan_seeds: include_str!("vhd/seeds.txt"),
    driver: &Vhd,
};

struct Vhd;

impl Driver for Vhd {
    fn scan(&self, image: &ImageFile, sector_size: u32, unit: Unit) -> Result<Scanned> {
        scan_tables(image, sector_size, |calls, [first, second]| {
            let mut state = VhdState::init(calls, 0, first, second)?;
            let summary = state.scan_allocation(unit)?;
            let Some((block_size, start)) = state.block_size().zip(state.table_offset()) else {
                return Ok((summary, Box::new(Flat(0))));
            };
            let block_size = u64::from(block_size);
            // Before a block lie the bits of its sectors, in whole sectors.
            let bitmap = (block_size / SECTOR).div_ceil(8).next_multiple_of(SECTOR);
            let place = move |entries: &mut Entries<'_>, block: u64| {
                let sector = u32::from_be_bytes(entries.read(start + block * 4)?);
                Ok((sector != ABSENT).then_some(u64::from(sector) * SECTOR + bitmap))
            };
            Ok((summary, Box::new(Blocks { block_size, place })))
        })
    }

    fn parent_name(&self, bytes: &[u8]) -> Option<String> {
        let name = super::utf16(bytes, u16::from_be_bytes);
        Some(name).filter(|name| !name.is_empty())
    }

    fn target(&self, options: &Options, _secrets: &[String]) -> Result<Target> {
        let opts = VhdOpts {
            subformat: options.choice("subformat", &SUBFORMATS)?,
            force_size: options.switch("force_size"),
            ..VhdOpts::default()
        };
        Ok(Target::new("vpc", CalcOptions::Vhd(opts)))
    }

    fn defaults(&self) -> CalcOptions {
        CalcOptions::Vhd(VhdOpts::default())
    }

    fn fields(&self, options: &CalcOptions) -> Vec<(&'static str, u64)> {
        let opts = of(options);
        vec![
            ("vhd", choice_of(&SUBFORMATS, &opts.subformat).0),
            ("flags", u64::from(opts.force_size) << 4),
            ("block", opts.block_size.into()),
        ]
    }

    fn arguments(&self, options: &CalcOptions) -> String {
        let opts = of(options);
        let (_, subformat) = choice_of(&SUBFORMATS, &opts.subformat);
        let force = if opts.force_size { "on" } else { "off" };
        format!("subformat={subformat},force_size={force}")
    }

    fn grows(&self, options: &CalcOptions) -> bool {
        !of(options).force_size
    }

    fn draw(&self, random: &mut Rng) -> Question {
        let fixed = once_in(random, 3);
        let options = CalcOptions::Vhd(VhdOpts {
            subformat: SUBFORMATS[usize::from(fixed)].1,
            // The only size that qemu-img writes.
            block_size: 2 << 20,
            force_size: once_in(random, 3),
        });
        let geometries = [
            17 * 4 * 1024,
            17 * 16 * 1024,
            31 * 16 * 1024,
            65535 * 16 * 63,
            65535 * 16 * 255,
            0xff00_0000,
        ];
        let limit = pick(random, &geometries) * SECTOR;
        draw_written(options, limit, limit, random)
    }

    fn ask(&self, asked: &AskedImage<'_>) -> Result<TheirImage, Inconclusive> {
        let mut theirs = by_map(asked)?;
        let is_fixed = asked
            .truth
            .is_none_or(|truth| truth.extents() == [(0, truth.virtual_size)]);
        if let (Ok(disk), true) = (&mut theirs.disk, is_fixed) {
            // Of a fixed disk, map reports the holes of the file.
            disk.data = None;
        }
        Ok(theirs)
    }
}

/// The calculator's options of a VHD image.
fn of(options: &CalcOptions) -> VhdOpts {
    match options {
        CalcOptions::Vhd(opts) => *opts,
        _ => VhdOpts::default(),
    }
}
