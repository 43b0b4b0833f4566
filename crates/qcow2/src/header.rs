//! The header's fields, and every bound that they must keep.
//!
//! Layout: `docs/interop/qcow2.txt`, section "Header". All fields are big-endian. A header that both
//! uses an unknown feature and has a field out of bounds is unsupported: bounds may depend on features.

use core::ops::Range;

use shared::ScanError;

/// "QFI\xfb".
pub const MAGIC: [u8; 4] = *b"QFI\xfb";

/// Incompatible feature bit 0: refcounts may be stale. L1 and L2 are not affected.
pub const DIRTY: u64 = 1;
/// Incompatible feature bit 1: some structure was found corrupt and the image is to be repaired
/// before it is written to. It may be read.
pub const CORRUPT: u64 = 2;
/// Incompatible feature bit 2: guest data lies in another file.
pub const EXTERNAL_DATA: u64 = 1 << 2;
/// Incompatible feature bit 3: compressed clusters are not deflated but as the compression type says.
pub const COMPRESSION_TYPE: u64 = 1 << 3;
/// Incompatible feature bit 4: L2 entries of 16 bytes, with a bitmap of subclusters.
pub const EXTENDED_L2: u64 = 1 << 4;
/// The lowest incompatible feature bit whose meaning is not known here; those above are not either.
const FIRST_UNKNOWN: u64 = 1 << 5;

/// Autoclear feature bit 1: the external data file can be read as a raw image.
const RAW_EXTERNAL_DATA: u64 = 1 << 1;

/// The fields of a version 2 header.
const V2_LENGTH: u32 = 72;
/// The least length of a version 3 header.
const V3_LENGTH: u32 = 104;
/// The fields that this module knows: version 3 with the compression type and its padding.
const KNOWN_LENGTH: usize = 112;

/// The largest L1 table, in bytes (`QCOW_MAX_L1_SIZE` in QEMU's `block/qcow2.h`).
const MAX_L1_BYTES: u64 = 32 << 20;
/// The largest refcount table, in bytes (`QCOW_MAX_REFTABLE_SIZE`).
const MAX_REFCOUNT_TABLE_BYTES: u64 = 8 << 20;
/// The most snapshots (`QCOW_MAX_SNAPSHOTS`).
const MAX_SNAPSHOTS: u32 = 65536;
/// The longest name of a backing file, in bytes.
const MAX_BACKING_FILE_NAME: u64 = 1023;
/// Subclusters must have at least 512 bytes, and a cluster has 32.
const MIN_CLUSTER_BITS_OF_EXTENDED_L2: u32 = 14;

/// A header that was verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct QcowHeader {
    /// 2 or 3.
    pub version: u32,
    /// Where the backing file's name lies, in bytes; 0 without one.
    pub backing_file_offset: u64,
    /// The length of the backing file's name, in bytes.
    pub backing_file_size: u32,
    /// The cluster size's logarithm: 9 to 21.
    pub cluster_bits: u32,
    /// The virtual disk's size in bytes. Not rounded: QEMU takes whole sectors of 512 of it.
    pub virtual_size: u64,
    /// 0 none, 1 AES, 2 LUKS.
    pub crypt_method: u32,
    /// Entries of the active L1 table; at most 4 Mi, and enough to cover [`virtual_size`](Self::virtual_size).
    pub l1_entries: u32,
    /// Where the active L1 table lies, in bytes; a multiple of the cluster size.
    pub l1_offset: u64,
    /// The incompatible feature bits: a combination of [`DIRTY`], [`CORRUPT`], [`EXTERNAL_DATA`],
    /// [`COMPRESSION_TYPE`] and [`EXTENDED_L2`].
    pub incompatible_features: u64,
    /// The header's length in bytes: 72 in version 2, else from 104 to a cluster. The specification
    /// demands a multiple of 8; QEMU does not, and some writers have 105.
    pub header_length: u32,
    /// 0 deflate, 1 zstd.
    pub compression_type: u8,
}

