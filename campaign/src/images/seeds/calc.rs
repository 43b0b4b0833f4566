//! The inputs of `fuzz_measure_calc`: every format, every option, sizes up to the limits.
//!
//! Each has an answer; where the limits are is shown by the largest disk that has one.

use anyhow::{Result, anyhow, ensure};
use built_in::SUBJECT;
use harness_core::calc::CalcCase;

use super::Seed;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;

/// Selectors of byte 0.
const RAW: u8 = 0;
const QCOW2: u8 = 1;
const VMDK: u8 = 2;
const VHD: u8 = 3;
const VHDX: u8 = 4;

/// Flags of byte 2.
const EXTENDED_L2: u8 = 1;
const LAZY_REFCOUNTS: u8 = 2;
const COMPAT_V3: u8 = 4;
const COMPRESS: u8 = 8;
const FORCE_SIZE: u8 = 16;

const FORMATS: [(u8, &str); 5] = [
    (RAW, "raw"),
    (QCOW2, "qcow2"),
    (VMDK, "vmdk"),
    (VHD, "vhd"),
    (VHDX, "vhdx"),
];

/// The fields of an input, as `harness_core::calc` lays them out.
#[derive(Debug, Clone, Copy)]
struct Fields {
    format: u8,
    /// Of 1, 2, 4, 8, 16, 32, 64.
    refcount_bits: u8,
    flags: u8,
    preallocation: u8,
    vmdk_subformat: u8,
    vhd_subformat: u8,
    virtual_size: u64,
    allocated_bytes: u64,
    cluster_size: u32,
    grain_size: u32,
    block_size: u32,
    luks: u64,
    /// The count of touched units, and the unit.
    touched: Option<(u64, u64)>,
    /// What else is asked, and by how much it differs.
    probe: (u8, u64),
    /// Whether sizes are written as places in the decoder's tables, so that an engine comes from one limit to
    /// the next by changing a byte. Only for the defaults and a disk of 1 TiB.
    from_tables: bool,
}

impl Fields {
    /// The defaults of `format`, for a disk of 1 GiB that holds 100 MiB.
    const fn of(format: u8) -> Self {
        Self {
            format,
            refcount_bits: 16,
            flags: COMPAT_V3,
            preallocation: 0,
            vmdk_subformat: 0,
            vhd_subformat: 0,
            virtual_size: GIB,
            allocated_bytes: 100 * MIB,
            cluster_size: 65536,
            grain_size: 65536,
            block_size: if format == VHD { 2 << 20 } else { 0 },
            luks: 0,
            touched: None,
            probe: (0, 0),
            from_tables: false,
        }
    }

    /// The same with the places of its sizes in the decoder's tables.
    const fn by_place(self) -> Self {
        Self {
            // 1 TiB: the boundary of this number, four steps from four below it.
            virtual_size: 4 << 8 | 16,
            cluster_size: 7,
            grain_size: 4,
            block_size: if self.block_size == 0 { 0 } else { 3 },
            ..self
        }
    }

    const fn disk(self, virtual_size: u64, allocated_bytes: u64) -> Self {
        Self {
            virtual_size,
            allocated_bytes,
            ..self
        }
    }

    /// 42 bytes, or 43 for sizes from tables, or 59 with a count of touched units, or 68 with a second question.
    fn encode(&self) -> Vec<u8> {
        if self.from_tables {
            let plain = Self {
                from_tables: false,
                ..self.by_place()
            };
            let mut input = plain.encode();
            // Sizes of units, the disk's and the data's.
            input.push(0b111);
            return input;
        }
        let mut input = vec![
            self.format,
            u8::try_from(self.refcount_bits.ilog2()).unwrap_or(u8::MAX),
            self.flags,
            self.preallocation,
            self.vmdk_subformat,
            self.vhd_subformat,
        ];
        input.extend(self.virtual_size.to_le_bytes());
        input.extend(self.allocated_bytes.to_le_bytes());
        input.extend(self.cluster_size.to_le_bytes());
        input.extend(self.grain_size.to_le_bytes());
        input.extend(self.block_size.to_le_bytes());
        input.extend(self.luks.to_le_bytes());
        if let Some((count, unit)) = self.touched {
            // The count was made for the unit that follows.
            input.push(3 << 4);
            input.extend(count.to_le_bytes());
            input.extend(unit.to_le_bytes());
        }
        if let (probe @ 1.., more) = self.probe {
            input.resize(59, 0);
            input.push(probe);
            input.extend(more.to_le_bytes());
        }
        input
    }
}

