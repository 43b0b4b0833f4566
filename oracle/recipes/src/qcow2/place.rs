//! Where in the file the tables and the data are.

use std::ops::Range;

use super::geometry::{Encryption, FileEnd, Part};
use super::plan::{L2Table, Plan};
use super::refcounts::{Clusters, RefcountTable};
use super::units::{COPIED, Place};
use crate::writer::{ImageWriter, Table, structure};

/// From this byte on the file never has anything.
const PAST_ALL_FILES: u64 = 1 << 46;

/// L1 tables of more clusters have no refcounts: they would cost more than all else.
pub(super) const MOST_COUNTED_L1_CLUSTERS: u64 = 1024;

/// The length of the LUKS header, in bytes. One with a key of 512 bits takes 2068480; how much there is does
/// not matter.
pub(super) const LUKS_LENGTH: u64 = 4096;

/// How many entries of an L1 or L2 table damage may pick from, and of how many L2 tables.
const OFFERED_ENTRIES: u64 = 64;
const OFFERED_TABLES: usize = 4;

/// A snapshot's entry in their table, in bytes: its fields, two extra numbers, a name and an id of a
/// letter each, and padding.
const SNAPSHOT_ENTRY: u64 = 64;

const L1_ENTRY: Table = Table::of("L1 entry", 8, 1);
const L2_ENTRY: Table = Table::of("L2 entry", 8, 1);

/// Where everything is, in bytes.
pub(super) struct Placed {
    pub(super) l1_offset: u64,
    pub(super) snapshots_offset: u64,
    pub(super) snapshot_l1_offset: u64,
    /// Where the LUKS header is.
    pub(super) luks: Option<u64>,
    clusters: Clusters,
    /// The cluster after the last one of data.
    data_end: u64,
    compressed: Option<Compressed>,
    past_end: u64,
}

/// A host cluster of compressed data that may have room for more.
#[derive(Debug, Clone, Copy)]
struct Compressed {
    /// Its last sector that is used, in bytes.
    last_sector: u64,
    /// Where the cluster ends, in bytes.
    end: u64,
}

impl Placed {
    /// Gives everything but some refcounts its place.
    pub(super) fn new(plan: &mut Plan) -> Self {
        let mut placed = Self {
            l1_offset: 0,
            snapshots_offset: 0,
            snapshot_l1_offset: 0,
            luks: None,
            clusters: Clusters::new(plan.clusters.len()),
            data_end: 0,
            compressed: None,
            past_end: PAST_ALL_FILES,
        };
        for nth in 0..4 {
            if plan.geometry.gap_before >> nth & 1 != 0 {
                placed.clusters.skip(plan.geometry.gap);
            }
            match plan.geometry.order[nth] {
                Part::Refcounts => placed.clusters.reserve_refcounts(&plan.geometry),
                Part::L1 => placed.place_l1_and_extras(plan),
                Part::L2 => placed.place_tables(plan),
                Part::Data if plan.geometry.interleaved => {}
                Part::Data => placed.place_all_data(plan),
            }
        }
        placed
    }

    fn place_l1_and_extras(&mut self, plan: &Plan) {
        let cluster = plan.geometry.cluster();
        let l1_clusters = plan.clusters_of_l1(plan.l1_entries);
        // A table without entries is at 0, as in QEMU.
        if l1_clusters > MOST_COUNTED_L1_CLUSTERS {
            self.l1_offset = self.clusters.take_uncounted(l1_clusters) * cluster;
        } else if l1_clusters != 0 {
            self.l1_offset = self.clusters.take(l1_clusters, 1) * cluster;
        }
        let snapshots = plan.geometry.snapshots;
        if snapshots != 0 {
            self.snapshots_offset = self.clusters.take(1, 1) * cluster;
            let l1_clusters = plan.clusters_of_l1(plan.l1_needed) * snapshots;
            if l1_clusters != 0 {
                self.snapshot_l1_offset = self.clusters.take(l1_clusters, 1) * cluster;
            }
        }
        if plan.geometry.encryption == Encryption::Luks {
            let clusters = LUKS_LENGTH.div_ceil(cluster);
            self.luks = Some(self.clusters.take(clusters, 1) * cluster);
        }
    }

