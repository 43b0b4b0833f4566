//! A question to a calculator that can be put to qemu-img as well, and how one is drawn.

use harness_core::options::Options;
use measure::{Preallocation, Qcow2Opts, VhdOpts, VhdSubformat, VhdxOpts, VmdkOpts, VmdkSubformat};
use shared::AllocationSummary;

use super::Format;
use super::qemu::{self, Piece};
use super::random::Random;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const TIB: u64 = 1 << 40;

/// The largest file of zeros that is made for a case, in bytes; file systems have limits.
const LARGEST_FILE: u64 = TIB;

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
    #[must_use]
    pub fn summary(&self) -> AllocationSummary {
        let data = self.data();
        let unit = self.options.unit(self.size);
        let summary = AllocationSummary::new(self.size, qemu::bytes_of(&data));
        // No unit is counted where the option names none.
        match unit {
            0 => summary,
            unit => summary.with_touched(unit, qemu::touched(&data, unit)),
        }
    }

    /// The pieces of the disk that hold data, in order.
    #[must_use]
    pub fn data(&self) -> Vec<Piece> {
        if self.way == Way::ConvertAll {
            return vec![(0, self.size)];
        }
        self.fills
            .iter()
            .filter(|fill| fill.with != With::Zeroes)
            .map(|fill| (fill.start, fill.end))
            .collect()
    }

    /// The question as an input of `fuzz_measure_calc`.
    #[must_use]
    pub fn input(&self) -> Vec<u8> {
        let mut fields = Fields::default();
        match self.options {
            Options::Raw => {}
            Options::Qcow2(opts) => {
                fields.format = 1;
                // What is no width stands last in the target's table.
                fields.refcount = match opts.refcount_bits {
                    bits if bits.is_power_of_two() && bits <= 64 => bits.ilog2() as u8,
                    _ => 7,
                };
                fields.flags = u8::from(opts.extended_l2)
                    | u8::from(opts.lazy_refcounts) << 1
                    | u8::from(opts.compat_v3) << 2
                    | u8::from(opts.compress) << 3;
                fields.preallocation = match opts.preallocation {
                    Preallocation::Off => 0,
                    Preallocation::Metadata => 1,
                    Preallocation::Falloc => 2,
                    Preallocation::Full => 3,
                };
                fields.cluster = opts.cluster_size;
            }
            Options::Vmdk(opts) => {
                fields.format = 2;
                fields.vmdk = match opts.subformat {
                    VmdkSubformat::MonolithicSparse => 0,
                    VmdkSubformat::StreamOptimized => 1,
                    VmdkSubformat::MonolithicFlat => 2,
                };
                fields.grain = opts.grain_size;
            }
            Options::Vhd(opts) => {
                fields.format = 3;
                fields.vhd = u8::from(opts.subformat == VhdSubformat::Fixed);
                fields.flags = u8::from(opts.force_size) << 4;
                fields.block = opts.block_size;
            }
            Options::Vhdx(opts) => {
                fields.format = 4;
                fields.block = opts.block_size;
            }
        }
        fields.encode(self.summary())
    }

    /// The same question of less, in every way that makes it one step simpler.
    #[must_use]
    pub fn simpler(&self) -> Vec<Self> {
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
        if let Options::Qcow2(opts) = self.options {
            let plain = Qcow2Opts::default();
            for simpler in [
                Qcow2Opts {
                    cluster_size: plain.cluster_size,
                    ..opts
                },
                Qcow2Opts {
                    refcount_bits: plain.refcount_bits,
                    ..opts
                },
                Qcow2Opts {
                    compat_v3: true,
                    ..opts
                },
                Qcow2Opts {
                    extended_l2: false,
                    ..opts
                },
                Qcow2Opts {
                    lazy_refcounts: false,
                    compress: false,
                    ..opts
                },
                Qcow2Opts {
                    preallocation: Preallocation::Off,
                    ..opts
                },
            ] {
                if simpler != opts {
                    all.push(Self {
                        options: Options::Qcow2(simpler),
                        ..self.clone()
                    });
                }
            }
        }
        all
    }

    /// The question in words.
    #[must_use]
    pub fn in_words(&self) -> String {
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

    /// Draws a question about an image of that format.
    #[must_use]
    pub fn draw(format: Format, random: &mut Random) -> Self {
        match format {
            Format::Raw => draw_measured(Options::Raw, LARGEST_FILE, random),
            Format::Qcow2 => {
                let opts = draw_qcow2(random);
                draw_measured(Options::Qcow2(opts), qcow2_limit(&opts), random)
            }
            Format::Vmdk => draw_vmdk(random),
            Format::Vhd => draw_vhd(random),
            Format::Vhdx => draw_vhdx(random),
        }
    }
}

