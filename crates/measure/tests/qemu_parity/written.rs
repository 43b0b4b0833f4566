//! The cases that look at the length of a file that qemu-img wrote: VMDK, VHD and VHDX.

use std::path::Path;

use measure::{
    MeasureError, VhdOpts, VhdSubformat, VhdxOpts, VmdkOpts, VmdkSubformat, measure_vhd,
    measure_vhdx, measure_vmdk,
};
use shared::AllocationSummary;

use crate::disk::{Disk, Pattern};
use crate::qemu::{self, Answer};
use crate::{Case, Outcome};

const GRAINS: &str =
    "vmdk: qemu-img writes no tables for more than 2^32 - 512 grains, also where they fit";
const DESCRIPTOR: &str = "vmdk: a flat disk's text descriptor is not counted";
const BLOCK_SIZE: &str = "vhdx: qemu-img rounds a block size up to 1 MiB and cuts it to 256 MiB";

/// How often each documented difference is shown.
pub(crate) const DIFFERENCES: &[(&str, usize)] = &[(GRAINS, 10), (DESCRIPTOR, 2), (BLOCK_SIZE, 6)];

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;

/// A format with its options.
#[derive(Debug, Clone, Copy)]
enum Target {
    Vmdk(VmdkOpts),
    Vhd(VhdOpts),
    Vhdx(VhdxOpts),
}

impl Target {
    fn vmdk(subformat: VmdkSubformat) -> Self {
        Self::Vmdk(VmdkOpts {
            subformat,
            ..VmdkOpts::default()
        })
    }

    fn vhd(subformat: VhdSubformat, force_size: bool) -> Self {
        Self::Vhd(VhdOpts {
            subformat,
            force_size,
            ..VhdOpts::default()
        })
    }

    fn vhdx(block_size: u32) -> Self {
        Self::Vhdx(VhdxOpts { block_size })
    }

    /// qemu-img's name of the format.
    fn format(&self) -> &'static str {
        match self {
            Self::Vmdk(_) => "vmdk",
            Self::Vhd(_) => "vpc",
            Self::Vhdx(_) => "vhdx",
        }
    }

    /// `-o`'s argument.
    fn arguments(&self) -> String {
        match self {
            Self::Vmdk(opts) => match opts.subformat {
                VmdkSubformat::MonolithicSparse => "subformat=monolithicSparse".to_owned(),
                VmdkSubformat::StreamOptimized => "subformat=streamOptimized".to_owned(),
                VmdkSubformat::MonolithicFlat => "subformat=monolithicFlat".to_owned(),
            },
            Self::Vhd(opts) => format!(
                "subformat={},force_size={}",
                match opts.subformat {
                    VhdSubformat::Dynamic => "dynamic",
                    VhdSubformat::Fixed => "fixed",
                },
                if opts.force_size { "on" } else { "off" }
            ),
            Self::Vhdx(opts) => format!("subformat=dynamic,block_size={}", opts.block_size),
        }
    }

    fn unit(&self, virtual_size: u64) -> u64 {
        match self {
            Self::Vmdk(opts) => opts.grain_size.into(),
            Self::Vhd(opts) => opts.block_size.into(),
            Self::Vhdx(opts) => measure::unit(&Options::Vhdx(*opts), virtual_size).unwrap(),
        }
    }

    fn measure(&self, summary: &AllocationSummary) -> Answer {
        match self {
            Self::Vmdk(opts) => measure_vmdk(summary, opts),
            Self::Vhd(opts) => measure_vhd(summary, opts),
            Self::Vhdx(opts) => measure_vhdx(summary, opts),
        }
    }

    fn is_flat(&self) -> bool {
        matches!(self, Self::Vmdk(opts) if opts.subformat == VmdkSubformat::MonolithicFlat)
    }

    fn is_stream(&self) -> bool {
        matches!(self, Self::Vmdk(opts) if opts.subformat == VmdkSubformat::StreamOptimized)
    }

    /// Runs `qemu-img create`, and gives the length of the file that holds the disk.
    fn create(&self, folder: &Path, size: u64) -> Result<Result<u64, MeasureError>, String> {
        let image = folder.join("image");
        let arguments = self.arguments();
        let size = size.to_string();
        let format = self.format();
        qemu::write(
            &[
                "create",
                "-q",
                "-f",
                format,
                "-o",
                &arguments,
                image.to_str().unwrap(),
                &size,
            ],
            &self.file_of(&image),
        )
    }

    /// Runs `qemu-img convert` on a raw image, and gives the length of the file that holds the disk.
    fn convert(&self, folder: &Path, disk: &Disk) -> Result<Result<u64, MeasureError>, String> {
        let source = folder.join("source");
        let image = folder.join("image");
        disk.write_raw(&source);
        let arguments = self.arguments();
        let format = self.format();
        qemu::write(
            &[
                "convert",
                // No flushing: the file is looked at, not kept.
                "-t",
                "unsafe",
                "-f",
                "raw",
                "-O",
                format,
                "-o",
                &arguments,
                source.to_str().unwrap(),
                image.to_str().unwrap(),
            ],
            &self.file_of(&image),
        )
    }

    /// The file that the calculator is about.
    fn file_of(&self, image: &Path) -> std::path::PathBuf {
        if self.is_flat() {
            image.with_file_name("image-flat")
        } else {
            image.to_owned()
        }
    }

    /// An empty disk of `size` bytes, or its refusal.
    fn created(self, kind: &'static str, size: u64) -> Case<'static> {
        Case::new(
            format!("create {} {} {size}", self.format(), self.arguments()),
            move |folder| {
                let theirs = self.create(folder, size)?;
                let ours = self.measure(&AllocationSummary::new(size, 0));
                agrees(kind, theirs, ours.map(|out| out.required))
            },
        )
    }

    /// A raw image with data converted.
    fn converted(self, disk: Disk, pattern: Pattern) -> Case<'static> {
        Case::new(
            format!(
                "convert {} {} of {} bytes, {pattern:?}",
                self.format(),
                self.arguments(),
                disk.size
            ),
            move |folder| {
                let theirs = self.convert(folder, &disk)?;
                let ours = self.measure(&disk.summary(self.unit(disk.size)));
                let required = ours.map(|out| out.required);
                if disk.lies_together() {
                    // Data that lies together needs no count.
                    let uncounted = self.measure(&disk.summary_without_count());
                    if uncounted != ours {
                        return Err(format!("{uncounted:?} without a count, {ours:?} with one"));
                    }
                }
                if self.is_stream() {
                    return bounds(&disk, theirs, ours);
                }
                // A full disk takes all there is, but for what a VHD grows by past its last data.
                let full = match self {
                    Self::Vhd(_) => required,
                    _ if pattern == Pattern::Full => ours.map(|out| out.fully_allocated),
                    _ => required,
                };
                if full != required {
                    return Err(format!("full, but {ours:?}"));
                }
                agrees(
                    match pattern {
                        Pattern::Full => "convert: length of a full disk",
                        Pattern::Scattered => "convert: length with scattered data",
                        Pattern::Empty => "convert: length of an empty disk",
                        Pattern::First | Pattern::Last => "convert: length with a byte of data",
                    },
                    theirs,
                    required,
                )
            },
        )
    }
}