    fn place_tables(&mut self, plan: &mut Plan) {
        for nth in in_order(0..plan.tables.len(), plan.geometry.l2_reversed) {
            let shares = plan.tables[nth].shares;
            plan.tables[nth].offset = self.clusters.take(1, 1 + shares) * plan.geometry.cluster();
            if plan.geometry.interleaved {
                self.place_data_of(plan, nth);
            }
        }
    }

    fn place_all_data(&mut self, plan: &mut Plan) {
        for nth in in_order(0..plan.tables.len(), plan.geometry.data_reversed) {
            self.place_data_of(plan, nth);
        }
    }

    fn place_data_of(&mut self, plan: &mut Plan, table: usize) {
        let references = 1 + plan.tables[table].shares;
        let cluster_size = plan.geometry.cluster();
        for nth in in_order(
            plan.tables[table].clusters.clone(),
            plan.geometry.data_reversed,
        ) {
            let index = plan.clusters[nth].index;
            let offset = match plan.clusters[nth].place {
                Place::None => continue,
                Place::OtherFile => index * cluster_size,
                Place::PastEnd => {
                    self.past_end += cluster_size;
                    self.past_end
                }
                Place::Cluster => {
                    let offset = self.clusters.take(1, references) * cluster_size;
                    self.data_end = self.clusters.end();
                    self.clusters.skip(plan.geometry.data_gap);
                    offset
                }
                Place::Compressed { shared } => self.place_compressed(plan, shared, references),
            };
            plan.clusters[nth].put_at(offset);
        }
    }

    /// Finds room for compressed data; answers the offset and the number of sectors, as an entry has
    /// them.
    fn place_compressed(&mut self, plan: &Plan, shared: bool, references: u64) -> u64 {
        let geometry = &plan.geometry;
        let cluster = geometry.cluster();
        let wanted = geometry.compressed_sectors + geometry.compressed_more;
        let wanted = wanted % (cluster / 512) + 1;
        let step = (geometry.compressed_step * (cluster / 256)) | (geometry.compressed_step & 1);
        let before = self.compressed.filter(|_| {
            shared
                && self
                    .clusters
                    .use_again(references, geometry.most_references())
        });
        let (start, sectors, end) = if let Some(before) = before {
            let room = (before.end - before.last_sector) / 512;
            (
                before.last_sector + step % 512,
                wanted.min(room),
                before.end,
            )
        } else {
            // It may reach into a second cluster.
            let two = step / 512 + wanted > cluster / 512;
            let first = two.then(|| self.clusters.take(1, references));
            let last = self.clusters.take_alone(1, references);
            let start = first.unwrap_or(last) * cluster + step;
            (start, wanted, (last + 1) * cluster)
        };
        self.data_end = self.data_end.max(end / cluster);
        self.compressed = Some(Compressed {
            last_sector: (start / 512 + sectors - 1) * 512,
            end,
        });
        start | (sectors - 1) << (62 - (geometry.cluster_bits - 8))
    }

    /// Writes all tables, and ends the file.
    pub(super) fn write(&mut self, plan: &Plan, writer: &mut ImageWriter) -> RefcountTable {
        self.write_l1(plan, writer);
        for table in &plan.tables {
            write_l2_table(plan, table, writer);
        }
        self.write_snapshots(plan, writer);
        if let Some(start) = self.luks {
            writer.bytes(start, b"LUKS\xba\xbe\x00\x01");
        }
        let offered = plan.tables.iter().take(OFFERED_TABLES);
        for table in offered {
            offer_l2_table(plan, table, writer);
        }
        self.clusters.write_refcounts(&plan.geometry, writer)
    }

    /// The number of the last cluster that is used.
    pub(super) fn last_cluster(&self) -> u64 {
        self.clusters.end() - 1
    }

    /// Where the file ends, in bytes.
    pub(super) fn file_end(&self, plan: &Plan) -> u64 {
        let cluster = plan.geometry.cluster();
        let end = self.clusters.end() * cluster;
        match plan.geometry.end {
            FileEnd::Cut(bytes) if self.data_end == self.clusters.end() => end - bytes % cluster,
            FileEnd::Cut(_) => end,
            FileEnd::Grown(bytes) => end + bytes,
        }
    }