/// Every seed of `fuzz_measure_calc`.
///
/// # Errors
/// When one of them has no answer: a fault of this list or of a calculator.
pub fn seeds() -> Result<Vec<Seed>> {
    let mut all: Vec<(String, Fields)> = Vec::new();
    raw(&mut all);
    qcow2(&mut all);
    vmdk(&mut all);
    vhd(&mut all);
    vhdx(&mut all);
    from_tables(&mut all);
    probes(&mut all);
    all.into_iter()
        .map(|(name, fields)| {
            let input = fields.encode();
            let case = CalcCase::decode(&input).map_err(|why| anyhow!("the seed {name}: {why}"))?;
            let answer = case.ask(SUBJECT.calculators);
            ensure!(
                case.summary.virtual_size == fields.virtual_size && answer.is_ok(),
                "the seed {name} has no answer: {answer:?}"
            );
            Ok(Seed { name, input })
        })
        .collect()
}

/// Whether two inputs are the same case.
#[must_use]
pub fn same_case(one: &[u8], other: &[u8]) -> bool {
    CalcCase::decode(one).is_ok_and(|case| Ok(case) == CalcCase::decode(other))
}

fn raw(all: &mut Vec<(String, Fields)>) {
    for (name, size) in [
        ("raw-of-size-0", 0),
        ("raw-1-byte", 1),
        ("raw-1m", MIB),
        ("raw-1t", TIB),
        ("raw-largest", (1 << 63) - 512),
    ] {
        all.push((name.to_owned(), Fields::of(RAW).disk(size, size / 2)));
    }
}

fn qcow2(all: &mut Vec<(String, Fields)>) {
    let plain = Fields::of(QCOW2);
    for (name, size) in [("of-size-0", 0), ("1-byte", 1), ("1m", MIB), ("1g", GIB)] {
        all.push((format!("qcow2-{name}"), plain.disk(size, size / 10)));
    }
    for bits in 9..=21 {
        let size = 1 << bits;
        let fields = Fields {
            cluster_size: size,
            ..plain
        };
        all.push((format!("qcow2-clusters-of-{size}"), fields));
        // The L1 table of 32 MiB is full.
        let largest = 1_u64 << (2 * bits + 19).min(62);
        all.push((
            format!("qcow2-clusters-of-{size}-largest"),
            fields.disk(largest, GIB),
        ));
    }
    for refcount_bits in [1, 2, 4, 8, 32, 64] {
        let name = format!("qcow2-refcounts-of-{refcount_bits}-bits");
        all.push((
            name,
            Fields {
                refcount_bits,
                ..plain
            },
        ));
    }
    for cluster_size in [1 << 14, 1 << 16, 1 << 21] {
        let flags = COMPAT_V3 | EXTENDED_L2;
        let fields = Fields {
            cluster_size,
            flags,
            ..plain
        };
        all.push((
            format!("qcow2-extended-l2-clusters-of-{cluster_size}"),
            fields,
        ));
    }
    for (name, flags) in [
        ("v2", 0),
        ("lazy-refcounts", COMPAT_V3 | LAZY_REFCOUNTS),
        ("compressed", COMPAT_V3 | COMPRESS),
    ] {
        all.push((format!("qcow2-{name}"), Fields { flags, ..plain }));
    }
    for (preallocation, name) in [(1, "metadata"), (2, "falloc"), (3, "full")] {
        let fields = Fields {
            preallocation,
            ..plain
        };
        all.push((format!("qcow2-preallocation-{name}"), fields));
    }
    for (name, key_bytes) in [("aes-128", 16), ("aes-256", 32)] {
        let luks = measure::luks_payload(key_bytes, true);
        all.push((format!("qcow2-luks-{name}"), Fields { luks, ..plain }));
    }
    for (name, touched) in [
        ("none", (0, 65536)),
        ("some", (1700, 65536)),
        ("all", (16384, 65536)),
    ] {
        let fields = Fields {
            touched: Some(touched),
            ..plain
        };
        all.push((format!("qcow2-touched-{name}"), fields));
    }
}

