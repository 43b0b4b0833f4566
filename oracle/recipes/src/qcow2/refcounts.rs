//! How often each cluster of the file is used, and the refcount table and blocks for that.
//!
//! Layout: `docs/interop/qcow2.txt`, section "Host cluster management".

use std::ops::Range;

use super::geometry::Geometry;
use crate::writer::{ImageWriter, Table};

/// Clusters that follow each other and are used equally often.
#[derive(Debug, Clone, Copy)]
struct Used {
    first: u64,
    count: u64,
    references: u64,
}

/// Hands out the file's clusters in rising order, and remembers what is used.
pub(super) struct Clusters {
    next: u64,
    end: u64,
    used: Vec<Used>,
    /// The entry of `used` that is not to grow.
    alone: usize,
    /// The refcount table, and the cluster of the first block, when they have their place already.
    early: Option<(RefcountTable, u64)>,
}

/// Where the refcount table is.
#[derive(Debug, Clone, Copy)]
pub(super) struct RefcountTable {
    /// In clusters.
    pub(super) first: u64,
    /// In clusters.
    pub(super) clusters: u64,
}

/// A refcount block.
#[derive(Debug, Clone, Copy)]
struct Block {
    /// Its entry in the table.
    index: u64,
    /// Its cluster in the file.
    place: u64,
}

impl Clusters {
    /// A file in which the first cluster, the header's, is used.
    pub(super) fn new(expected: usize) -> Self {
        let mut clusters = Self {
            next: 0,
            end: 0,
            used: Vec::with_capacity(expected + 16),
            alone: usize::MAX,
            early: None,
        };
        clusters.take(1, 1);
        clusters
    }

    /// The cluster after the last one that is used.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Leaves clusters free.
    pub(super) fn skip(&mut self, count: u64) {
        self.next += count;
    }

    /// Takes clusters that are used so often; answers the first.
    pub(super) fn take(&mut self, count: u64, references: u64) -> u64 {
        let first = self.take_uncounted(count);
        let last = self.used.len().wrapping_sub(1);
        match self.used.last_mut() {
            Some(used)
                if used.first + used.count == first
                    && used.references == references
                    && last != self.alone =>
            {
                used.count += count;
            }
            _ => self.used.push(Used {
                first,
                count,
                references,
            }),
        }
        first
    }

    /// Takes clusters that no others join: one may be [used again](Self::use_again).
    pub(super) fn take_alone(&mut self, count: u64, references: u64) -> u64 {
        let first = self.take_uncounted(count);
        self.alone = self.used.len();
        self.used.push(Used {
            first,
            count,
            references,
        });
        first
    }

    /// Says that the cluster taken alone last is used more often, if it may be used `most` times.
    pub(super) fn use_again(&mut self, references: u64, most: u64) -> bool {
        let Some(used) = self.used.get_mut(self.alone) else {
            return false;
        };
        if used.references > most - references.min(most) {
            return false;
        }
        used.references += references;
        true
    }

    /// Takes clusters whose refcounts stay 0: too many to count.
    pub(super) fn take_uncounted(&mut self, count: u64) -> u64 {
        let first = self.next;
        self.next += count;
        if count != 0 {
            self.end = self.next;
        }
        first
    }

    /// Gives the refcount table and one block their place now.
    pub(super) fn reserve_refcounts(&mut self, geometry: &Geometry) {
        let clusters = 1 + geometry.refcount_spare;
        // Alone: when the table turns out too small its clusters are free.
        let first = self.take_alone(clusters, 1);
        self.early = Some((RefcountTable { first, clusters }, self.next));
        self.take(1, 1);
    }

