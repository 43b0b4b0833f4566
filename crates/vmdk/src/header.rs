//! The sparse extent's header, the footer, and every bound that they must keep.
//!
//! Layout: "Virtual Disk Format 5.0", sections "Sparse Extent Header" and "Stream-Optimized
//! Compressed Sparse Extents". All fields are little-endian; offsets and sizes on disk are in sectors
//! of 512 bytes. A header that both uses an unknown feature and has a field out of bounds is
//! unsupported.

use core::ops::Range;

use shared::ScanError;

/// A sparse extent's magic number.
pub const MAGIC: [u8; 4] = *b"KDMV";
/// The magic number of the sparse extents of ESX and Workstation 3.
pub const COWD_MAGIC: [u8; 4] = *b"COWD";

/// The length of a header, of a footer and of a marker, in bytes.
pub(crate) const LENGTH: usize = 512;

/// The size of VMDK's unit, in bytes.
const SECTOR: u64 = 512;
/// The entries of a grain table.
pub(crate) const TABLE_ENTRIES: u64 = 512;
/// The size of a grain table in bytes: four an entry.
pub(crate) const TABLE_BYTES: usize = 2048;

/// A grain directory offset with the meaning: the header is in the footer.
const IN_FOOTER: u64 = u64::MAX;
/// Flag bit 2: a grain table entry of 1 is a zeroed grain.
const ZEROED_GRAINS: u32 = 1 << 2;
/// Flag bit 16: grains are compressed.
const COMPRESSED: u32 = 1 << 16;
/// The type of the marker before a footer.
const FOOTER_MARKER: u32 = 3;
/// The type of the marker at the end of a file.
const END_OF_STREAM_MARKER: u32 = 0;

/// A header that was verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct VmdkHeader {
    /// 1 to 3.
    pub version: u32,
    /// The flags; see [`has_zeroed_grains`](Self::has_zeroed_grains).
    pub flags: u32,
    /// The virtual disk's size in sectors of 512 bytes; under 2^54.
    pub capacity: u64,
    /// The size of a grain in sectors of 512 bytes: a power of two from 1 to 128.
    pub grain_sectors: u64,
    /// Where the embedded descriptor lies, in sectors of 512 bytes; 0 without one. Not verified.
    pub descriptor_offset: u64,
    /// The embedded descriptor's size in sectors of 512 bytes. Not verified.
    pub descriptor_size: u64,
    /// Where the grain directory lies, in bytes; a multiple of 512.
    pub directory_offset: u64,
}

/// The fields of the first header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum First {
    /// It is the header.
    Header(VmdkHeader),
    /// The footer has it.
    InFooter,
}

impl VmdkHeader {
    /// Parses and verifies the header at the start of a file of `capacity` bytes; `first` is the
    /// file's first 512 bytes, or the whole file when it is shorter.
    ///
    /// # Errors
    /// [`ScanError::NotThisFormat`] without the magic number, [`ScanError::Unsupported`] for a feature
    /// that is not known, [`ScanError::Corrupt`] for a field out of its bounds.
    pub(crate) fn parse_first(first: &[u8], capacity: u64) -> Result<First, ScanError> {
        if first.starts_with(&COWD_MAGIC) {
            return Err(ScanError::Unsupported(
                "a sparse extent of version 3 or ESX (COWD); qemu-img convert -f vmdk copies it",
            ));
        }
        if !first.starts_with(&MAGIC) {
            return Err(ScanError::NotThisFormat);
        }
        let fields = first
            .first_chunk()
            .map(Fields)
            .ok_or(ScanError::Corrupt("the header is not wholly in the file"))?;
        if fields.u64(12) == 0 && fields.u64(28) != 0 {
            return Err(ScanError::Unsupported(
                "capacity 0: the embedded descriptor lists the extents",
            ));
        }
        if fields.u64(56) == IN_FOOTER {
            return Ok(First::InFooter);
        }
        Self::verified(&fields, capacity).map(First::Header)
    }