/// The numbers of an input of `fuzz_measure_calc`, laid out as `harness_core::calc` says.
#[derive(Debug, Default)]
struct Fields {
    format: u8,
    refcount: u8,
    flags: u8,
    preallocation: u8,
    vmdk: u8,
    vhd: u8,
    cluster: u32,
    grain: u32,
    block: u32,
}

impl Fields {
    fn encode(&self, summary: AllocationSummary) -> Vec<u8> {
        let mut input = vec![
            self.format,
            self.refcount,
            self.flags,
            self.preallocation,
            self.vmdk,
            self.vhd,
        ];
        input.extend(summary.virtual_size.to_le_bytes());
        input.extend(summary.allocated_bytes.to_le_bytes());
        input.extend(self.cluster.to_le_bytes());
        input.extend(self.grain.to_le_bytes());
        input.extend(self.block.to_le_bytes());
        input.extend(0_u64.to_le_bytes());
        if let Some(touched) = summary.touched {
            // The unit of the count is said in full.
            input.push(3 << 4);
            input.extend(touched.count.to_le_bytes());
            input.extend(touched.unit.to_le_bytes());
        }
        input
    }
}

/// The largest disk that the L1 table of such an image covers, in bytes.
pub(super) fn qcow2_limit(opts: &Qcow2Opts) -> u64 {
    let entry = if opts.extended_l2 { 16 } else { 8 };
    let cluster = u64::from(opts.cluster_size);
    (cluster / entry)
        .saturating_mul(cluster)
        .saturating_mul(4 << 20)
}

/// A size around one at which a format changes its mind.
fn near(at: u64, random: &mut Random) -> u64 {
    let step = random.pick(&[0, 1, 2, 511, 512, 513, 65536]);
    if random.once_in(2) {
        at.saturating_add(step)
    } else {
        at.saturating_sub(step)
    }
}

/// A size of any magnitude up to `most` bytes, often a whole number of something.
fn any_size(most: u64, random: &mut Random) -> u64 {
    let size = random.log_uniform(64 - most.leading_zeros()).min(most);
    let size = size & random.pick(&[u64::MAX, !511, !511, !0xffff, !0xf_ffff]);
    // An empty disk is a case like others, and not one in ten.
    if size == 0 && !random.once_in(8) {
        return most.min(1 + random.log_uniform(24));
    }
    size
}

/// A question for `qemu-img measure`, whose format changes its mind at `limit` bytes.
fn draw_measured(options: Options, limit: u64, random: &mut Random) -> Question {
    let way = match random.below(8) {
        0..3 => Way::MeasureSize,
        3..6 => Way::Measure(Source::Raw),
        _ => Way::Measure(Source::Qcow2(1 << (9 + random.below(10)))),
    };
    let size = match way {
        Way::MeasureSize => match random.below(8) {
            0 => near(limit, random),
            1 => near(1 << 63, random),
            2 => random.next(),
            _ => any_size(limit, random),
        },
        _ => any_size(limit.min(LARGEST_FILE), random),
    };
    fill(options, size, way, random)
}