    fn write_l1(&self, plan: &Plan, writer: &mut ImageWriter) {
        for table in &plan.tables {
            let copied = if table.shares == 0 { COPIED } else { 0 };
            let entry = table.offset | copied | plan.geometry.l1_reserved;
            writer.number(self.l1_offset + table.index * 8, 8, entry);
        }
        if plan.geometry.l1_nonsense {
            let free = (plan.l1_needed..plan.l1_entries)
                .take(8)
                .filter(|index| plan.tables.iter().all(|table| table.index != *index));
            let nonsense = [u64::MAX, 1 << 63 | 0x1200, 1 << 54];
            for (index, value) in free.zip(nonsense) {
                writer.number(self.l1_offset + index * 8, 8, value);
            }
        }
        let near = plan.tables.first().map_or(0, |table| table.index & !7);
        let entries = (plan.l1_entries - near).min(OFFERED_ENTRIES);
        writer.offer_table(L1_ENTRY, self.l1_offset + near * 8, entries);
    }

    /// Writes the first table's L1 entry into the ones behind it.
    pub(super) fn write_aliases(&self, plan: &Plan, aliases: u64, writer: &mut ImageWriter) {
        for table in plan.tables.iter().take(1) {
            let entry = table.offset | COPIED | plan.geometry.l1_reserved;
            for index in table.index + 1..=table.index + aliases {
                writer.number(self.l1_offset + index * 8, 8, entry);
            }
        }
    }

    /// The snapshots' table, and their L1 tables: those of the disk, or empty ones.
    fn write_snapshots(&self, plan: &Plan, writer: &mut ImageWriter) {
        let l1_bytes = plan.clusters_of_l1(plan.l1_needed) * plan.geometry.cluster();
        for nth in 0..plan.geometry.snapshots {
            let at = self.snapshots_offset + nth * SNAPSHOT_ENTRY;
            let l1_offset = self.snapshot_l1_offset + nth * l1_bytes;
            structure!(writer, at => fields;
                0: u64 "snapshot's L1 offset" = l1_offset, place 1;
                8: u32 "snapshot's L1 entries" = plan.l1_needed, number 4 << 20;
                12: u16 "length of a snapshot's id" = 1_u16, number 1;
                14: u16 "length of a snapshot's name" = 1_u16, number 1;
                36: u32 "snapshot's extra data" = 16_u32, number 1024;
            );
            writer.number(at + 48, 8, plan.size);
            writer.bytes(at + 56, &[b'1' + nth as u8, b's']);
            writer.offer_structure("snapshot", at, fields);
            for table in plan.tables.iter().filter(|table| table.shares != 0) {
                writer.number(l1_offset + table.index * 8, 8, table.offset);
            }
        }
    }
}

/// The numbers of a range, rising or falling.
fn in_order(range: Range<usize>, falling: bool) -> impl Iterator<Item = usize> {
    let sum = range.start + range.end;
    range.map(move |nth| if falling { sum - 1 - nth } else { nth })
}

fn write_l2_table(plan: &Plan, table: &L2Table, writer: &mut ImageWriter) {
    let entry_size = plan.geometry.entry_size();
    let first_index = table.index * plan.geometry.clusters_per_table();
    for cluster in &plan.clusters[table.clusters.clone()] {
        let at = table.offset + (cluster.index - first_index) * entry_size;
        if cluster.entry != 0 {
            writer.number(at, 8, cluster.entry);
        }
        if cluster.bitmap != 0 {
            writer.number(at + 8, 8, cluster.bitmap);
        }
    }
}

/// Offers the entries near the first one that is used.
fn offer_l2_table(plan: &Plan, table: &L2Table, writer: &mut ImageWriter) {
    let words = plan.geometry.cluster() / 8;
    let per_entry = plan.geometry.entry_size() / 8;
    let first_index = table.index * plan.geometry.clusters_per_table();
    let used = plan.clusters[table.clusters.start].index - first_index;
    let near = (used * per_entry) & !7;
    let entries = (words - near).min(OFFERED_ENTRIES);
    writer.offer_table(L2_ENTRY, table.offset + near * 8, entries);
}
