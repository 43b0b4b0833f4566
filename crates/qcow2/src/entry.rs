//! The meaning of one L2 entry.
//!
//! Source: `docs/interop/qcow2.txt`, sections "Cluster mapping" and "Extended L2 Entries".

use shared::ScanError;

use crate::QcowHeader;

/// Bits 9 to 55 of an L1 or L2 entry: an offset in the file, in bytes.
pub(crate) const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;
/// Bit 0 of a standard L2 entry: the cluster reads as zeroes.
const ZERO: u64 = 1;
/// Bit 62: the cluster is compressed.
const COMPRESSED: u64 = 1 << 62;
/// Bit 63: the cluster's refcount is one. It makes offset 0 of an external data file a host cluster.
const COPIED: u64 = 1 << 63;

/// Which part of a cluster holds data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClusterData {
    /// The whole cluster; nothing of it when false.
    Whole(bool),
    /// The subclusters of 1/32 cluster whose bit is set, from bit 0 up. Not zero.
    Subclusters(u32),
}

/// How an image's L2 entries are read.
#[derive(Debug, Clone, Copy)]
pub struct EntryRules {
    cluster_size: u64,
    zero_flag: bool,
    external_data: bool,
    extended: bool,
}

impl EntryRules {
    /// The rules of an image with this header.
    #[must_use]
    pub const fn new(header: &QcowHeader) -> Self {
        Self {
            cluster_size: header.cluster_size(),
            zero_flag: header.version >= 3,
            external_data: header.has_external_data(),
            extended: header.has_extended_l2(),
        }
    }

    /// The size of a cluster in bytes.
    #[must_use]
    pub const fn cluster_size(&self) -> u64 {
        self.cluster_size
    }

    /// The meaning of the L2 entry of the cluster at byte `guest_offset` of the virtual disk. `bitmap` is
    /// the second word of an extended entry: bits 0 to 31 data, 32 to 63 zero; ignored when entries
    /// are standard.
    ///
    /// # Errors
    /// [`ScanError::Corrupt`] when the entry contradicts the specification.
    pub fn cluster_data(
        &self,
        entry: u64,
        bitmap: u64,
        guest_offset: u64,
    ) -> Result<ClusterData, ScanError> {
        if entry & COMPRESSED != 0 {
            if self.external_data {
                return Err(ScanError::Corrupt(
                    "a compressed cluster in an image with external data",
                ));
            }
            return Ok(ClusterData::Whole(true));
        }
        let host_offset = entry & OFFSET;
        let zero = !self.extended && entry & ZERO != 0;
        if zero && !self.zero_flag {
            return Err(ScanError::Corrupt("a zero cluster in a version 2 image"));
        }
        // Offset 0 is the header's, so it means "no host cluster" but in an external data file, which
        // has no header. A zero flag is stronger.
        let has_host = host_offset != 0 || (self.external_data && entry & COPIED != 0 && !zero);
        if has_host {
            self.verify_host_offset(host_offset, guest_offset)?;
        }
        if self.extended {
            return subclusters(has_host, bitmap);
        }
        Ok(ClusterData::Whole(has_host && !zero))
    }

    fn verify_host_offset(&self, host_offset: u64, guest_offset: u64) -> Result<(), ScanError> {
        // A power of two: a mask, not a division, for each cluster.
        if host_offset & (self.cluster_size - 1) != 0 {
            return Err(ScanError::Corrupt(
                "a host cluster is not aligned to the cluster size",
            ));
        }
        if self.external_data && host_offset != guest_offset {
            return Err(ScanError::Corrupt(
                "a host cluster in the external data file is not at its guest offset",
            ));
        }
        Ok(())
    }
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "the bitmap's halves are taken apart"
)]
fn subclusters(has_host: bool, bitmap: u64) -> Result<ClusterData, ScanError> {
    let (data, zero) = (bitmap as u32, (bitmap >> 32) as u32);
    if data == 0 {
        return Ok(ClusterData::Whole(false));
    }
    if !has_host {
        return Err(ScanError::Corrupt(
            "subclusters hold data, but there is no host cluster",
        ));
    }
    if data & zero != 0 {
        return Err(ScanError::Corrupt(
            "a subcluster both holds data and reads as zeroes",
        ));
    }
    Ok(ClusterData::Subclusters(data))
}
