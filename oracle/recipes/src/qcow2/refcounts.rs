//! How often each cluster of the file is used, and the refcount table and blocks for that.
//!
//! Layout: `docs/interop/qcow2.txt`, section "Host cluster management".

use super::geometry::Geometry;
use crate::writer::{ImageWriter, Table};
use sparse::PAGE;

/// Clusters that follow each other and are used equally often.
#[derive(Debug, Clone, Copy)]
struct Used {
    first: u64,
    count: u64,
    references: u64,
}

/// Hands out the file's clusters in rising order, and remembers what is used.
#[derive(Debug)]
pub(super) struct Clusters {
    next: u64,
    end: u64,
    used: Vec<Used>,
    /// The entry of `used` that is not to grow.
    alone: usize,
    /// The first cluster of the refcount table, and of the first block after it, when they have their
    /// place already.
    early: Option<Early>,
}

#[derive(Debug, Clone, Copy)]
struct Early {
    table: u64,
    clusters: u64,
    block: u64,
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
        let first = self.hand_out(count);
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

    /// Takes one cluster, which may be [used again](Self::use_again).
    pub(super) fn take_alone(&mut self, references: u64) -> u64 {
        let first = self.hand_out(1);
        self.alone = self.used.len();
        self.used.push(Used {
            first,
            count: 1,
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
        self.hand_out(count)
    }

    fn hand_out(&mut self, count: u64) -> u64 {
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
        self.used.push(Used {
            first: self.next,
            count: clusters,
            references: 1,
        });
        self.alone = self.used.len() - 1;
        self.early = Some(Early {
            table: self.next,
            clusters,
            block: self.next + clusters,
        });
        self.hand_out(clusters);
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
        let mut pen = Pen::new(geometry.refcount_order, writer);
        let mut blocks = blocks.iter();
        let mut block = blocks.next();
        for used in self.used.iter().filter(|used| used.references != 0) {
            let mut cluster = used.first;
            let end = used.first + used.count;
            while cluster < end {
                while block.is_some_and(|block| block.index < cluster / per_block) {
                    block = blocks.next();
                }
                let Some(block) = block else { break };
                let border = end.min((block.index + 1) * per_block);
                let place = block.place * geometry.cluster();
                pen.put(
                    place,
                    cluster % per_block,
                    border - cluster,
                    used.references,
                );
                cluster = border;
            }
        }
        pen.flush();
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
        let (table, end) = loop {
            let reach = end.max(start).max(1);
            let needed = (reach.div_ceil(per_block) * 8).div_ceil(geometry.cluster());
            let early = self.early.filter(|early| needed <= early.clusters);
            let table = early.map_or(
                RefcountTable {
                    first: start,
                    clusters: needed + geometry.refcount_spare,
                },
                |early| RefcountTable {
                    first: early.table,
                    clusters: early.clusters,
                },
            );
            let at_end = if early.is_some() { 0 } else { table.clusters };
            let new_end = start + at_end + (count - reserved_block);
            if new_end > start {
                count = add(start, new_end - 1);
            }
            if new_end == end && start + at_end + (count - reserved_block) == end {
                break (table, end);
            }
            end = start + at_end + (count - reserved_block);
        };
        let mut free = start;
        if table.first == start {
            if let Some(early) = self.early {
                for used in &mut self.used {
                    if used.first == early.table {
                        used.references = 0;
                    }
                }
            }
            free += table.clusters;
        }
        let mut reserved = self.early.map(|early| early.block);
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

/// Writes refcounts, a page at a time.
struct Pen<'a> {
    writer: &'a mut ImageWriter,
    /// The refcounts' width's logarithm, in bits.
    order: u32,
    page_at: u64,
    page: [u8; PAGE as usize],
    /// The bytes of the page that hold something, first and after the last.
    written: (usize, usize),
}

impl<'a> Pen<'a> {
    fn new(order: u32, writer: &'a mut ImageWriter) -> Self {
        Self {
            writer,
            order,
            page_at: u64::MAX,
            page: [0; PAGE as usize],
            written: (0, 0),
        }
    }

    /// Writes the refcounts of entries `first` to `first + count - 1` of the block at byte `block`.
    fn put(&mut self, block: u64, first: u64, count: u64, references: u64) {
        for nth in first..first + count {
            let bit = nth << self.order;
            let at = block + bit / 8;
            let page_at = at - at % PAGE;
            if page_at != self.page_at {
                self.flush();
                self.page_at = page_at;
                self.written = ((at - page_at) as usize, 0);
            }
            let within = (at - page_at) as usize;
            let width = if self.order < 3 {
                self.page[within] |= (references as u8) << (bit % 8);
                1
            } else {
                let width = 1 << (self.order - 3);
                self.page[within..within + width]
                    .copy_from_slice(&references.to_be_bytes()[8 - width..]);
                width
            };
            self.written.1 = within + width;
        }
    }

    fn flush(&mut self) {
        let (from, to) = self.written;
        if from < to {
            self.writer
                .bytes(self.page_at + from as u64, &self.page[from..to]);
            self.page[from..to].fill(0);
        }
        self.written = (0, 0);
        self.page_at = u64::MAX;
    }
}
