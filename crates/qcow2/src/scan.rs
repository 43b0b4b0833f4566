//! The walk through the L1 and L2 tables.
//!
//! Sector reads for [`init`](Qcow2State::init) and one scan: one for the header, at most the file's
//! sectors and one for the L1 table, and at most the file's sectors of 512 bytes for the L2 tables.

use core::num::NonZeroU64;
use core::ops::Range;

use shared::{
    AllocationSummary, CallTable, DataTally, Input, ScanError, SectorCache, TableBudget,
    entries_but,
};

use crate::entry::{ClusterData, EntryRules, OFFSET};
use crate::{QcowHeader, extension};

/// How much of the file's start is read for the header, in bytes.
const START: usize = 512;
/// How much of a table is read at once, in bytes: empty entries are skipped together.
const BLOCK: usize = 4096;
/// The length of an L1 entry, and of an L2 entry and half of an extended one, in bytes.
const WORD: usize = 8;
/// Subclusters a cluster has with extended L2 entries.
const SUBCLUSTERS: u64 = 32;

/// A scanner over one image.
#[derive(Debug)]
pub struct Qcow2State<'a> {
    input: Input<'a>,
    l1_cache: SectorCache<'a>,
    l2_cache: SectorCache<'a>,
    header: QcowHeader,
}

/// What one scan adds up.
struct Walk {
    tally: DataTally,
    budget: TableBudget,
    rules: EntryRules,
    virtual_size: u64,
}

impl<'a> Qcow2State<'a> {
    /// Reads and verifies the header of the image on `device`. Each cache must hold one sector of the
    /// device; both belong to the scanner from here on.
    ///
    /// # Errors
    /// [`ScanError::NotThisFormat`], [`ScanError::Unsupported`] and [`ScanError::Corrupt`] as
    /// [`QcowHeader::parse`], `Corrupt` also when the L1 table is not wholly in the file's clusters;
    /// [`ScanError::Io`] when the device fails; [`ScanError::InvalidArgument`] for a sector size that
    /// is no power of two from 512 to 65536, or a cache that is too small.
    pub fn init(
        calls: CallTable<'a>,
        device: u32,
        l1_cache: &'a mut [u8],
        l2_cache: &'a mut [u8],
    ) -> Result<Self, ScanError> {
        let mut l1_cache = SectorCache::new(l1_cache);
        let l2_cache = SectorCache::new(l2_cache);
        let mut input = Input::open(calls, device, &[&l1_cache, &l2_cache])?;
        let mut first = [0; START];
        let first = &mut first[..up_to(START, input.capacity())];
        input.read(&mut l1_cache, 0, first, "the header")?;
        let header = QcowHeader::parse(first)?;
        let state = Self {
            input,
            l1_cache,
            l2_cache,
            header,
        };
        if !state.may_have_table(header.l1_offset, header.l1_bytes()) {
            return Err(ScanError::Corrupt(
                "the L1 table is not wholly in the file's clusters",
            ));
        }
        Ok(state)
    }

    /// The image's header.
    #[must_use]
    pub const fn header(&self) -> &QcowHeader {
        &self.header
    }

    /// The bytes of the file that hold the external data file's name. They lie in the first cluster.
    ///
    /// # Errors
    /// [`ScanError::Corrupt`] when a header extension is too long; [`ScanError::Io`] when the device fails.
    pub fn data_file_name(&mut self) -> Result<Option<Range<u64>>, ScanError> {
        if !self.header.has_external_data() {
            return Ok(None);
        }
        let (input, cache) = (&mut self.input, &mut self.l1_cache);
        let length = input.capacity();
        extension::find(&self.header, length, extension::DATA_FILE, |at| {
            input.read_array(cache, at, "a header extension is not wholly in the file")
        })
    }

    /// Bytes read from the device by [`init`](Self::init) and every scan so far: whole sectors.
    #[must_use]
    pub const fn bytes_read(&self) -> u64 {
        self.input.bytes_read()
    }

    /// Adds up the data of the first `virtual_size` bytes of the virtual disk, which is all of it for
    /// [`QcowHeader::virtual_size`]; counts the units of `unit` bytes that it touches, when given.
    ///
    /// # Errors
    /// [`ScanError::Corrupt`] when the L1 table does not cover `virtual_size`, an L2 table is not
    /// aligned or not wholly in the file's clusters, the L2 tables named add up to more sectors than
    /// the file has, or an entry contradicts the specification; [`ScanError::Io`] when the device fails.
    pub fn scan_allocation(
        &mut self,
        virtual_size: u64,
        unit: Option<NonZeroU64>,
    ) -> Result<AllocationSummary, ScanError> {
        let entries = self.header.l1_entries_for(virtual_size);
        if entries > u64::from(self.header.l1_entries) {
            return Err(ScanError::Corrupt(
                "the L1 table is too small for the size asked for",
            ));
        }
        let mut walk = Walk {
            tally: DataTally::new(virtual_size, unit),
            budget: TableBudget::new(self.input.capacity()),
            rules: EntryRules::new(&self.header),
            virtual_size,
        };
        let coverage_bits = self.header.l2_coverage_bits();
        let l1_offset = self.header.l1_offset;
        let entries = entries.min(self.in_file(l1_offset).div_ceil(WORD as u64));
        let mut block = [0; BLOCK];
        for first in (0..entries).step_by(BLOCK / WORD) {
            let block = &mut block[..up_to(BLOCK, (entries - first) * WORD as u64)];
            let at = l1_offset + first * WORD as u64;
            read_table(&mut self.input, &mut self.l1_cache, at, block)?;
            entries_but(block, 0).try_for_each(|(number, entry)| {
                match u64::from_be_bytes(entry) & OFFSET {
                    0 => Ok(()),
                    at => self.scan_l2_table(at, (first + number) << coverage_bits, &mut walk),
                }
            })?;
        }
        Ok(walk.tally.summary())
    }