/// Adds data to the question.
fn fill(options: Options, size: u64, way: Way, random: &mut Random) -> Question {
    let mut question = Question {
        options,
        size,
        fills: Vec::new(),
        way,
    };
    // Where data begins and ends: a host's file has holes of whole pages, a qcow2 image of clusters.
    let step = match way {
        Way::MeasureSize | Way::Create | Way::ConvertAll => return question,
        Way::Convert(Source::Raw) => 1,
        Way::Measure(Source::Raw) => {
            if options.unit(size).is_multiple_of(4 * KIB) {
                1
            } else {
                4 * KIB
            }
        }
        Way::Measure(Source::Qcow2(cluster)) | Way::Convert(Source::Qcow2(cluster)) => {
            // The source takes whole sectors, and compressed clusters are whole.
            question.size = size
                .next_multiple_of(cluster)
                .min(qcow2_source_limit(cluster));
            cluster
        }
    };
    let size = question.size;
    let mut starts: Vec<u64> = (0..random.below(9))
        .map(|_| match random.below(4) {
            0 => random.below(size.min(4 * MIB)),
            1 => size.saturating_sub(1 + random.below(size.min(4 * MIB))),
            _ => random.below(size),
        })
        .collect();
    starts.sort_unstable();
    let mut free = 0;
    for start in starts {
        let with = match way {
            Way::Measure(Source::Qcow2(_)) | Way::Convert(Source::Qcow2(_)) => {
                random.pick(&[With::Data, With::Data, With::Compressed, With::Zeroes])
            }
            _ => With::Data,
        };
        let length = match with {
            // qemu-io compresses a cluster at a time.
            With::Compressed => step,
            _ => 1 + random.log_uniform(18),
        };
        let start = (start - start % step).max(free);
        let end = start
            .saturating_add(length)
            .checked_next_multiple_of(step)
            .unwrap_or(u64::MAX)
            .min(size);
        if start < end {
            question.fills.push(Fill { start, end, with });
            free = end;
        }
    }
    question
}

/// The largest qcow2 source with such clusters, in bytes.
fn qcow2_source_limit(cluster: u64) -> u64 {
    qcow2_limit(&Qcow2Opts {
        cluster_size: cluster as u32,
        ..Qcow2Opts::default()
    })
    // A large table of small clusters takes long to write.
    .min(cluster << 24)
}