impl QcowHeader {
    /// Parses and verifies the header at the image's start; 512 bytes are enough, or the whole file
    /// when it is shorter.
    ///
    /// # Errors
    /// [`ScanError::NotThisFormat`] without the magic number, [`ScanError::Unsupported`] for a feature
    /// that is not known, [`ScanError::Corrupt`] for a field out of its bounds.
    pub fn parse(first_sector: &[u8]) -> Result<Self, ScanError> {
        if !first_sector.starts_with(&MAGIC) {
            return Err(ScanError::NotThisFormat);
        }
        let fields = Fields::of(first_sector);
        let version = fields.u32(4);
        match version {
            // A header too short for a version has none.
            _ if first_sector.len() < 8 => return Err(CUT_SHORT),
            2 | 3 => {}
            1 => return Err(ScanError::Unsupported("version 1, the first qcow")),
            _ => {
                return Err(ScanError::Unsupported("a qcow2 version other than 2 and 3"));
            }
        }
        let (least, header_length) = if version == 2 {
            (V2_LENGTH, V2_LENGTH)
        } else {
            (V3_LENGTH, fields.u32(100))
        };
        if first_sector.len() < least as usize {
            return Err(CUT_SHORT);
        }
        let header = Self {
            version,
            backing_file_offset: fields.u64(8),
            backing_file_size: fields.u32(16),
            cluster_bits: fields.u32(20),
            virtual_size: fields.u64(24),
            crypt_method: fields.u32(32),
            l1_entries: fields.u32(36),
            l1_offset: fields.u64(40),
            incompatible_features: if version == 2 { 0 } else { fields.u64(72) },
            header_length,
            compression_type: if header_length > V3_LENGTH {
                fields.0[104]
            } else {
                0
            },
        };
        header.verify_features(&fields)?;
        header.verify_length(first_sector.len())?;
        header.verify_tables(&fields)?;
        header.verify_backing_file()?;
        Ok(header)
    }

    /// The size of a cluster in bytes: a power of two from 512 to 2 MiB.
    #[must_use]
    pub const fn cluster_size(&self) -> u64 {
        1 << self.cluster_bits
    }

    /// Whether the image has a backing file, from which it takes what it does not hold.
    #[must_use]
    pub const fn has_backing_file(&self) -> bool {
        self.backing_file_offset != 0 && self.backing_file_size != 0
    }

    /// The bytes of the file that hold the backing file's name. They lie in the first cluster, but the
    /// file may end before.
    #[must_use]
    pub fn backing_file_name(&self) -> Option<Range<u64>> {
        let start = self.backing_file_offset;
        self.has_backing_file()
            .then_some(start..start + u64::from(self.backing_file_size))
    }

    /// Whether guest data lies in another file.
    #[must_use]
    pub const fn has_external_data(&self) -> bool {
        self.incompatible_features & EXTERNAL_DATA != 0
    }

    /// Whether L2 entries are extended: 16 bytes, with a bitmap of 32 subclusters.
    #[must_use]
    pub const fn has_extended_l2(&self) -> bool {
        self.incompatible_features & EXTENDED_L2 != 0
    }

    /// The logarithm of how many bytes of the virtual disk one L1 entry covers: 15 to 39.
    #[must_use]
    pub const fn l2_coverage_bits(&self) -> u32 {
        let entry_bits = if self.has_extended_l2() { 4 } else { 3 };
        self.cluster_bits + (self.cluster_bits - entry_bits)
    }

    /// How many L1 entries a disk of `virtual_size` bytes needs.
    #[must_use]
    pub const fn l1_entries_for(&self, virtual_size: u64) -> u64 {
        virtual_size.div_ceil(1 << self.l2_coverage_bits())
    }

    /// The L1 table's size in bytes: at most 32 MiB.
    #[must_use]
    pub const fn l1_bytes(&self) -> u64 {
        self.l1_entries as u64 * 8
    }

    fn verify_features(&self, fields: &Fields) -> Result<(), ScanError> {
        if self.incompatible_features >= FIRST_UNKNOWN {
            return Err(ScanError::Unsupported(
                "an incompatible feature bit from 5 to 63",
            ));
        }
        if self.crypt_method > 2 {
            return Err(ScanError::Unsupported(
                "an encryption method other than AES and LUKS",
            ));
        }
        if self.compression_type > 1 {
            return Err(ScanError::Unsupported(
                "a compression type other than deflate and zstd",
            ));
        }
        match (
            self.compression_type,
            self.incompatible_features & COMPRESSION_TYPE,
        ) {
            (0, 0) | (1, COMPRESSION_TYPE) => {}
            _ => {
                return Err(ScanError::Corrupt(
                    "the header's compression type contradicts the bit for it",
                ));
            }
        }
        if !(9..=21).contains(&self.cluster_bits) {
            return Err(ScanError::Corrupt(
                "the header's cluster size is not from 512 bytes to 2 MiB",
            ));
        }
        if self.has_extended_l2() && self.cluster_bits < MIN_CLUSTER_BITS_OF_EXTENDED_L2 {
            return Err(ScanError::Corrupt(
                "the header has extended L2 entries, but clusters under 16 KiB",
            ));
        }
        if self.version > 2 && fields.u64(88) & RAW_EXTERNAL_DATA != 0 && !self.has_external_data()
        {
            return Err(ScanError::Corrupt(
                "the header says that the external data file is raw, but there is none",
            ));
        }
        Ok(())
    }