fn agrees<T: PartialEq + std::fmt::Debug>(
    kind: &'static str,
    theirs: T,
    ours: T,
) -> Result<Outcome, String> {
    if theirs == ours {
        Ok(Outcome::Agrees(kind))
    } else {
        Err(format!("qemu-img's is {theirs:?}, ours {ours:?}"))
    }
}

/// A stream-optimized file is bounded by the calculator's answer, and as long when every grain that is
/// there is full of data that does not deflate.
fn bounds(disk: &Disk, theirs: Result<u64, MeasureError>, ours: Answer) -> Result<Outcome, String> {
    let whole = |&(offset, length): &(u64, u64)| (offset | length) & (64 * KIB - 1) == 0;
    let tight = disk.extents.iter().all(whole);
    match (theirs, ours) {
        (Ok(length), Ok(out)) if tight && length == out.required => Ok(Outcome::Agrees(
            "convert: length of a stream that does not deflate",
        )),
        (Ok(length), Ok(out)) if !tight && length <= out.required => {
            Ok(Outcome::Agrees("convert: length of a stream is bounded"))
        }
        _ => Err(format!("qemu-img's is {theirs:?}, ours {ours:?}")),
    }
}

/// Empty disks, which are quickly made: a wide choice of sizes up to and over every limit.
pub(crate) fn created() -> Vec<Case<'static>> {
    let mut cases = vhd_created();
    cases.extend(vhdx_created());
    cases.extend(vmdk_created());
    cases
}

