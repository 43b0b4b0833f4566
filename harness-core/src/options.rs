//! A calculator and its options: the half of a question that is not the disk.

use measure::{Preallocation, Qcow2Opts, VhdOpts, VhdxOpts, VmdkOpts, VmdkSubformat};
use shared::AllocationSummary;

use crate::subject::{Calculators, Measured};

/// A calculator and its options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Options {
    /// A raw image.
    Raw,
    /// A qcow2 image.
    Qcow2(Qcow2Opts),
    /// A VMDK image.
    Vmdk(VmdkOpts),
    /// A VHD image.
    Vhd(VhdOpts),
    /// A VHDX image.
    Vhdx(VhdxOpts),
}

impl Options {
    /// The format's name: `raw`, `qcow2`, `vmdk`, `vhd` or `vhdx`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2(_) => "qcow2",
            Self::Vmdk(_) => "vmdk",
            Self::Vhd(_) => "vhd",
            Self::Vhdx(_) => "vhdx",
        }
    }

    /// The unit, in bytes, in which this format stores data: 512 for raw, otherwise the cluster, grain
    /// or block size, which a hostile option may make anything at all.
    #[must_use]
    pub fn unit(&self, virtual_size: u64) -> u64 {
        match self {
            Self::Raw => 512,
            Self::Qcow2(opts) => opts.cluster_size.into(),
            Self::Vmdk(opts) => opts.grain_size.into(),
            Self::Vhd(opts) => opts.block_size.into(),
            Self::Vhdx(opts) if opts.block_size == 0 => match virtual_size {
                0..=0x4000_0000 => 8 << 20,
                0x4000_0001..=0x19_0000_0000 => 16 << 20,
                0x19_0000_0001..=0x2000_0000_0000 => 32 << 20,
                _ => 64 << 20,
            },
            Self::Vhdx(opts) => opts.block_size.into(),
        }
    }

    /// Whether the file measured holds metadata of its own. (A flat VMDK's is in a second file.)
    #[must_use]
    pub const fn has_metadata(&self) -> bool {
        !matches!(
            self,
            Self::Raw
                | Self::Vmdk(VmdkOpts {
                    subformat: VmdkSubformat::MonolithicFlat,
                    ..
                })
        )
    }

    /// Whether all data clusters are there from the start, whatever they hold.
    #[must_use]
    pub const fn is_preallocated(&self) -> bool {
        matches!(
            self,
            Self::Qcow2(Qcow2Opts {
                preallocation: Preallocation::Falloc | Preallocation::Full,
                ..
            })
        )
    }

    /// Asks the calculator that these options belong to.
    #[inline]
    pub fn ask(
        &self,
        calculators: &(impl Calculators + ?Sized),
        summary: &AllocationSummary,
    ) -> Measured {
        match self {
            Self::Raw => calculators.measure_raw(summary),
            Self::Qcow2(opts) => calculators.measure_qcow2(summary, opts),
            Self::Vmdk(opts) => calculators.measure_vmdk(summary, opts),
            Self::Vhd(opts) => calculators.measure_vhd(summary, opts),
            Self::Vhdx(opts) => calculators.measure_vhdx(summary, opts),
        }
    }
}
