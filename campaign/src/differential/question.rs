//! A question to a calculator that can be put to qemu-img as well; `question/drawn.rs` draws them.

mod drawn;

use measure::{Preallocation, Qcow2Opts, VhdSubformat, VmdkSubformat};
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
    #[must_use]
    pub fn summary(&self) -> AllocationSummary {
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

#[cfg(test)]
mod tests {
    use harness_core::calc::CalcCase;

    use super::*;
    use crate::differential::Format;
    use crate::differential::random::Random;

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