    /// Adds the data of the clusters that the L2 table at byte `l2_offset` of the file maps, from byte
    /// `guest_offset` of the disk on.
    fn scan_l2_table(
        &mut self,
        l2_offset: u64,
        guest_offset: u64,
        walk: &mut Walk,
    ) -> Result<(), ScanError> {
        let cluster_size = self.header.cluster_size();
        if !l2_offset.is_multiple_of(cluster_size) {
            return Err(ScanError::Corrupt(
                "an L2 table is not aligned to a cluster",
            ));
        }
        if !self.may_have_table(l2_offset, cluster_size) {
            return Err(ScanError::Corrupt(
                "an L2 table is not wholly in the file's clusters",
            ));
        }
        walk.budget.take(cluster_size)?;

        let extended = self.header.has_extended_l2();
        let entry_size = if extended { 2 * WORD } else { WORD };
        let clusters_left = (walk.virtual_size - guest_offset).div_ceil(cluster_size);
        let in_file = cluster_size.min(self.in_file(l2_offset));
        let clusters = clusters_left.min(in_file.div_ceil(entry_size as u64));
        let mut block = [0; BLOCK];
        for first in (0..clusters).step_by(BLOCK / entry_size) {
            let block = &mut block[..up_to(BLOCK, (clusters - first) * entry_size as u64)];
            let at = l2_offset + first * entry_size as u64;
            read_table(&mut self.input, &mut self.l2_cache, at, block)?;
            let start = |number| guest_offset + (first + number) * cluster_size;
            if extended {
                entries_but(block, 0).try_for_each(|(number, entry)| {
                    let [entry, bitmap] = halves(entry);
                    walk.add_cluster(entry, bitmap, start(number))
                })?;
            } else {
                entries_but(block, 0).try_for_each(|(number, entry)| {
                    walk.add_cluster(u64::from_be_bytes(entry), 0, start(number))
                })?;
            }
        }
        Ok(())
    }

    /// Whether a table of `bytes` bytes at byte `offset` lies in the file's clusters. The last cluster
    /// need not be there to its end: what is missing of a table reads as zeroes.
    fn may_have_table(&self, offset: u64, bytes: u64) -> bool {
        let clusters = |bytes: u64| bytes.div_ceil(self.header.cluster_size());
        offset
            .checked_add(bytes)
            .is_some_and(|end| clusters(end) <= clusters(self.input.capacity()))
    }

    /// How many bytes the file has from byte `offset` on.
    fn in_file(&self, offset: u64) -> u64 {
        self.input.capacity().saturating_sub(offset)
    }
}

impl Walk {
    fn add_cluster(&mut self, entry: u64, bitmap: u64, guest_offset: u64) -> Result<(), ScanError> {
        let cluster_size = self.rules.cluster_size();
        match self.rules.cluster_data(entry, bitmap, guest_offset)? {
            ClusterData::Whole(false) => {}
            ClusterData::Whole(true) => {
                self.tally.add(guest_offset, cluster_size);
            }
            ClusterData::Subclusters(data) => {
                let size = cluster_size / SUBCLUSTERS;
                for (first, count) in runs(data) {
                    self.tally.add(
                        guest_offset + u64::from(first) * size,
                        u64::from(count) * size,
                    );
                }
            }
        }
        Ok(())
    }
}

/// Fills `block` with a table's bytes at byte `at`, which is in the file; those past the file's end are
/// zeroes.
///
/// # Errors
/// [`ScanError::Io`] when the device fails.
fn read_table(
    input: &mut Input<'_>,
    cache: &mut SectorCache<'_>,
    at: u64,
    block: &mut [u8],
) -> Result<(), ScanError> {
    let in_file = up_to(block.len(), input.capacity().saturating_sub(at));
    let (in_file, past_end) = block.split_at_mut(in_file);
    past_end.fill(0);
    input.read(cache, at, in_file, "a table")
}

/// The smaller of `most` and `bytes`.
fn up_to(most: usize, bytes: u64) -> usize {
    usize::try_from(bytes).map_or(most, |bytes| bytes.min(most))
}

/// The two words of an extended L2 entry.
fn halves(entry: [u8; 16]) -> [u64; 2] {
    let (words, _) = entry.as_chunks();
    [0, 1].map(|half| u64::from_be_bytes(words[half]))
}

/// The runs of ones in `bits`, from bit 0 up: where each begins, and how long it is.
fn runs(bits: u32) -> impl Iterator<Item = (u32, u32)> {
    let mut left = u64::from(bits);
    core::iter::from_fn(move || {
        let first = left.trailing_zeros();
        let count = (left >> (first & 63)).trailing_ones();
        left &= u64::MAX << ((first + count) & 63);
        (count != 0).then_some((first, count))
    })
}
