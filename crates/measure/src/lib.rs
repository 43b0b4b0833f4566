//! STUB
#![no_std]
#![cfg_attr(not(test), warn(clippy::cast_possible_truncation))]
use shared::AllocationSummary;
/// How large an image file would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MeasureOutput {
    /// With the data given, in bytes.
    pub required: u64,
    /// With every byte of the disk written, in bytes.
    pub fully_allocated: u64,
}
/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MeasureError {
    /// o
    Overflow,
    /// o
    InvalidOption,
    /// o
    InvalidSize,
}
/// p
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Preallocation {
    /// o
    #[default]
    Off,
    /// o
    Metadata,
    /// o
    Falloc,
    /// o
    Full,
}
/// p
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum VmdkSubformat {
    /// o
    #[default]
    MonolithicSparse,
    /// o
    StreamOptimized,
    /// o
    MonolithicFlat,
}
/// p
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum VhdSubformat {
    /// o
    #[default]
    Dynamic,
    /// o
    Fixed,
}
/// o
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Qcow2Opts {
    /// b
    pub cluster_size: u32,
    /// b
    pub refcount_bits: u8,
    /// b
    pub compat_v3: bool,
    /// b
    pub extended_l2: bool,
    /// b
    pub lazy_refcounts: bool,
    /// b
    pub compress: bool,
    /// b
    pub preallocation: Preallocation,
    /// b
    pub luks_header_overhead: Option<u64>,
}
impl Default for Qcow2Opts {
    fn default() -> Self {
        Self {
            cluster_size: 65536,
            refcount_bits: 16,
            compat_v3: true,
            extended_l2: false,
            lazy_refcounts: false,
            compress: false,
            preallocation: Preallocation::Off,
            luks_header_overhead: None,
        }
    }
}
/// o
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct VmdkOpts {
    /// b
    pub subformat: VmdkSubformat,
    /// b
    pub grain_size: u32,
}
impl Default for VmdkOpts {
    fn default() -> Self {
        Self {
            subformat: VmdkSubformat::MonolithicSparse,
            grain_size: 65536,
        }
    }
}
/// o
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct VhdOpts {
    /// b
    pub subformat: VhdSubformat,
    /// b
    pub block_size: u32,
    /// b
    pub force_size: bool,
}
impl Default for VhdOpts {
    fn default() -> Self {
        Self {
            subformat: VhdSubformat::Dynamic,
            block_size: 2 << 20,
            force_size: false,
        }
    }
}
/// o
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct VhdxOpts {
    /// Bytes; 0 = chosen by the disk's size.
    pub block_size: u32,
}
type R = Result<MeasureOutput, MeasureError>;
/// o
pub fn measure_raw(s: &AllocationSummary) -> R {
    let _ = s;
    todo!()
}
/// o
pub fn measure_qcow2(s: &AllocationSummary, opts: &Qcow2Opts) -> R {
    let _ = (s, opts);
    todo!()
}
/// o
pub fn measure_vmdk(s: &AllocationSummary, opts: &VmdkOpts) -> R {
    let _ = (s, opts);
    todo!()
}
/// o
pub fn measure_vhd(s: &AllocationSummary, opts: &VhdOpts) -> R {
    let _ = (s, opts);
    todo!()
}
/// o
pub fn measure_vhdx(s: &AllocationSummary, opts: &VhdxOpts) -> R {
    let _ = (s, opts);
    todo!()
}
