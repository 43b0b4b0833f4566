//! What a calculator is asked for besides the disk: the target format and its options.

/// A target format and its options.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Options {
    /// A raw image.
    Raw,
    /// A qcow2 image.
    Qcow2(Qcow2Opts),
    /// A VMDK image.
    Vmdk(VmdkOpts),
    /// A VHD image, which QEMU calls `vpc`.
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
}

/// How much of a qcow2 image is there before anything is written (`-o preallocation=`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Preallocation {
    /// Nothing but the header.
    #[default]
    Off,
    /// The tables. The file is as large as with [`Off`](Self::Off): the calculators count the tables
    /// of the whole virtual disk always, as qemu-img does.
    Metadata,
    /// The data clusters as well, reserved by the file system.
    Falloc,
    /// The data clusters as well, written.
    Full,
}

/// The options of a new qcow2 image that bear on its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Qcow2Opts {
    /// The size of a cluster in bytes: a power of two from 512 to 2 MiB. Default 64 KiB.
    pub cluster_size: u32,
    /// The width of a refcount in bits: 1, 2, 4, 8, 16, 32 or 64. Default 16, and only 16 without
    /// [`compat_v3`](Self::compat_v3).
    pub refcount_bits: u8,
    /// Version 3 of the format (`-o compat=1.1`), not version 2 (`compat=0.10`). Default true.
    pub compat_v3: bool,
    /// L2 entries of 16 bytes, with subclusters. Needs [`compat_v3`](Self::compat_v3) and clusters of at
    /// least 16 KiB. Default false.
    pub extended_l2: bool,
    /// Refcounts are written late. Needs [`compat_v3`](Self::compat_v3). Does not change the size.
    /// Default false.
    pub lazy_refcounts: bool,
    /// Data will be compressed. How well is not known: does not change the size. Default false.
    pub compress: bool,
    /// What is there from the start. Default off.
    pub preallocation: Preallocation,
    /// The size in bytes of the LUKS header of an encrypted image, which is stored in whole clusters of
    /// its own. Default none, which is the same as 0 bytes.
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

/// What kind of VMDK.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum VmdkSubformat {
    /// One sparse extent in one file: grains are added as data is written.
    #[default]
    MonolithicSparse,
    /// One sparse extent of compressed grains.
    StreamOptimized,
    /// One flat extent, which is the disk's bytes, and a small text file beside it.
    MonolithicFlat,
}

/// The options of a new VMDK that bear on its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct VmdkOpts {
    /// The kind of VMDK. Default monolithic sparse.
    pub subformat: VmdkSubformat,
    /// The size of a grain in bytes: a power of two from 4 KiB to 64 KiB. Default 64 KiB, and qemu-img
    /// writes no other. A flat extent has no grains; the value is checked all the same.
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

/// What kind of VHD.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum VhdSubformat {
    /// Blocks are added as data is written.
    #[default]
    Dynamic,
    /// The disk's bytes and a footer.
    Fixed,
}

/// The options of a new VHD that bear on its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct VhdOpts {
    /// The kind of VHD. Default dynamic.
    pub subformat: VhdSubformat,
    /// The size of a block in bytes: a power of two from 512 KiB to 2 GiB. Default 2 MiB, and qemu-img
    /// writes no other. A fixed disk has no blocks; the value is checked all the same.
    pub block_size: u32,
    /// Keep the disk's size; do not let it grow to one that a disk geometry can express (`-o
    /// force_size`). Default false.
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

/// The options of a new dynamic VHDX that bear on its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct VhdxOpts {
    /// The size of a block in bytes: a power of two from 1 MiB to 256 MiB, or 0 (the default) for one
    /// chosen by the disk's size. (`qemu-img -o block_size`
    /// takes any number, rounds it up to 1 MiB and cuts it to 256 MiB before it gets here.)
    pub block_size: u32,
}