fn draw_qcow2(random: &mut Random) -> Qcow2Opts {
    let legal = Qcow2Opts {
        cluster_size: 1 << (9 + random.below(13)),
        refcount_bits: 1 << random.below(7),
        compat_v3: true,
        extended_l2: random.once_in(3),
        lazy_refcounts: random.once_in(4),
        compress: random.once_in(4),
        preallocation: random.pick(&[
            Preallocation::Off,
            Preallocation::Off,
            Preallocation::Metadata,
            Preallocation::Falloc,
            Preallocation::Full,
        ]),
        luks_header_overhead: None,
    };
    match random.below(16) {
        0 => Qcow2Opts {
            cluster_size: random.pick(&[0, 1, 256, 511, 513, 3 << 16, 4 << 20, 1 << 31]),
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

/// How an image of a format that `measure` does not answer for is made: `limit` is the format's, in
/// bytes, and `convertible` the largest disk that is quickly converted.
fn draw_written(options: Options, limit: u64, convertible: u64, random: &mut Random) -> Question {
    let way = match random.below(8) {
        0 | 1 => Way::Create,
        2 => Way::ConvertAll,
        3..7 => Way::Convert(Source::Raw),
        _ => Way::Convert(Source::Qcow2(1 << (12 + random.below(6)))),
    };
    let size = match way {
        Way::Create => match random.below(4) {
            0 => near(limit, random),
            1 => near(1 << (9 + random.below(55)), random),
            _ => any_size(limit, random),
        },
        Way::ConvertAll => any_size(16 * MIB, random),
        _ => any_size(convertible.min(LARGEST_FILE), random),
    };
    fill(options, size, way, random)
}

fn draw_vmdk(random: &mut Random) -> Question {
    let subformat = random.pick(&[
        VmdkSubformat::MonolithicSparse,
        VmdkSubformat::MonolithicSparse,
        VmdkSubformat::StreamOptimized,
        VmdkSubformat::MonolithicFlat,
    ]);
    // The only size that qemu-img writes.
    let grain_size = 65536;
    let options = Options::Vmdk(VmdkOpts {
        subformat,
        grain_size,
    });
    let limit = match subformat {
        VmdkSubformat::MonolithicFlat => LARGEST_FILE,
        // From here on all of its numbers are cut to 32 bits.
        _ => ((1 << 32) - 512) * u64::from(grain_size),
    };
    let question = draw_written(options, limit, LARGEST_FILE, random);
    match (subformat, question.way) {
        // Zeros that are written are deflated.
        (VmdkSubformat::StreamOptimized, Way::ConvertAll) => Question {
            way: Way::Create,
            ..question
        },
        // An empty flat disk has no extent, at which qemu-img aborts.
        (VmdkSubformat::MonolithicFlat, _) => Question {
            size: question.size.clamp(1, LARGEST_FILE),
            ..question
        },
        _ => question,
    }
}

fn draw_vhd(random: &mut Random) -> Question {
    let options = Options::Vhd(VhdOpts {
        subformat: random.pick(&[
            VhdSubformat::Dynamic,
            VhdSubformat::Dynamic,
            VhdSubformat::Fixed,
        ]),
        // The only size that qemu-img writes.
        block_size: 2 << 20,
        force_size: random.once_in(3),
    });
    let geometries = [
        17 * 4 * 1024,
        17 * 16 * 1024,
        31 * 16 * 1024,
        65535 * 16 * 63,
        65535 * 16 * 255,
        0xff00_0000,
    ];
    let limit = random.pick(&geometries) * 512;
    draw_written(options, limit, limit, random)
}

fn draw_vhdx(random: &mut Random) -> Question {
    let block_size = match random.below(16) {
        0 => random.pick(&[
            1,
            1 << 19,
            (1 << 20) + 1,
            3 << 20,
            5 << 20,
            1 << 29,
            1 << 31,
        ]),
        1..5 => 0,
        _ => 1 << (20 + random.below(9)),
    };
    let options = Options::Vhdx(VhdxOpts { block_size });
    // A BAT of at most 16 MiB is quickly read and written.
    let quick = u64::from(block_size.max(1 << 20)).saturating_mul(2 << 20);
    let limit = random.pick(&[1 << 30, 100 << 30, 32 * TIB, 64 * TIB, quick]);
    let mut question = draw_written(options, limit.min(quick), quick, random);
    if question.size == 0 && options.unit(0) > 8 * MIB {
        // The table that QEMU writes for a disk of no blocks would be one of gigabytes.
        question.size = 1;
    }
    // QEMU writes the rest of a new block.
    let block = options.unit(question.size).max(1);
    let most = (64 * MIB / block).max(1);
    while qemu::touched(&question.data(), block) > most && question.fills.pop().is_some() {}
    question
}

#[cfg(test)]
mod tests {
    use harness_core::calc::CalcCase;

    use super::*;

    fn drawn(format: Format) -> impl Iterator<Item = Question> {
        (0..2000).map(move |nth| Question::draw(format, &mut Random::of_case(1, 0, nth)))
    }

    #[test]
    fn an_input_says_what_the_question_says() {
        for format in Format::ALL {
            for question in drawn(format) {
                let case = CalcCase::decode(&question.input()).unwrap();
                assert_eq!(case.options, question.options);
                assert_eq!(case.summary, question.summary());
            }
        }
    }

    #[test]
    fn data_ascends_inside_the_disk() {
        let mut with_data = 0;
        for format in Format::ALL {
            for question in drawn(format) {
                let mut free = 0;
                for fill in &question.fills {
                    assert!(free <= fill.start && fill.start < fill.end, "{question:?}");
                    free = fill.end;
                }
                assert!(free <= question.size, "{question:?}");
                with_data += u32::from(!question.data().is_empty());
            }
        }
        assert!(with_data > 4000, "{with_data}");
    }

    #[test]
    fn what_is_simpler_differs_and_ends() {
        for format in Format::ALL {
            for question in drawn(format).take(50) {
                let mut question = question;
                for _ in 0..200 {
                    let simpler = question.simpler();
                    assert!(simpler.iter().all(|other| *other != question));
                    match simpler.into_iter().next() {
                        Some(next) => question = next,
                        None => break,
                    }
                }
                assert!(question.simpler().is_empty(), "{question:?}");
            }
        }
    }
}
