//! The map of a qcow2 image: `docs/interop/qcow2.txt`, sections "Cluster mapping" and "Extended L2
//! Entries".

use std::fs::File;

use anyhow::{Result, anyhow};
use qcow2::QcowHeader;
use qcow2::entry::{ClusterData, EntryRules};

use super::{Content, Entries, Map, Stretch};

/// Bits 9 to 55 of an entry: an offset in the file, in bytes.
const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;
/// Bit 0 of a standard L2 entry: the cluster reads as zeroes.
const ZERO: u64 = 1;
/// Bit 62 of an L2 entry: the cluster is compressed.
const COMPRESSED: u64 = 1 << 62;
/// Subclusters in a cluster with extended L2 entries.
const SUBCLUSTERS: u64 = 32;

pub(super) struct Qcow2Map<'a> {
    header: QcowHeader,
    rules: EntryRules,
    l1: Entries<'a>,
    l2: Entries<'a>,
}

impl<'a> Qcow2Map<'a> {
    pub(super) const fn new(file: &'a File, header: QcowHeader) -> Self {
        Self {
            header,
            rules: EntryRules::new(&header),
            l1: Entries::new(file),
            l2: Entries::new(file),
        }
    }

    /// The cluster's L2 entry and the bitmap of its subclusters, which is 0 with standard entries.
    fn entry(&mut self, table: u64, index: u64) -> Result<(u64, u64)> {
        if self.header.has_extended_l2() {
            let at = table + index * 16;
            let entry = u64::from_be_bytes(self.l2.read(at)?);
            Ok((entry, u64::from_be_bytes(self.l2.read(at + 8)?)))
        } else {
            Ok((u64::from_be_bytes(self.l2.read(table + index * 8)?), 0))
        }
    }
}

impl Map for Qcow2Map<'_> {
    fn at(&mut self, offset: u64) -> Result<Stretch> {
        let coverage = 1 << self.header.l2_coverage_bits();
        let l1_entry = self.header.l1_offset + offset / coverage * 8;
        let table = u64::from_be_bytes(self.l1.read(l1_entry)?) & OFFSET;
        if table == 0 {
            return Ok(Stretch {
                content: Content::Absent,
                length: coverage - offset % coverage,
            });
        }
        let cluster_size = self.header.cluster_size();
        let within = offset % cluster_size;
        let (entry, bitmap) = self.entry(table, offset % coverage / cluster_size)?;
        let data = self.rules.cluster_data(entry, bitmap, offset - within);

        let is_extended = self.header.has_extended_l2();
        let unit = cluster_size / if is_extended { SUBCLUSTERS } else { 1 };
        let subcluster = within / unit;
        let holds_data = match data.map_err(|error| anyhow!(error))? {
            ClusterData::Whole(holds_data) => holds_data,
            ClusterData::Subclusters(data) => data >> subcluster & 1 == 1,
        };
        let is_zero = if is_extended {
            bitmap >> (32 + subcluster) & 1 == 1
        } else {
            entry & ZERO != 0
        };
        let is_in_place = entry & COMPRESSED == 0 && !self.header.has_external_data();
        let content = if holds_data {
            Content::Data(is_in_place.then_some((entry & OFFSET) + within))
        } else if is_zero {
            Content::Zero
        } else {
            Content::Absent
        };
        Ok(Stretch {
            content,
            length: unit - within % unit,
        })
    }
}