/// Sizes at which the geometry of a VHD changes its shape, and some between.
fn vhd_created() -> Vec<Case<'static>> {
    let mut sectors = vec![0, 1, 67, 68, 69, 20480, 1_000_000, 12_345_678];
    let mut near = |at: u64, steps: &[i64]| {
        sectors.extend(steps.iter().map(|&step| at.saturating_add_signed(step)));
    };
    for heads in 4..=16 {
        near(17 * 1024 * heads, &[-60, -1, 0, 1, 16, 17, 18]);
    }
    near(31 * 16 * 1024, &[-497, -496, -1, 0, 1, 127, 128, 129]);
    near(65535 * 16 * 63, &[-1009, -1008, -1, 0, 1, 2]);
    near(65535 * 16 * 255, &[-4081, -4080, -4079, -1, 0, 1, 4080]);
    near(0xff00_0000, &[-1, 0, 1]);
    let mut sizes: Vec<u64> = sectors.into_iter().map(|sectors| sectors * 512).collect();
    // Sizes that are no whole sectors.
    sizes.extend([1, 511, 513, 68 * 512 + 1, GIB + 1, 0xff00_0000 * 512 - 1]);
    sizes.extend([0xff00_0000 * 512 + 1, 3 * TIB, i64::MAX as u64, 1 << 63]);
    let mut cases = Vec::new();
    for (at, &size) in sizes.iter().enumerate() {
        let kind = if size > 0xff00_0000 * 512 {
            "create vpc: size refused"
        } else {
            "create vpc: length of an empty disk"
        };
        cases.push(Target::vhd(VhdSubformat::Dynamic, false).created(kind, size));
        cases.push(Target::vhd(VhdSubformat::Fixed, false).created(kind, size));
        if at % 4 == 0 || size > TIB {
            cases.push(Target::vhd(VhdSubformat::Dynamic, true).created(kind, size));
            cases.push(Target::vhd(VhdSubformat::Fixed, true).created(kind, size));
        }
    }
    cases
}

fn vhdx_created() -> Vec<Case<'static>> {
    let empty = "create vhdx: length of an empty disk";
    let refused = "create vhdx: size refused";
    let mut cases = Vec::new();
    for size in [
        0,
        1,
        10 * MIB,
        GIB - 1,
        GIB,
        GIB + 1,
        100 * GIB,
        100 * GIB + 1,
        TIB,
    ] {
        cases.push(Target::vhdx(0).created(empty, size));
    }
    for size in [32 * TIB, 32 * TIB + 1, 64 * TIB - 1, 64 * TIB] {
        cases.push(Target::vhdx(0).created(empty, size));
        cases.push(Target::vhdx(64 << 20).created(empty, size));
        cases.push(Target::vhdx(256 << 20).created(empty, size));
    }
    for size in [64 * TIB + 1, 65 * TIB, i64::MAX as u64, 1 << 63] {
        cases.push(Target::vhdx(0).created(refused, size));
        cases.push(Target::vhdx(1 << 20).created(refused, size));
    }
    for shift in 20..=28 {
        for size in [
            1,
            511,
            MIB + 1,
            100_000_007,
            5 * GIB,
            4096 * MIB + 1,
            200 * GIB,
        ] {
            cases.push(Target::vhdx(1 << shift).created(empty, size));
        }
    }
    // Around a border of the table: 131072 entries in a MiB.
    for blocks in [131_040, 131_041, 131_042, 262_081, 262_082] {
        cases.push(Target::vhdx(1 << 20).created(empty, blocks * MIB));
    }
    for mib in [3, 5, 12, 255] {
        for size in [1, GIB] {
            cases.push(Target::vhdx(mib << 20).created("create vhdx: option refused", size));
        }
    }
    cases
}

fn vmdk_created() -> Vec<Case<'static>> {
    let empty = "create vmdk: length of an empty disk";
    let mut sizes = vec![0, 1, 511, 513, 65_535, 65_537, MIB, 100_000_007];
    // Around whole tables of grains and whole sectors and grains of the directory.
    for tables in [
        1, 2, 15, 16, 17, 31, 32, 127, 128, 129, 141, 1000, 4096, 100_000,
    ] {
        for step in [0, 1] {
            sizes.push(tables * 32 * MIB + step);
        }
    }
    sizes.extend([TIB - 1, TIB, 8 * TIB + 12345, 64 * TIB, 255 * TIB]);
    let limit = ((1 << 32) - 512) * 64 * KIB;
    sizes.extend([limit - 1, limit]);
    let mut cases = Vec::new();
    for size in sizes {
        cases.push(Target::vmdk(VmdkSubformat::MonolithicSparse).created(empty, size));
        cases.push(Target::vmdk(VmdkSubformat::StreamOptimized).created(empty, size));
        // A sparse file is as large as the file system takes: 16 TiB less a block on ext4.
        if size > 0 && size < 15 * TIB {
            cases.push(Target::vmdk(VmdkSubformat::MonolithicFlat).created(empty, size));
        }
    }
    for size in [1 << 63, u64::MAX] {
        for subformat in [
            VmdkSubformat::MonolithicSparse,
            VmdkSubformat::StreamOptimized,
            VmdkSubformat::MonolithicFlat,
        ] {
            cases.push(Target::vmdk(subformat).created("create vmdk: size refused", size));
        }
    }
    cases
}

