//! What an image is to hold, before anything has its place in the file.

use std::ops::Range;

use super::geometry::{Geometry, L1Length, LIMIT_OF_L1, geometry};
use super::units::Cluster;
use crate::recipe::Recipe;

/// The most L1 entries that a disk needs: a scan reads 128 KiB of them.
const MOST_L1_ENTRIES: u64 = 1 << 14;

/// Up to this cluster size every L2 table may be there: runs reach 32 of them, 1 MiB to read.
const LARGEST_CLUSTER_OF_ALL_TABLES: u64 = 32 << 10;
/// Up to this one, tables at the disk's ends and in its middle.
const LARGEST_CLUSTER_OF_SOME_TABLES: u64 = 256 << 10;
/// How much of the first L2 table, and of the last one, a scan may have to read whatever the clusters'
/// size, in bytes.
const MOST_OF_FIRST_TABLE: u64 = 1 << 20;
const MOST_OF_LAST_TABLE: u64 = 256 << 10;

/// What an image is to hold.
pub(super) struct Plan {
    pub(super) geometry: Geometry,
    /// The disk's size in bytes.
    pub(super) size: u64,
    /// How many L1 entries the size needs.
    pub(super) l1_needed: u64,
    /// How many there are.
    pub(super) l1_entries: u64,
    /// The L2 tables, in the order of what they map.
    pub(super) tables: Vec<L2Table>,
    /// The clusters that have an entry in the tables, in rising order.
    pub(super) clusters: Vec<Cluster>,
}

/// An L2 table.
pub(super) struct L2Table {
    /// Its entry in the L1 table.
    pub(super) index: u64,
    /// Its clusters in [`Plan::clusters`].
    pub(super) clusters: Range<usize>,
    /// How many snapshots name it too.
    pub(super) shares: u64,
    /// Its first byte in the file, when it has its place.
    pub(super) offset: u64,
}

impl Plan {
    pub(super) fn new(recipe: &Recipe) -> Self {
        let geometry = geometry(recipe);
        let cluster = geometry.cluster();
        let per_table = geometry.clusters_per_table();
        let most = MOST_L1_ENTRIES * per_table * cluster;
        let granularity = if geometry.any_size { 1 } else { 512 };
        let size = recipe.size.bytes(cluster, most, granularity);
        let on_disk = size.div_ceil(cluster);
        let l1_needed = on_disk.div_ceil(per_table);
        let per_l1_cluster = cluster / 8;
        let l1_entries = match geometry.l1_length {
            L1Length::More(more) => l1_needed + more,
            L1Length::WholeClusters(more) => {
                l1_needed.next_multiple_of(per_l1_cluster) + more * per_l1_cluster
            }
            L1Length::Limit(less) => LIMIT_OF_L1 - less,
        }
        .min(LIMIT_OF_L1);
        let units = recipe.runs.units(on_disk, l1_entries * per_table);
        let mut plan = Self {
            size,
            l1_needed,
            l1_entries,
            tables: Vec::with_capacity(units.len().min(16)),
            clusters: Vec::with_capacity(units.len()),
            geometry,
        };
        let sharing = plan.geometry.sharing_snapshots();
        for unit in &units {
            let index = unit.index / per_table;
            if plan.tables.last().is_none_or(|table| table.index != index) {
                if !plan.may_have_table(index) {
                    continue;
                }
                let at = plan.clusters.len();
                plan.tables.push(L2Table {
                    index,
                    clusters: at..at,
                    shares: if index < l1_needed { sharing } else { 0 },
                    offset: 0,
                });
            }
            if let Some(table) = plan.tables.last_mut() {
                let shared = table.shares != 0;
                plan.clusters
                    .push(Cluster::new(&plan.geometry, unit, shared));
                table.clusters.end = plan.clusters.len();
            }
        }
        plan
    }

    /// Whether there may be an L2 table, which a scan must read: not too many, and not too much. It
    /// depends on no other table, so that a recipe with more data makes an image with more data.
    fn may_have_table(&self, index: u64) -> bool {
        let cluster = self.geometry.cluster();
        if index >= self.l1_needed || cluster <= LARGEST_CLUSTER_OF_ALL_TABLES {
            return true;
        }
        let per_table = self.geometry.clusters_per_table();
        let entries = (self.on_disk() - index * per_table).min(per_table);
        let bytes = entries * self.geometry.entry_size();
        let from_end = self.l1_needed - 1 - index;
        let is_near = if cluster <= LARGEST_CLUSTER_OF_SOME_TABLES {
            let near = (128 << 10) / cluster;
            index.min(from_end) <= near || index == self.l1_needed / 2
        } else {
            from_end == 0 && bytes <= MOST_OF_LAST_TABLE
        };
        is_near || index == 0 && bytes <= MOST_OF_FIRST_TABLE
    }

    /// How many L1 entries name the first table once more in a file of `end` bytes, and whether the disk's entries
    /// then name more tables than fit it.
    pub(super) fn aliases(&self, end: u64) -> (u64, bool) {
        let [sectors, table] = [end, self.geometry.cluster()].map(|bytes| bytes.div_ceil(512));
        let on_disk = self
            .tables
            .partition_point(|table| table.index < self.l1_needed);
        let count = self.tables[..on_disk].first().map_or(0, |first| {
            let next = self.tables[..on_disk].get(1);
            let free = next.map_or(self.l1_needed, |next| next.index) - first.index - 1;
            let units = first.clusters.len() as u64;
            let aliases = self.geometry.aliases;
            aliases.count(free, sectors, table, on_disk as u64, units)
        });
        (count, (on_disk as u64 + count) * table > sectors)
    }

    /// How many clusters the disk has.
    pub(super) fn on_disk(&self) -> u64 {
        self.size.div_ceil(self.geometry.cluster())
    }

    /// How many clusters of the file `entries` L1 entries take.
    pub(super) fn clusters_of_l1(&self, entries: u64) -> u64 {
        (entries * 8).div_ceil(self.geometry.cluster())
    }
}
