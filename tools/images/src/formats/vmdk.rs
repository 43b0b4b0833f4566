//! VMDK: VMware's format.

mod descriptor;
mod extents;
mod known;
mod map;

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use anyhow::{Result, bail, ensure};
use fastrand::Rng;
use harness_core::subject::ScanFormat;
use measure::{VmdkOpts, VmdkSubformat};
use model::readings::Readings;
use types::Options as CalcOptions;
use vmdk::VmdkState;

use crate::differential::draw::{LARGEST_FILE, draw_written, pick};
use crate::differential::evidence::{AskedImage, TheirImage};
use crate::differential::qemu::{IMAGE, Inconclusive};
use crate::differential::question::{Question, Source, Way};
use crate::file::ImageFile;
use crate::format::{Driver, Format, by_map};
use crate::layer::{Scanned, Unit, scan_tables};
use crate::options::{Options, choice_of};
use crate::target::{Base, Target};

pub(super) static VMDK: Format = Format {
    name: "vmdk",
    qemu_name: "vmdk",
    scanned: Some(ScanFormat::Vmdk),
    options: include_str!("vmdk/options.txt"),
    known_answers: known::ANSWERS,
    condition: known::condition,
    known: include_str!("vmdk/known.txt"),
    calc_seeds: include_str!("vmdk/calc_seeds.txt"),
    scan_seeds: include_str!("vmdk/seeds.txt"),
    driver: &Vmdk,
};

struct Vmdk;

/// In the order of the target's selector.
const SUBFORMATS: [(&str, VmdkSubformat); 3] = [
    ("monolithicSparse", VmdkSubformat::MonolithicSparse),
    ("streamOptimized", VmdkSubformat::StreamOptimized),
    ("monolithicFlat", VmdkSubformat::MonolithicFlat),
];

impl Driver for Vmdk {
    fn scan(&self, image: &ImageFile, sector_size: u32, unit: Unit) -> Result<Scanned> {
        if let Some(text) = descriptor::read(image)? {
            return extents::scan(image, &text, sector_size, unit);
        }
        let (scanned, text) = scan_sparse(image, sector_size, unit)?;
        descriptor::refuse_extent(&image.path, &text)?;
        Ok(scanned)
    }

    fn target(&self, options: &Options, _secrets: &[String]) -> Result<Target> {
        let adapters = ["ide", "lsilogic", "buslogic", "legacyESX"];
        options.one_of("adapter_type", &adapters)?;
        if let Some(name @ ("twoGbMaxExtentSparse" | "twoGbMaxExtentFlat")) =
            options.text("subformat")
        {
            bail!("-o subformat={name}: several files, whose sizes cannot be answered here");
        }
        let subformat = options.choice("subformat", &SUBFORMATS)?;
        let is_flat = subformat == VmdkSubformat::MonolithicFlat;
        let has_base = options.names_base()?;
        for (is_used, name) in [
            (options.switch("zeroed_grain"), "zeroed_grain"),
            (has_base, "backing_file"),
        ] {
            ensure!(
                !is_flat || !is_used,
                "-o {name} does not go with subformat=monolithicFlat"
            );
        }
        ensure!(
            !options.switch("compat6") || !options.has("hwversion"),
            "-o compat6 and hwversion do not go together"
        );
        ensure!(
            matches!(options.text("backing_fmt"), None | Some("vmdk")),
            "-o backing_fmt: expected vmdk"
        );
        let mut target = Target::new("vmdk", with(subformat));
        if has_base {
            target.base = Base::Unknown;
        }
        if subformat == VmdkSubformat::StreamOptimized {
            let note = "the sizes are bounds, for data that cannot be compressed";
            target.notes.push(note);
        }
        Ok(target)
    }

    fn defaults(&self) -> CalcOptions {
        CalcOptions::Vmdk(VmdkOpts::default())
    }

    fn fields(&self, options: &CalcOptions) -> Vec<(&'static str, u64)> {
        let opts = of(options);
        vec![
            ("vmdk", choice_of(&SUBFORMATS, &opts.subformat).0),
            ("grain", opts.grain_size.into()),
        ]
    }

