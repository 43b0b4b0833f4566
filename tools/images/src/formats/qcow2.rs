//! qcow2: QEMU's own format, version 2 or 3.

mod bitmaps;
mod known;
pub(crate) mod luks;
mod map;
mod refcounts;

use anyhow::{Result, bail, ensure};
use fastrand::Rng;
use harness_core::subject::ScanFormat;
use measure::{Preallocation, Qcow2Opts};
use qcow2::Qcow2State;
use recipes::qcow2::header::DATA_FILE;
use types::Options as CalcOptions;

use crate::differential::draw::{draw_measured, once_in, pick};
use crate::differential::evidence::{AskedImage, TheirImage};
use crate::differential::qemu::Inconclusive;
use crate::differential::question::Question;
use crate::file::ImageFile;
use crate::format::{Driver, Format};
use crate::layer::{Scanned, Unit, scan_tables};
use crate::options::{Options, choice_of};
use crate::target::{Base, Target};

pub(super) static QCOW2: Format = Format {
    name: "qcow2",
    qemu_name: "qcow2",
    scanned: Some(ScanFormat::Qcow2),
    options: include_str!("qcow2/options.txt"),
    known_answers: known::ANSWERS,
    condition: known::condition,
    known: include_str!("qcow2/known.txt"),
    calc_seeds: include_str!("qcow2/calc_seeds.txt"),
    scan_seeds: include_str!("qcow2/seeds.txt"),
    driver: &Qcow2,
};

struct Qcow2;

const PREALLOCATIONS: [(&str, Preallocation); 4] = [
    ("off", Preallocation::Off),
    ("metadata", Preallocation::Metadata),
    ("falloc", Preallocation::Falloc),
    ("full", Preallocation::Full),
];

impl Driver for Qcow2 {
    fn scan(&self, image: &ImageFile, sector_size: u32, unit: Unit) -> Result<Scanned> {
        scan_tables(image, sector_size, |calls, [first, second]| {
            let mut state = Qcow2State::init(calls, 0, first, second)?;
            let header = *state.header();
            let summary = state.scan_allocation(header.virtual_size, unit)?;
            Ok((summary, Box::new(map::Qcow2Tables(header))))
        })
    }

    fn target(&self, options: &Options, secrets: &[String]) -> Result<Target> {
        let opts = Qcow2Opts {
            cluster_size: cluster_size(options)?,
            refcount_bits: refcount_bits(options)?,
            compat_v3: options.choice("compat", &[("1.1", true), ("0.10", false)])?,
            extended_l2: options.switch("extended_l2"),
            lazy_refcounts: options.switch("lazy_refcounts"),
            compress: false,
            preallocation: options.choice("preallocation", &PREALLOCATIONS)?,
            luks_header_overhead: luks::overhead(options, secrets)?,
        };
        let is_zstd = options.choice("compression_type", &[("zlib", false), ("zstd", true)])?;
        for (is_used, name) in [
            (opts.refcount_bits != 16, "refcount_bits other than 16"),
            (opts.extended_l2, "extended_l2"),
            (opts.lazy_refcounts, "lazy_refcounts"),
            (is_zstd, "compression_type=zstd"),
            (options.has("data_file"), "data_file"),
        ] {
            ensure!(opts.compat_v3 || !is_used, "-o {name} needs compat=1.1");
        }
        ensure!(
            !opts.extended_l2 || opts.cluster_size >= 16384,
            "-o extended_l2 needs a cluster_size of 16k or more"
        );
        let has_base = options.names_base()?;
        ensure!(
            !has_base || opts.preallocation == Preallocation::Off || opts.extended_l2,
            "-o preallocation and backing_file go together only with extended_l2"
        );
        ensure!(
            !options.switch("data_file_raw") || options.has("data_file"),
            "-o data_file_raw needs data_file"
        );
        ensure!(
            !options.switch("data_file_raw") || !has_base,
            "-o data_file_raw and backing_file do not go together"
        );
        ensure!(
            options.text("data_file") != Some(""),
            "-o data_file: a name is missing"
        );
        let mut target = Target::new("qcow2", CalcOptions::Qcow2(opts));
        if has_base {
            target.base = Base::AllMayBeWritten;
        }
        if options.has("data_file") {
            let note = "the data is counted here, though it goes to the data_file";
            target.notes.push(note);
        }
        target.bitmap_cluster_size = opts.compat_v3.then_some(u64::from(opts.cluster_size));
        Ok(target)
    }

    fn defaults(&self) -> CalcOptions {
        CalcOptions::Qcow2(Qcow2Opts::default())
    }

    fn fields(&self, options: &CalcOptions) -> Vec<(&'static str, u64)> {
        let opts = of(options);
        let (preallocation, _) = choice_of(&PREALLOCATIONS, &opts.preallocation);
        // What is no width stands last in the target's table.
        let refcount = match opts.refcount_bits {
            bits if bits.is_power_of_two() && bits <= 64 => bits.ilog2(),
            _ => 7,
        };
        let flags = [
            opts.extended_l2,
            opts.lazy_refcounts,
            opts.compat_v3,
            opts.compress,
        ];
        let flags = (0..)
            .zip(flags)
            .map(|(bit, is_set)| u64::from(is_set) << bit);
        vec![
            ("refcount", refcount.into()),
            ("flags", flags.sum()),
            ("preallocation", preallocation),
            ("cluster", opts.cluster_size.into()),
            ("luks", opts.luks_header_overhead.unwrap_or(0)),
        ]
    }