fn vmdk(all: &mut Vec<(String, Fields)>) {
    let plain = Fields::of(VMDK);
    for (vmdk_subformat, name) in [(0, "sparse"), (1, "stream-optimized"), (2, "flat")] {
        let of_kind = Fields {
            vmdk_subformat,
            ..plain
        };
        for (size_name, size) in [("of-size-0", 0), ("1m", MIB), ("1g", GIB), ("2t", 2 * TIB)] {
            all.push((
                format!("vmdk-{name}-{size_name}"),
                of_kind.disk(size, size / 10),
            ));
        }
    }
    for grain_size in [4096, 8192, 16384, 32768] {
        let fields = Fields {
            grain_size,
            ..plain
        };
        all.push((format!("vmdk-grains-of-{grain_size}"), fields));
    }
    all.push((
        "vmdk-largest".to_owned(),
        plain.disk(256 * TIB - 64 * KIB, GIB),
    ));
    // The most whole grain tables there may be: from one grain more on, the last table is a part.
    let small = Fields {
        grain_size: 4096,
        ..plain
    };
    let whole_tables = u64::from(u32::MAX / 512) * 512;
    all.push((
        "vmdk-whole-tables-of-4096".to_owned(),
        small.disk(whole_tables * 4096, GIB),
    ));
    // The most grains there may be, and one less, in small grains.
    for grain_size in [4096, 8192] {
        let fields = Fields {
            grain_size,
            ..plain
        };
        for (name, grains) in [("most", u32::MAX), ("nearly-most", u32::MAX - 1)] {
            let size = u64::from(grains) * u64::from(grain_size);
            let name = format!("vmdk-{name}-grains-of-{grain_size}");
            all.push((name, fields.disk(size, GIB)));
        }
    }
    let touched = Some((2000, 65536));
    all.push(("vmdk-touched".to_owned(), Fields { touched, ..plain }));
}

fn vhd(all: &mut Vec<(String, Fields)>) {
    let plain = Fields::of(VHD);
    for (vhd_subformat, name) in [(0, "dynamic"), (1, "fixed")] {
        let of_kind = Fields {
            vhd_subformat,
            ..plain
        };
        for (size_name, size) in [
            ("of-size-0", 0),
            ("1m", MIB),
            // Sectors a track and heads change around these.
            ("500m", 500 * MIB),
            ("33g", 33 * GIB),
            ("127g", 127 * GIB),
        ] {
            all.push((
                format!("vhd-{name}-{size_name}"),
                of_kind.disk(size, size / 10),
            ));
        }
        let largest = 0xff00_0000 * 512;
        all.push((format!("vhd-{name}-largest"), of_kind.disk(largest, GIB)));
        let forced = Fields {
            flags: FORCE_SIZE,
            ..of_kind
        }
        .disk(MIB + 512, KIB);
        all.push((format!("vhd-{name}-forced-size"), forced));
    }
    for (name, block_size) in [("512k", 1 << 19), ("32m", 1 << 25), ("2g", 1 << 31)] {
        all.push((
            format!("vhd-blocks-of-{name}"),
            Fields {
                block_size,
                ..plain
            },
        ));
    }
    let touched = Some((77, 2 * MIB));
    all.push(("vhd-touched".to_owned(), Fields { touched, ..plain }));
}