    fn arguments(&self, options: &CalcOptions) -> String {
        let (_, subformat) = choice_of(&SUBFORMATS, &of(options).subformat);
        format!("subformat={subformat}")
    }

    fn written_file(&self, options: &CalcOptions) -> &'static str {
        match of(options).subformat {
            VmdkSubformat::MonolithicFlat => "image-flat",
            _ => IMAGE,
        }
    }

    /// The exact length of a stream is known only for data that does not deflate.
    fn is_bound(&self, question: &Question) -> bool {
        let grain = model::calculators::unit(&question.options, question.size);
        let whole = |at: u64| at.is_multiple_of(grain);
        let mut fills = question.fills.iter();
        let incompressible = matches!(question.way, Way::Convert(Source::Raw) | Way::Create)
            && fills.all(|fill| whole(fill.start) && whole(fill.end));
        of(&question.options).subformat == VmdkSubformat::StreamOptimized && !incompressible
    }

    fn draw(&self, random: &mut Rng) -> Question {
        use VmdkSubformat::{MonolithicFlat, MonolithicSparse, StreamOptimized};
        let subformats = [
            MonolithicSparse,
            MonolithicSparse,
            StreamOptimized,
            MonolithicFlat,
        ];
        let subformat = pick(random, &subformats);
        let limit = match subformat {
            MonolithicFlat => LARGEST_FILE,
            // From here on all of its numbers are cut to 32 bits. Its grains are always of 64 KiB.
            _ => ((1 << 32) - 512) * 65536,
        };
        let question = draw_written(with(subformat), limit, LARGEST_FILE, random);
        match (subformat, question.way) {
            // Zeros that are written are deflated.
            (StreamOptimized, Way::ConvertAll) => Question {
                way: Way::Create,
                ..question
            },
            // An empty flat disk has no extent, at which qemu-img aborts.
            (MonolithicFlat, _) => Question {
                size: question.size.clamp(1, LARGEST_FILE),
                ..question
            },
            _ => question,
        }
    }

    /// An input that is no recipe may lack the embedded descriptor, which scanners do not read and QEMU demands: it gets
    /// one, where that changes no table that any reader reads.
    fn ask(&self, asked: &AskedImage<'_>) -> Result<TheirImage, Inconclusive> {
        const ROOM: usize = 20 << 9;
        const TEXT: &[u8] = b"# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\n\
            createType=\"monolithicSparse\"\n";
        let mut room = [0; ROOM];
        asked.image.read(512, &mut room);
        let mut described = asked.image.clone();
        described.write(512, TEXT);
        let [before, after] =
            [asked.image, &described].map(|it| Readings::of(ScanFormat::Vmdk, it, None).answers);
        let is_free = room == [0; ROOM] && asked.image.capacity() > 21 << 9 && before == after;
        if asked.recipe.is_none() && is_free {
            let file = File::options().write(true).open(asked.folder.join(IMAGE));
            let written = file.and_then(|file| file.write_all_at(TEXT, 512));
            written.map_err(|error| Inconclusive(format!("{IMAGE}: {error}")))?;
        }
        by_map(asked)
    }
}

/// Scans a sparse extent; also the text in the place of its descriptor.
fn scan_sparse(image: &ImageFile, sector_size: u32, unit: Unit) -> Result<(Scanned, Vec<u8>)> {
    let mut text = Ok(Vec::new());
    let scanned = scan_tables(image, sector_size, |calls, [first, second]| {
        let mut state = VmdkState::init(calls, 0, first, second)?;
        let summary = state.scan_allocation(unit)?;
        text = map::descriptor(state.header(), image);
        Ok((summary, Box::new(map::VmdkTables(*state.header()))))
    })?;
    Ok((scanned, text?))
}

/// The calculator's options of a VMDK image.
fn of(options: &CalcOptions) -> VmdkOpts {
    match options {
        CalcOptions::Vmdk(opts) => *opts,
        _ => VmdkOpts::default(),
    }
}

fn with(subformat: VmdkSubformat) -> CalcOptions {
    CalcOptions::Vmdk(VmdkOpts {
        subformat,
        ..VmdkOpts::default()
    })
}
