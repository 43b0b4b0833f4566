//! What the text descriptor of a VMDK states. Sizes and places are in sectors of 512 bytes.

/// What a sound descriptor states, but for its extents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DescriptorFacts<'a> {
    /// 1 to 3.
    pub version: u32,
    /// The kind of the disk, known or not.
    pub create_type: &'a [u8],
    /// The content id.
    pub cid: u32,
    /// The content id that the parent had; all ones without a parent.
    pub parent_cid: u32,
    /// The name of the parent's file.
    pub parent_name: Option<&'a [u8]>,
    /// The size of the disk.
    pub total_sectors: u64,
}

/// An extent of a disk, as its line in the descriptor states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExtentFacts<'a> {
    /// `RW`, `RDONLY` or `NOACCESS`.
    pub access: &'a str,
    /// Its size.
    pub sectors: u64,
    /// `FLAT`, `SPARSE`, …
    pub kind: &'a str,
    /// The name of its file; empty for `ZERO`.
    pub file_name: &'a [u8],
    /// Where its data begins in the file.
    pub offset: u64,
}

/// The first thing that is wrong with a descriptor: keys come before lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DescriptorFault {
    /// It has 1 MiB or more.
    TooLong,
    /// The key has no line, or a wrong value.
    Missing(&'static str),
    /// This line is wrong; the first is number 1.
    Line(usize),
    /// It lists no extent.
    NoExtent,
}
