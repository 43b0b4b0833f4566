//! What a sound image states about itself.

use core::ops::Range;

/// What a sound image states about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The size of the virtual disk, in bytes.
    pub virtual_size: u64,
    /// The size of a cluster, grain or block, in bytes; `None` for a fixed VHD.
    pub unit: Option<u64>,
    /// Where the block allocation table lies, in bytes from the file's start, for a dynamic VHD and for VHDX.
    pub table_offset: Option<u64>,
    /// The size of a sector of the virtual disk, in bytes, for VHDX.
    pub logical_sector_size: Option<u32>,
    /// Whether grains are compressed, for VMDK.
    pub is_compressed: Option<bool>,
    /// The bytes of the file that hold the name of the backing file (qcow2), or the descriptor (VMDK).
    pub named: Option<Range<u64>>,
    /// The bytes of the file that hold the name of a differencing disk's parent: for VHD the name in the dynamic disk
    /// header, in UTF-16, big-endian; for VHDX the parent locator (MS-VHDX 2.6.2.6). Such a disk is refused by a scan.
    pub parent: Option<Range<u64>>,
    /// The bytes of the file that hold the name of the external data file, for qcow2.
    pub data_file: Option<Range<u64>>,
}
