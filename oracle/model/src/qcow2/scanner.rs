//! How much of a qcow2 image holds data.
//!
//! Written from QEMU's `docs/interop/qcow2.txt`, with the choices of `qemu-img map`. All numbers are
//! big-endian. An image is judged in three steps: what it is (`Header::read`: another format, a
//! feature that is not known), whether its header holds together (`Header::is_sound`), and what its
//! tables map (`Header::mapped`). Every contradiction from the second step on is of one kind,
//! `Corrupt`, so it does not matter which is seen first.

use std::num::NonZeroU64;
use std::ops::Range;

use types::{AllocationSummary, Facts};

use crate::data::{Data, Tables, big_endian, entries};
use crate::readings::Reading;
use sparse::Bytes;
use types::ScanErrorKind::{self, Corrupt, NotThisFormat, Unsupported};

pub(crate) use super::refusals::may_be_refused;

/// Incompatible features.
const EXTERNAL_DATA: u64 = 1 << 2;
const COMPRESSION_TYPE: u64 = 1 << 3;
const EXTENDED_L2: u64 = 1 << 4;
/// The incompatible features that are known: those three and the marks "dirty" and "corrupt".
const KNOWN_FEATURES: u64 = 0b11111;
/// The autoclear feature "the external data file is raw".
const RAW_EXTERNAL_DATA: u64 = 1 << 1;

/// Bits of L1 and L2 entries.
const HOST_OFFSET: std::ops::RangeInclusive<u32> = 9..=55;
const ZERO_FLAG: u64 = 1;
pub(super) const COMPRESSED: u64 = 1 << 62;
const COPIED: u64 = 1 << 63;

/// The choice: a size is rounded down to whole sectors.
pub(crate) const CHOICES: u32 = 1;

/// See [`scanners::scan`](crate::scanners::scan).
pub(crate) fn scan(
    image: &(impl Bytes + ?Sized),
    unit: Option<NonZeroU64>,
    reading: Reading,
) -> Result<AllocationSummary, ScanErrorKind> {
    let header = Header::read(image)?;
    if !header.is_sound(image.length(), reading) {
        return Err(Corrupt);
    }
    // qcow2-size-of-part-sectors
    let cut = if reading.chooses(0) {
        header.size % 512
    } else {
        0
    };
    let mut data = Data::new(header.size - cut, unit);
    header.mapped(image, reading, &mut data)?;
    Ok(data.summary())
}

/// The facts in the header. Fails when it is no qcow2 header, or has a feature that is not known.
pub(crate) fn facts(image: &(impl Bytes + ?Sized), _: Reading) -> Result<Facts, ScanErrorKind> {
    let header = Header::read(image)?;
    let (start, length) = (header.backing_offset, u64::from(header.backing_length));
    Ok(Facts {
        virtual_size: header.size,
        unit: 1_u64.checked_shl(header.cluster_bits),
        named: (start != 0 && length != 0).then(|| start..start.saturating_add(length)),
        data_file: data_file(image, &header)?,
        ..Facts::default()
    })
}

/// Where the external data file's name is: the data of an extension between the header and the backing file's name.
fn data_file(
    image: &(impl Bytes + ?Sized),
    header: &Header,
) -> Result<Option<Range<u64>>, ScanErrorKind> {
    let mut rest = u64::from(header.length)..header.backing_offset;
    if rest.end == 0 {
        rest.end = header.cluster();
    }
    while header.has_external_data() && rest.start + 8 <= rest.end.min(image.length()) {
        let extension: [u8; 8] = image.array(rest.start);
        let (kind, length) = (big_endian(&extension, 0..4), big_endian(&extension, 4..8));
        rest.start += 8;
        let data = rest.start..rest.start + length;
        match kind {
            _ if data.end > rest.end => return Err(Corrupt),
            0 => break,
            0x4441_5441 => return Ok(Some(data)),
            _ => rest.start += length.next_multiple_of(8),
        }
    }
    Ok(None)
}

/// The header's fields, as they stand; sizes and offsets in bytes.
pub(super) struct Header {
    version: u32,
    pub(super) backing_offset: u64,
    backing_length: u32,
    pub(super) cluster_bits: u32,
    size: u64,
    pub(super) l1_length: u32,
    pub(super) l1_offset: u64,
    pub(super) refcount_table_offset: u64,
    pub(super) refcount_table_clusters: u32,
    pub(super) snapshots: u32,
    pub(super) snapshots_offset: u64,
    // Version 2 does not have the fields that follow: it uses none of these features.
    incompatible: u64,
    autoclear: u64,
    refcount_order: u32,
    pub(super) length: u32,
    compression_type: u8,
}