    fn arguments(&self, options: &CalcOptions) -> String {
        let opts = of(options);
        let on = |flag| if flag { "on" } else { "off" };
        let (_, preallocation) = choice_of(&PREALLOCATIONS, &opts.preallocation);
        format!(
            "cluster_size={},refcount_bits={},compat={},extended_l2={},lazy_refcounts={},preallocation={}",
            opts.cluster_size,
            opts.refcount_bits,
            if opts.compat_v3 { "1.1" } else { "0.10" },
            on(opts.extended_l2),
            on(opts.lazy_refcounts),
            preallocation,
        )
    }

    /// Which data clusters are there from the start is no matter of what is legal, but of time.
    fn quick_to_create(&self, options: CalcOptions) -> CalcOptions {
        CalcOptions::Qcow2(Qcow2Opts {
            preallocation: Preallocation::Off,
            ..of(&options)
        })
    }

    fn draw(&self, random: &mut Rng) -> Question {
        let opts = draw_options(random);
        // The largest disk that the L1 table of such an image covers.
        let cluster = u64::from(opts.cluster_size);
        let entry = if opts.extended_l2 { 16 } else { 8 };
        let covered = (cluster / entry).saturating_mul(cluster);
        let limit = covered.saturating_mul(4 << 20);
        draw_measured(CalcOptions::Qcow2(opts), limit, random)
    }

    fn ask(&self, asked: &AskedImage<'_>) -> Result<TheirImage, Inconclusive> {
        make_data_file(asked)?;
        let AskedImage { qemu, folder, .. } = asked;
        // The file itself is asked about, not what it is to lie upon.
        let opened =
            r#"json:{"driver":"qcow2","backing":null,"file":{"driver":"file","filename":"image"}}"#;
        let mut theirs = TheirImage::new(qemu.map(folder, opened)?);
        if asked.truth.is_some_and(|truth| !truth.is_refused()) && theirs.disk.is_ok() {
            let ended = qemu.run(folder, &format!("qemu-img check {opened}"))?;
            if !ended.is_ok() {
                theirs.check = Some(format!("{}{}", ended.stdout, ended.stderr));
            }
        }
        Ok(theirs)
    }
}

/// The calculator's options of a qcow2 image.
fn of(options: &CalcOptions) -> Qcow2Opts {
    match options {
        CalcOptions::Qcow2(opts) => *opts,
        _ => Qcow2Opts::default(),
    }
}

fn cluster_size(options: &Options) -> Result<u32> {
    let bytes = options.number("cluster_size").unwrap_or(65536);
    match u32::try_from(bytes) {
        Ok(size) if size.is_power_of_two() && (512..=2 << 20).contains(&size) => Ok(size),
        _ => bail!("-o cluster_size: expected a power of two from 512 to 2M"),
    }
}

fn refcount_bits(options: &Options) -> Result<u8> {
    let bits = options.number("refcount_bits").unwrap_or(16);
    match u8::try_from(bits) {
        Ok(bits) if bits.is_power_of_two() && bits <= 64 => Ok(bits),
        _ => bail!("-o refcount_bits: expected a power of two from 1 to 64"),
    }
}

fn draw_options(random: &mut Rng) -> Qcow2Opts {
    let preallocation = PREALLOCATIONS[random.usize(..5).saturating_sub(1)].1;
    let legal = Qcow2Opts {
        cluster_size: 1 << (9 + random.u32(..13)),
        refcount_bits: 1 << random.u32(..7),
        compat_v3: true,
        extended_l2: once_in(random, 3),
        lazy_refcounts: once_in(random, 4),
        compress: once_in(random, 4),
        preallocation,
        luks_header_overhead: None,
    };
    match random.u8(..16) {
        0 => Qcow2Opts {
            cluster_size: pick(random, &[0, 1, 256, 511, 513, 3 << 16, 4 << 20, 1 << 31]),
            ..legal
        },
        1 => Qcow2Opts {
            refcount_bits: 0xff,
            ..legal
        },
        2 => Qcow2Opts {
            compat_v3: false,
            ..legal
        },
        3..6 => Qcow2Opts {
            compat_v3: false,
            refcount_bits: 16,
            extended_l2: false,
            lazy_refcounts: false,
            ..legal
        },
        // Small clusters cannot have subclusters.
        6 => legal,
        _ => Qcow2Opts {
            extended_l2: legal.extended_l2 && legal.cluster_size >= 16384,
            ..legal
        },
    }
}

/// Makes the external data file that the image's header needs.
fn make_data_file(asked: &AskedImage<'_>) -> Result<(), Inconclusive> {
    let mut features = [0; 8];
    asked.image.read(72, &mut features);
    if features[7] & 4 == 0 {
        return Ok(());
    }
    std::fs::File::create(asked.folder.join(DATA_FILE))
        .and_then(|file| file.set_len(1 << 30))
        .map_err(|error| Inconclusive(format!("{DATA_FILE}: {error}")))
}