fn vhdx(all: &mut Vec<(String, Fields)>) {
    let plain = Fields::of(VHDX);
    for (name, size) in [
        ("of-size-0", 0),
        ("1m", MIB),
        // The block size is chosen by the disk's size.
        ("1g", GIB),
        ("100g", 100 * GIB),
        ("32t", 32 * TIB),
        ("largest", 64 * TIB),
    ] {
        all.push((format!("vhdx-{name}"), plain.disk(size, size / 10)));
    }
    for mib in [1, 2, 8, 64, 256] {
        let fields = Fields {
            block_size: mib << 20,
            ..plain
        };
        all.push((format!("vhdx-blocks-of-{mib}m"), fields));
    }
    // Disks of whole chunks, whose block table is just full; with one entry more it would take another MiB.
    for (name, block_mib, blocks) in [
        ("131041-blocks-of-1m", 1, 131_041),
        ("16257-chunks-of-128-blocks", 32, 16257 * 128),
        ("4033-chunks-of-64-blocks", 64, 4033 * 64),
    ] {
        let fields = Fields {
            block_size: block_mib << 20,
            ..plain
        };
        let size = u64::from(block_mib) * blocks * MIB;
        all.push((format!("vhdx-{name}"), fields.disk(size, GIB)));
        let less = size - u64::from(block_mib) * MIB;
        all.push((format!("vhdx-{name}-less-one"), fields.disk(less, GIB)));
    }
    all.push((
        "vhdx-130056-blocks-by-default".to_owned(),
        plain.disk(130_056 * 32 * MIB, GIB),
    ));
    let touched = Some((100, 8 * MIB));
    all.push(("vhdx-touched".to_owned(), Fields { touched, ..plain }));
}

/// The defaults of each format, with sizes from the decoder's tables.
fn from_tables(all: &mut Vec<(String, Fields)>) {
    for (format, name) in FORMATS {
        let fields = Fields {
            from_tables: true,
            ..Fields::of(format).disk(TIB, 123 * MIB)
        };
        all.push((format!("{name}-sizes-from-tables"), fields));
    }
}

/// A second question to each calculator, with data counted in units and not.
fn probes(all: &mut Vec<(String, Fields)>) {
    for (format, name) in FORMATS {
        let plain = Fields::of(format);
        for (what, probe) in [
            ("asked-twice", (1, 0)),
            ("and-a-larger-disk", (2, 3 * GIB + 512)),
            ("and-more-data", (3, 77 * MIB)),
        ] {
            all.push((format!("{name}-{what}"), Fields { probe, ..plain }));
        }
    }
    let counted = Fields {
        touched: Some((1700, 65536)),
        ..Fields::of(QCOW2)
    };
    for (what, probe) in [("a-larger-disk", (2, GIB)), ("more-data", (3, 300))] {
        let name = format!("qcow2-touched-and-{what}");
        all.push((name, Fields { probe, ..counted }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use types::Options;

    #[test]
    fn names_and_cases_are_all_different_and_every_format_is_there() {
        let seeds = seeds().unwrap();
        let names: BTreeSet<_> = seeds.iter().map(|seed| &seed.name).collect();
        assert_eq!(names.len(), seeds.len());
        let mut formats = [0; 5];
        for (nth, seed) in seeds.iter().enumerate() {
            let case = CalcCase::decode(&seed.input).unwrap();
            formats[match case.options {
                Options::Raw => 0,
                Options::Qcow2(_) => 1,
                Options::Vmdk(_) => 2,
                Options::Vhd(_) => 3,
                Options::Vhdx(_) => 4,
            }] += 1;
            let twin = seeds[..nth]
                .iter()
                .find(|other| same_case(&other.input, &seed.input));
            assert_eq!(twin, None, "{}", seed.name);
        }
        assert!(formats.iter().all(|&count| count >= 5), "{formats:?}");
    }
}