impl Header {
    /// The header of an image that is qcow2 and uses nothing unknown.
    pub(super) fn read(image: &(impl Bytes + ?Sized)) -> Result<Self, ScanErrorKind> {
        let fields: [u8; 112] = image.array(0);
        let u32_at = |at| big_endian(&fields, at..at + 4) as u32;
        let u64_at = |at| big_endian(&fields, at..at + 8);
        if !fields.starts_with(b"QFI\xfb") {
            return Err(NotThisFormat);
        }
        if !image.contains(0, 8) {
            return Err(Corrupt);
        }
        let version = u32_at(4);
        let fixed_part = match version {
            2 => 72,
            3 => 104,
            _ => return Err(Unsupported),
        };
        if !image.contains(0, fixed_part) {
            return Err(Corrupt);
        }
        let encryption = u32_at(32);
        let mut header = Self {
            version,
            backing_offset: u64_at(8),
            backing_length: u32_at(16),
            cluster_bits: u32_at(20),
            size: u64_at(24),
            l1_length: u32_at(36),
            l1_offset: u64_at(40),
            refcount_table_offset: u64_at(48),
            refcount_table_clusters: u32_at(56),
            snapshots: u32_at(60),
            snapshots_offset: u64_at(64),
            incompatible: 0,
            autoclear: 0,
            refcount_order: 4,
            length: 72,
            compression_type: 0,
        };
        if version == 3 {
            header.incompatible = u64_at(72);
            header.autoclear = u64_at(88);
            header.refcount_order = u32_at(96);
            header.length = u32_at(100);
            if header.length > 104 {
                header.compression_type = fields[104];
            }
        }
        let known = header.incompatible | KNOWN_FEATURES == KNOWN_FEATURES
            && encryption <= 2
            && header.compression_type <= 1;
        if known { Ok(header) } else { Err(Unsupported) }
    }

    /// Whether the header is free of contradictions, in a file of `file` bytes.
    pub(super) fn is_sound(&self, file: u64, reading: Reading) -> bool {
        (9..=21).contains(&self.cluster_bits)
            && self.are_extensions_sound(file)
            && self.is_l1_sound(file, reading)
            && self.are_other_tables_sound()
            && self.is_backing_name_sound()
    }

    /// What version 3 added.
    fn are_extensions_sound(&self, file: u64) -> bool {
        let external_if_raw = !has(self.autoclear, RAW_EXTERNAL_DATA) || self.has_external_data();
        let subclusters_fit = !self.has_extended_l2() || self.cluster_bits >= 14;
        let type_is_announced =
            has(self.incompatible, COMPRESSION_TYPE) == (self.compression_type == 1);
        let length = u64::from(self.length);
        let length_fits = self.version == 2
            || (104..=self.cluster()).contains(&length)
                // Extensions that are not known need not be there.
                && length.min(112) <= file;
        external_if_raw
            && subclusters_fit
            && type_is_announced
            && length_fits
            && self.refcount_order <= 6
    }

    /// The L1 table is at most 32 MiB, aligned, in the file's clusters, and maps the whole disk.
    fn is_l1_sound(&self, file: u64, reading: Reading) -> bool {
        let entries = u64::from(self.l1_length);
        let mapped = u128::from(entries) * u128::from(self.mapped_by_l1_entry());
        entries <= 4 << 20
            && self.is_aligned(self.l1_offset)
            && mapped >= u128::from(self.size)
            && (self.is_in_clusters_of(file, self.l1_offset, entries * 8)
                // qcow2-table-past-end
                || reading.is_lenient() && self.l1_offset < 1 << 62)
    }

    /// Whether `length` bytes at byte `offset` lie in the clusters of a file of `file` bytes. Its last
    /// cluster may be there in part: the rest of it reads as zeros, as QEMU reads all past a file's end.
    pub(super) fn is_in_clusters_of(&self, file: u64, offset: u64, length: u64) -> bool {
        let clusters_end = u128::from(file).next_multiple_of(u128::from(self.cluster()));
        u128::from(offset) + u128::from(length) <= clusters_end
    }

    /// The tables that no scan reads: as QEMU insists on, of a sensible length, aligned, and under 2^63.
    fn are_other_tables_sound(&self) -> bool {
        let refcounts = u128::from(self.refcount_table_clusters) << self.cluster_bits;
        let snapshots = u128::from(self.snapshots) * 40;
        let fits = |offset: u64, length: u128| {
            self.is_aligned(offset) && u128::from(offset) + length < 1 << 63
        };
        (1..=8 << 20).contains(&refcounts)
            && self.snapshots <= 65536
            && fits(self.refcount_table_offset, refcounts)
            && fits(self.snapshots_offset, snapshots)
    }

    /// The backing file's name is at most 1023 bytes in the first cluster.
    fn is_backing_name_sound(&self) -> bool {
        let end = u128::from(self.backing_offset) + u128::from(self.backing_length);
        self.backing_offset == 0 || self.backing_length <= 1023 && end <= u128::from(self.cluster())
    }

    /// Adds to `data` what the active L1 table maps.
    fn mapped(
        &self,
        image: &(impl Bytes + ?Sized),
        reading: Reading,
        data: &mut Data,
    ) -> Result<(), ScanErrorKind> {
        let mut tables = Tables::new(image.length(), reading);
        let coverage = self.mapped_by_l1_entry();
        let needed = self.size.div_ceil(coverage);
        entries(image, self.l1_offset, needed, |number, entry| {
            let table = host_offset(u64::from_be_bytes(entry));
            if table == 0 {
                return Ok(());
            }
            let is_there = reading.is_lenient()
                || self.is_in_clusters_of(image.length(), table, self.cluster());
            if !self.is_aligned(table) || !is_there {
                return Err(Corrupt);
            }
            tables.name(self.cluster())?;
            self.mapped_by_table(image, table, number * coverage, data)
        })
    }