    /// Writes the refcounts of all that is used, and of themselves.
    pub(super) fn write_refcounts(
        &mut self,
        geometry: &Geometry,
        writer: &mut ImageWriter,
    ) -> RefcountTable {
        let per_block = (geometry.cluster() * 8) >> geometry.refcount_order;
        let (table, blocks) = self.place_refcounts(geometry, per_block);
        self.used.sort_unstable_by_key(|used| used.first);
        let table_at = table.first * geometry.cluster();
        for block in &blocks {
            let place = block.place * geometry.cluster();
            writer.number(table_at + block.index * 8, 8, place);
        }
        const KIND: Table = Table::of("refcount table", 8, 1);
        writer.offer_table(KIND, table_at, 4);
        for used in self.used.iter().filter(|used| used.references != 0) {
            let mut cluster = used.first;
            let end = used.first + used.count;
            while cluster < end {
                let nth = blocks.partition_point(|block| block.index < cluster / per_block);
                let block = blocks[nth];
                let border = end.min((block.index + 1) * per_block);
                write_counts(
                    geometry.refcount_order,
                    block.place * geometry.cluster(),
                    cluster % per_block..border - block.index * per_block,
                    used.references,
                    writer,
                );
                cluster = border;
            }
        }
        table
    }

    /// Finds a place for the table and the blocks, which are used themselves.
    fn place_refcounts(
        &mut self,
        geometry: &Geometry,
        per_block: u64,
    ) -> (RefcountTable, Vec<Block>) {
        let mut blocks: Vec<Block> = Vec::with_capacity(self.used.len() + 4);
        let mut add = |first: u64, last: u64| {
            for index in first / per_block..=last / per_block {
                if blocks.last().is_none_or(|block| block.index < index) {
                    blocks.push(Block { index, place: 0 });
                }
            }
            blocks.len() as u64
        };
        // What was used is in rising order.
        let mut count = 0;
        for used in &self.used {
            count = add(used.first, used.first + used.count - 1);
        }
        let start = self.next;
        let reserved_block = u64::from(self.early.is_some());
        let mut end = start;
        let table = loop {
            let needed = (end.div_ceil(per_block) * 8).div_ceil(geometry.cluster());
            let early = self.early.filter(|(table, _)| needed <= table.clusters);
            let at_end = RefcountTable {
                first: start,
                clusters: needed + geometry.refcount_spare,
            };
            let table = early.map_or(at_end, |(table, _)| table);
            let start = if early.is_some() {
                start
            } else {
                start + at_end.clusters
            };
            let new_end = start + count - reserved_block;
            if new_end > self.next {
                count = add(self.next, new_end - 1);
            }
            let settled = start + count - reserved_block;
            if new_end == end && settled == end {
                break table;
            }
            end = settled;
        };
        let mut free = start;
        if table.first == start {
            if let Some((early, _)) = self.early {
                for used in &mut self.used {
                    if used.first == early.first {
                        used.references = 0;
                    }
                }
            }
            free += table.clusters;
        }
        let mut reserved = self.early.map(|(_, block)| block);
        for block in &mut blocks {
            block.place = reserved.take().unwrap_or_else(|| {
                free += 1;
                free - 1
            });
        }
        if end > start {
            self.used.push(Used {
                first: start,
                count: end - start,
                references: 1,
            });
            self.next = end;
            self.end = end;
        }
        (table, blocks)
    }
}

/// Writes refcounts of two to the power `order` bits into the block at byte `block`. Those below are written
/// already.
fn write_counts(
    order: u32,
    block: u64,
    counts: Range<u64>,
    references: u64,
    writer: &mut ImageWriter,
) {
    let Range { start, end } = counts;
    if order >= 3 {
        let width = 1 << (order - 3);
        let mut bytes = [0; 64];
        let (mut at, mut left) = (block + start * width as u64, (end - start) as usize * width);
        let used = left.min(bytes.len());
        for count in bytes[..used].chunks_exact_mut(width) {
            count.copy_from_slice(&references.to_be_bytes()[8 - width..]);
        }
        while left != 0 {
            let now = left.min(bytes.len());
            writer.bytes(at, &bytes[..now]);
            at += now as u64;
            left -= now;
        }
        return;
    }
    let in_byte = 8 >> order;
    let mut nth = start;
    while nth < end {
        let at = block + nth / in_byte;
        let next = end.min(nth - nth % in_byte + in_byte);
        // The first byte may hold others.
        let mut byte = if nth % in_byte == 0 {
            0
        } else {
            writer.read_number(at, 1)
        };
        for nth in nth..next {
            byte |= references << ((nth % in_byte) << order);
        }
        writer.number(at, 1, byte);
        nth = next;
    }
}
