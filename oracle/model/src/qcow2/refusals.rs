//! What makes QEMU refuse a qcow2 image that our scanner takes: what has nothing to do with where data is.

use std::collections::BTreeSet;

use sparse::Bytes;
use types::ScanErrorKind::{self, Corrupt};

use super::scanner::{COMPRESSED, Header, has, host_offset};
use crate::data::{big_endian, entries};
use crate::readings::Reading;

/// QEMU's limits on snapshots: of the table and of what is added to an entry, in bytes.
const SNAPSHOTS: u64 = 64 << 20;
const SNAPSHOT_EXTRA: u64 = 1024;

/// The bits that are reserved in L1 entries and in those of L2 tables; in these, bit 0 is one where it does not mean
/// "zeroes".
const RESERVED_L1: u64 = 0x7f00_0000_0000_01ff;
const RESERVED_L2: u64 = 0x3f00_0000_0000_01fe;
const COPIED: u64 = 1 << 63;

/// Whether an image has something that makes QEMU refuse it, or complain of it.
pub(crate) fn may_be_refused(image: &(impl Bytes + ?Sized)) -> bool {
    let header = Header::read(image).ok();
    let header = header.filter(|header| header.is_sound(image.length(), Reading::LENIENT));
    let Some(header) = header else {
        return true;
    };
    let is_encrypted = image.array::<4>(32) != [0; 4];
    // qcow2-key, qcow2-data-file
    is_encrypted
        || header.has_external_data()
        || !has_refcounts(image, &header)
        || !are_snapshots_sound(image, &header)
        || !are_extensions_sound(image, &header)
        || !is_clean(image, &header)
}

/// Whether the refcount table is in the file (qcow2-refcounts).
fn has_refcounts(image: &(impl Bytes + ?Sized), header: &Header) -> bool {
    let length = u64::from(header.refcount_table_clusters) << header.cluster_bits;
    header.is_in_clusters_of(image.length(), header.refcount_table_offset, length)
}

/// Whether the snapshot table is in the file, and as small as QEMU wants it (qcow2-snapshots).
fn are_snapshots_sound(image: &(impl Bytes + ?Sized), header: &Header) -> bool {
    let mut at = header.snapshots_offset;
    for _ in 0..header.snapshots {
        at = at.next_multiple_of(8);
        let entry: [u8; 40] = image.array(at);
        let extra = big_endian(&entry, 36..40);
        at += 40 + extra + big_endian(&entry, 12..14) + big_endian(&entry, 14..16);
        let is_small = at - header.snapshots_offset <= SNAPSHOTS && extra <= SNAPSHOT_EXTRA;
        if !is_small || at > image.length().next_multiple_of(header.cluster()) {
            return false;
        }
    }
    true
}

/// Whether the header extensions are well formed (qcow2-extensions).
fn are_extensions_sound(image: &(impl Bytes + ?Sized), header: &Header) -> bool {
    let mut at = u64::from(header.length);
    let end = match header.backing_offset {
        0 => header.cluster(),
        name => name,
    };
    while at < end {
        let extension: [u8; 8] = image.array(at);
        let (kind, length) = (big_endian(&extension, 0..4), big_endian(&extension, 4..8));
        at += 8;
        if at > end || length > end - at {
            return false;
        }
        let is_sound = match kind {
            0 => return true,
            // The format of the backing file, by its name.
            0xe279_2aca => length < 16,
            // Of an encrypted image only.
            0x0537_be77 => false,
            // Bitmaps: their number, a reserved field, and the length and place of their directory.
            0x2385_2875 => {
                let bitmaps: [u8; 24] = image.array(at);
                let count = big_endian(&bitmaps, 0..4);
                let directory = big_endian(&bitmaps, 16..24);
                length == 24
                    && (1..=65535).contains(&count)
                    && big_endian(&bitmaps, 4..8) == 0
                    && (1..=SNAPSHOTS).contains(&big_endian(&bitmaps, 8..16))
                    && directory.is_multiple_of(header.cluster())
                    && directory <= image.length()
            }
            _ => true,
        };
        if !is_sound {
            return false;
        }
        at += length.next_multiple_of(8);
    }
    true
}

/// Whether `qemu-img check` has nothing to say of the tables' entries: no reserved bit is set, and all that they name
/// is in the file, once (qcow2-check).
fn is_clean(image: &(impl Bytes + ?Sized), header: &Header) -> bool {
    let file = image.length();
    let mut names = Names {
        seen: BTreeSet::new(),
        is_shared: header.snapshots > 0,
        cluster: header.cluster(),
        file,
    };
    let is_clean = entries(
        image,
        header.l1_offset,
        header.l1_length.into(),
        |_, entry| {
            let entry = u64::from_be_bytes(entry);
            let table = host_offset(entry);
            names.check(entry, table, RESERVED_L1)?;
            let count = header.entries_a_table();
            // Of an extended entry the other half is a bitmap.
            let step = header.cluster() / count / 8;
            entries(image, table, count * step, |number, entry| {
                let entry = u64::from_be_bytes(entry);
                let has_zero_flag = header.has_zero_flag();
                let reserved = RESERVED_L2 | u64::from(!has_zero_flag);
                if !number.is_multiple_of(step) || has(entry, COMPRESSED) {
                    return Ok(());
                }
                names.check(entry, host_offset(entry), reserved)
            })
        },
    );
    is_clean.is_ok()
}

/// The clusters that entries name.
struct Names {
    seen: BTreeSet<u64>,
    /// Whether snapshots may share them, so that they are not "copied".
    is_shared: bool,
    cluster: u64,
    file: u64,
}

impl Names {
    /// Whether an entry that names a cluster at byte `host` is as it should be; one without a cluster is not "copied".
    fn check(&mut self, entry: u64, host: u64, reserved: u64) -> Result<(), ScanErrorKind> {
        let is_right = if host == 0 {
            !has(entry, COPIED)
        } else {
            (has(entry, COPIED) || self.is_shared)
                && host.is_multiple_of(self.cluster)
                && host < self.file
                && self.seen.insert(host)
        };
        if is_right && !has(entry, reserved) {
            Ok(())
        } else {
            Err(Corrupt)
        }
    }
}