    /// Adds to `data` what the L2 table at byte `table` maps, from byte `start` of the disk on.
    fn mapped_by_table(
        &self,
        image: &(impl Bytes + ?Sized),
        table: u64,
        start: u64,
        data: &mut Data,
    ) -> Result<(), ScanErrorKind> {
        let on_disk = (self.size - start).div_ceil(self.cluster());
        let count = on_disk.min(self.entries_a_table());
        let guest = |number| start + number * self.cluster();
        if self.has_extended_l2() {
            entries(image, table, count, |number, entry: [u8; 16]| {
                let both = u128::from_be_bytes(entry);
                let (entry, bitmap) = ((both >> 64) as u64, both as u64);
                self.extended_entry(entry, bitmap, guest(number), data)
            })
        } else {
            entries(image, table, count, |number, entry| {
                self.standard_entry(u64::from_be_bytes(entry), guest(number), data)
            })
        }
    }

    /// Adds the cluster at byte `guest` of the disk when it holds data by its entry.
    fn standard_entry(&self, entry: u64, guest: u64, data: &mut Data) -> Result<(), ScanErrorKind> {
        let host = self.host_of(entry, guest)?;
        let reads_as_zero = host != Host::Compressed && has(entry, ZERO_FLAG);
        if reads_as_zero && self.version == 2 {
            return Err(Corrupt);
        }
        if host != Host::None && !reads_as_zero {
            data.add(guest, self.cluster());
        }
        Ok(())
    }

    /// Adds the subclusters of the cluster at byte `guest` of the disk that hold data. Bits 0 to 31 of
    /// `bitmap` say which do, bits 32 to 63 which read as zeros.
    fn extended_entry(
        &self,
        entry: u64,
        bitmap: u64,
        guest: u64,
        data: &mut Data,
    ) -> Result<(), ScanErrorKind> {
        let host = self.host_of(entry, guest)?;
        if host == Host::Compressed {
            data.add(guest, self.cluster());
            return Ok(());
        }
        let mut held = bitmap & 0xffff_ffff;
        if held & (bitmap >> 32) != 0 || held != 0 && host == Host::None {
            return Err(Corrupt);
        }
        let size = self.cluster() / 32;
        while held != 0 {
            data.add(guest + u64::from(held.trailing_zeros()) * size, size);
            held &= held - 1;
        }
        Ok(())
    }

    /// Where the cluster at byte `guest` of the disk lies.
    fn host_of(&self, entry: u64, guest: u64) -> Result<Host, ScanErrorKind> {
        let external = self.has_external_data();
        let offset = host_offset(entry);
        if has(entry, COMPRESSED) {
            return if external {
                Err(Corrupt)
            } else {
                Ok(Host::Compressed)
            };
        }
        // At offset 0 there is the header, so 0 is no cluster. An external data file has no header:
        // there the bit "copied" distinguishes its first cluster from none. A zero flag needs no cluster.
        let is_zero = !self.has_extended_l2() && has(entry, ZERO_FLAG);
        let first_of_external = external && has(entry, COPIED) && !is_zero;
        if offset == 0 && !first_of_external {
            return Ok(Host::None);
        }
        // An external data file has every cluster at its place on the disk.
        if !self.is_aligned(offset) || external && offset != guest {
            return Err(Corrupt);
        }
        Ok(Host::Cluster)
    }

    pub(super) fn cluster(&self) -> u64 {
        1 << self.cluster_bits
    }

    fn is_aligned(&self, offset: u64) -> bool {
        offset.trailing_zeros() >= self.cluster_bits
    }

    pub(super) fn entries_a_table(&self) -> u64 {
        self.cluster() / if self.has_extended_l2() { 16 } else { 8 }
    }

    fn mapped_by_l1_entry(&self) -> u64 {
        self.entries_a_table() * self.cluster()
    }

    pub(super) fn has_external_data(&self) -> bool {
        has(self.incompatible, EXTERNAL_DATA)
    }

    fn has_extended_l2(&self) -> bool {
        has(self.incompatible, EXTENDED_L2)
    }

    /// Whether bit 0 of an L2 entry means that the cluster reads as zeros.
    pub(super) fn has_zero_flag(&self) -> bool {
        self.version == 3 && !self.has_extended_l2()
    }
}

/// Where a cluster's data lies.
#[derive(PartialEq, Eq)]
enum Host {
    None,
    Compressed,
    Cluster,
}

pub(super) fn has(bits: u64, bit: u64) -> bool {
    bits & bit != 0
}

/// The bits of an L1 or L2 entry that are an offset, in bytes; all others are flags or reserved.
pub(super) fn host_offset(entry: u64) -> u64 {
    let above = u64::BITS - 1 - HOST_OFFSET.end();
    entry << above >> (above + HOST_OFFSET.start()) << HOST_OFFSET.start()
}