    fn verify_length(&self, available: usize) -> Result<(), ScanError> {
        if self.version == 2 {
            return Ok(());
        }
        if self.header_length < V3_LENGTH {
            return Err(ScanError::Corrupt("the header is shorter than 104 bytes"));
        }
        if u64::from(self.header_length) > self.cluster_size() {
            return Err(ScanError::Corrupt("the header is longer than a cluster"));
        }
        if available < KNOWN_LENGTH.min(self.header_length as usize) {
            return Err(CUT_SHORT);
        }
        Ok(())
    }

    fn verify_tables(&self, fields: &Fields) -> Result<(), ScanError> {
        if self.l1_bytes() > MAX_L1_BYTES {
            return Err(ScanError::Corrupt("the L1 table is larger than 32 MiB"));
        }
        if !self.l1_offset.is_multiple_of(self.cluster_size()) {
            return Err(ScanError::Corrupt(
                "the L1 table is not aligned to a cluster",
            ));
        }
        if self.l1_entries_for(self.virtual_size) > u64::from(self.l1_entries) {
            return Err(ScanError::Corrupt(
                "the L1 table is too small for the virtual size",
            ));
        }
        if self.version > 2 && fields.u32(96) > 6 {
            return Err(ScanError::Corrupt("refcounts are wider than 64 bits"));
        }
        let refcount_table_bytes = u64::from(fields.u32(56)) * self.cluster_size();
        if refcount_table_bytes == 0 {
            return Err(ScanError::Corrupt("there is no refcount table"));
        }
        if refcount_table_bytes > MAX_REFCOUNT_TABLE_BYTES {
            return Err(ScanError::Corrupt(
                "the refcount table is larger than 8 MiB",
            ));
        }
        if !self.may_hold_a_table(fields.u64(48), refcount_table_bytes) {
            return Err(ScanError::Corrupt(
                "the refcount table is not aligned to a cluster, or past 2^63",
            ));
        }
        let snapshots = fields.u32(60);
        if snapshots > MAX_SNAPSHOTS {
            return Err(ScanError::Corrupt("there are more than 65536 snapshots"));
        }
        if !self.may_hold_a_table(fields.u64(64), u64::from(snapshots) * 40) {
            return Err(ScanError::Corrupt(
                "the snapshot table is not aligned to a cluster, or past 2^63",
            ));
        }
        Ok(())
    }

    /// What QEMU asks of the tables that a scan does not read: aligned, and no file is 2^63 bytes long.
    fn may_hold_a_table(&self, offset: u64, bytes: u64) -> bool {
        offset.is_multiple_of(self.cluster_size())
            && offset
                .checked_add(bytes)
                .is_some_and(|end| end <= i64::MAX.unsigned_abs())
    }

    fn verify_backing_file(&self) -> Result<(), ScanError> {
        if self.backing_file_offset == 0 {
            return Ok(());
        }
        let room = self
            .cluster_size()
            .checked_sub(self.backing_file_offset)
            .ok_or(ScanError::Corrupt(
                "the backing file's name does not begin in the first cluster",
            ))?;
        if u64::from(self.backing_file_size) > room.min(MAX_BACKING_FILE_NAME) {
            return Err(ScanError::Corrupt(
                "the backing file's name is longer than 1023 bytes or the first cluster",
            ));
        }
        Ok(())
    }
}

const CUT_SHORT: ScanError = ScanError::Corrupt("the header is not wholly in the file");

/// The header's known bytes; zeroes where the file ends before them.
struct Fields([u8; KNOWN_LENGTH]);

impl Fields {
    fn of(first_sector: &[u8]) -> Self {
        let mut bytes = [0; KNOWN_LENGTH];
        let there = first_sector.len().min(KNOWN_LENGTH);
        bytes[..there].copy_from_slice(&first_sector[..there]);
        Self(bytes)
    }

    fn u32(&self, at: usize) -> u32 {
        let b = &self.0;
        u32::from_be_bytes([b[at], b[at + 1], b[at + 2], b[at + 3]])
    }

    fn u64(&self, at: usize) -> u64 {
        u64::from_be_bytes(core::array::from_fn(|nth| self.0[at + nth]))
    }
}