/// Raw images with data here and there, and full ones.
pub(crate) fn converted() -> Vec<Case<'static>> {
    let targets = [
        Target::vmdk(VmdkSubformat::MonolithicSparse),
        Target::vmdk(VmdkSubformat::StreamOptimized),
        Target::vmdk(VmdkSubformat::MonolithicFlat),
        Target::vhd(VhdSubformat::Dynamic, false),
        Target::vhd(VhdSubformat::Dynamic, true),
        Target::vhd(VhdSubformat::Fixed, false),
        Target::vhd(VhdSubformat::Fixed, true),
        Target::vhdx(0),
        Target::vhdx(1 << 20),
        Target::vhdx(32 << 20),
    ];
    let mut cases = Vec::new();
    for target in targets {
        for size in [512, 65_536, 100_352, 3 * MIB, 9 * MIB + 512, 64 * MIB] {
            if size <= 10 * MIB {
                cases.push(target.converted(Disk::new(size, Pattern::Full), Pattern::Full));
            }
            for pattern in [Pattern::Empty, Pattern::First, Pattern::Last] {
                cases.push(target.converted(Disk::new(size, pattern), pattern));
            }
        }
        for size in [
            100_352,
            4 * MIB,
            32 * MIB + 512,
            600 * MIB,
            GIB + 512,
            10 * GIB,
            127 * GIB + 512,
            TIB,
        ] {
            for pattern in [Pattern::Scattered, Pattern::Last] {
                cases.push(target.converted(Disk::new(size, pattern), pattern));
            }
        }
        // Whole grains of data that does not deflate.
        let mut grains = Disk::new(40 * MIB, Pattern::Empty);
        for grain in [0, 2, 3, 17, 400, 511, 512, 639] {
            grains.append(grain * 64 * KIB, 64 * KIB);
        }
        cases.push(target.converted(grains, Pattern::Scattered));
    }
    cases
}

/// Where qemu-img is known to do otherwise.
pub(crate) fn differences() -> Vec<Case<'static>> {
    let mut cases = Vec::new();
    let grains: u64 = (1 << 32) - 512;
    for subformat in [
        VmdkSubformat::MonolithicSparse,
        VmdkSubformat::StreamOptimized,
    ] {
        for size in [
            grains * 64 * KIB + 1,
            (grains + 1) * 64 * KIB,
            256 * TIB - 64 * KIB,
            256 * TIB - 64 * KIB + 1,
            256 * TIB,
        ] {
            let target = Target::vmdk(subformat);
            cases.push(Case::new(
                format!("create vmdk {subformat:?} {size}"),
                move |folder| {
                    let theirs = target.create(folder, size)?;
                    let ours = target.measure(&AllocationSummary::new(size, 0));
                    // One grain: a header and no tables, for a disk of 256 TiB.
                    let as_documented = match ours {
                        Ok(out) => size <= 256 * TIB - 64 * KIB && out.required > 32 * GIB,
                        Err(error) => {
                            size > 256 * TIB - 64 * KIB && error == MeasureError::InvalidSize
                        }
                    };
                    if theirs == Ok(64 * KIB) && as_documented {
                        Ok(Outcome::Differs(GRAINS))
                    } else {
                        Err(format!("qemu-img's is {theirs:?}, ours {ours:?}"))
                    }
                },
            ));
        }
    }
    for size in [MIB, TIB] {
        let target = Target::vmdk(VmdkSubformat::MonolithicFlat);
        cases.push(Case::new(format!("descriptor {size}"), move |folder| {
            let theirs = target.create(folder, size)?;
            let ours = target.measure(&AllocationSummary::new(size, 0));
            let descriptor = qemu::length(&folder.join("image"))?;
            if theirs == ours.map(|out| out.required) && (1..1024).contains(&descriptor) {
                Ok(Outcome::Differs(DESCRIPTOR))
            } else {
                Err(format!(
                    "qemu-img's is {theirs:?} and {descriptor}, ours {ours:?}"
                ))
            }
        }));
    }
    for (asked, taken) in [
        (1, 1 << 20),
        (1000, 1 << 20),
        (MIB - 1, 1 << 20),
        (MIB + 1, 2 << 20),
        (257 * MIB, 256 << 20),
        (512 * MIB, 256 << 20),
    ] {
        cases.push(Case::new(
            format!("vhdx block size {asked}"),
            move |folder| {
                let asked = Target::vhdx(u32::try_from(asked).unwrap());
                let taken = Target::vhdx(taken);
                let disk = Disk::new(300 * MIB, Pattern::First);
                let theirs = asked.convert(folder, &disk)?;
                let ours = asked.measure(&disk.summary_without_count());
                let rounded = taken.measure(&disk.summary_without_count());
                if theirs == rounded.map(|out| out.required)
                    && ours == Err(MeasureError::InvalidOption)
                {
                    Ok(Outcome::Differs(BLOCK_SIZE))
                } else {
                    Err(format!(
                        "qemu-img's is {theirs:?}, ours {ours:?} and rounded {rounded:?}"
                    ))
                }
            },
        ));
    }
    cases
}