    /// Parses and verifies the header in a footer, which is the last 1536 bytes of a file of `capacity`
    /// bytes: a marker, the header, and the end-of-stream marker.
    ///
    /// # Errors
    /// As [`parse_first`](Self::parse_first), but for the magic number: without it the footer is
    /// `Corrupt`.
    pub(crate) fn parse_footer(
        [marker, header, end]: &[[u8; LENGTH]; 3],
        capacity: u64,
    ) -> Result<Self, ScanError> {
        if !header.starts_with(&MAGIC) {
            return Err(ScanError::Corrupt(
                "the header says that there is a footer, but there is none",
            ));
        }
        // A marker: u64 value, u32 size (0 for a marker that is no grain), u32 type. The value of a
        // footer marker is how many sectors follow, which QEMU does not verify.
        let (marker, end) = (Fields(marker), Fields(end));
        if marker.u32(8) != 0 || marker.u32(12) != FOOTER_MARKER {
            return Err(ScanError::Corrupt("the footer's marker is wrong"));
        }
        if end.u64(0) != 0 || end.u32(8) != 0 || end.u32(12) != END_OF_STREAM_MARKER {
            return Err(ScanError::Corrupt(
                "the end-of-stream marker behind the footer is wrong",
            ));
        }
        let fields = Fields(header);
        if fields.u64(56) == IN_FOOTER {
            return Err(ScanError::Corrupt("the footer points to a footer"));
        }
        Self::verified(&fields, capacity)
    }

    /// The virtual disk's size in bytes; under 2^63.
    #[must_use]
    pub const fn virtual_size(&self) -> u64 {
        self.capacity * SECTOR
    }

    /// The size of a grain in bytes: a power of two from 512 to 64 KiB.
    #[must_use]
    pub const fn grain_size(&self) -> u64 {
        self.grain_sectors * SECTOR
    }

    /// Whether a grain table entry of 1 is a zeroed grain.
    #[must_use]
    pub const fn has_zeroed_grains(&self) -> bool {
        self.flags & ZEROED_GRAINS != 0
    }

    /// Whether grains are compressed by the header. The answer does not depend on it.
    #[must_use]
    pub const fn is_compressed(&self) -> bool {
        self.flags & COMPRESSED != 0
    }

    /// The bytes of the file that hold the embedded descriptor, if the header names any. They need not
    /// be in the file.
    #[must_use]
    pub fn descriptor(&self) -> Option<Range<u64>> {
        let start = self.descriptor_offset.checked_mul(SECTOR)?;
        let end = self
            .descriptor_size
            .checked_mul(SECTOR)?
            .checked_add(start)?;
        (start != 0 && end > start).then_some(start..end)
    }

    /// How many bytes of the virtual disk one grain table covers: 256 KiB to 32 MiB.
    #[must_use]
    pub const fn table_coverage(&self) -> u64 {
        TABLE_ENTRIES * self.grain_size()
    }

    /// The grain directory's size in bytes: an entry of 4 bytes for each table.
    #[must_use]
    pub const fn directory_bytes(&self) -> u64 {
        self.virtual_size().div_ceil(self.table_coverage()) * 4
    }

    fn verified(fields: &Fields<'_>, file_bytes: u64) -> Result<Self, ScanError> {
        let version = fields.u32(4);
        if !(1..=3).contains(&version) {
            return Err(ScanError::Unsupported("a VMDK version other than 1 to 3"));
        }
        let grain_sectors = fields.u64(20);
        if !grain_sectors.is_power_of_two() || grain_sectors > 128 {
            return Err(ScanError::Unsupported(
                "a grain size that is no power of two from 1 to 128 sectors",
            ));
        }
        if u64::from(fields.u32(44)) != TABLE_ENTRIES {
            return Err(ScanError::Unsupported(
                "grain tables of another length than 512 entries",
            ));
        }
        let capacity = fields.u64(12);
        if capacity > i64::MAX.unsigned_abs() / SECTOR {
            return Err(ScanError::Corrupt("the capacity is 2^63 bytes or more"));
        }
        if fields.u64(64) > file_bytes.div_ceil(SECTOR) {
            return Err(ScanError::Corrupt(
                "the file is shorter than the metadata that its header announces",
            ));
        }
        let directory_offset = fields
            .u64(56)
            .checked_mul(SECTOR)
            .ok_or(ScanError::Corrupt("the grain directory is past 2^64"))?;
        Ok(Self {
            version,
            flags: fields.u32(8),
            capacity,
            grain_sectors,
            descriptor_offset: fields.u64(28),
            descriptor_size: fields.u64(36),
            directory_offset,
        })
    }
}

/// The fields of a header or a marker.
struct Fields<'a>(&'a [u8; LENGTH]);

impl Fields<'_> {
    fn u32(&self, at: usize) -> u32 {
        let b = self.0;
        u32::from_le_bytes([b[at], b[at + 1], b[at + 2], b[at + 3]])
    }

    fn u64(&self, at: usize) -> u64 {
        u64::from_le_bytes(core::array::from_fn(|nth| self.0[at + nth]))
    }
}
