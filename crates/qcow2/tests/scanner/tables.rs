//! What each kind of L1 and L2 entry counts for, and which are errors.

use harness_core::MockDevice;
use qcow2::Qcow2State;
use shared::ScanError::Corrupt;
use testing::fields::{Layout, named};
use testing::scan::ScanFormat;

use crate::image::{Image, L1_SIZE, ZERO};

const CLUSTER: u64 = 65536;

/// Where the L1 and the first L2 table are in an image with clusters of that size.
const L1: usize = 2 * 65536;
const L2: usize = 3 * 65536;

/// The words of an L2 table: a standard entry is one of them, an extended entry two.
pub(crate) const TABLES: Layout = Layout::new(ScanFormat::Qcow2, |name| named(FIELDS, name));
const FIELDS: &[(&str, usize, usize)] = &[
    ("version", 4, 4),
    ("features", 72, 8),
    ("l1", L1, 8),
    ("word0", L2, 8),
    ("word1", L2 + 8, 8),
    ("word2", L2 + 16, 8),
    ("word3", L2 + 24, 8),
];

/// A disk of 8 clusters without data, whose L2 table is there.
fn empty() -> Vec<u8> {
    let mut image = Image::new(16, 8 * CLUSTER);
    image.l2_entry(0);
    image.bytes
}

/// Host clusters lie in the file, over the header's or the tables' clusters, or past the end. Bits 1 to 8 and 56 to
/// 61 are reserved; bit 62 means compressed, bit 63 that the refcount is one.
#[test]
fn standard_entries() {
    TABLES.check(
        &empty(),
        "
        version=2,3 word1=0,2^63,0x1fe,0x3f00000000000000,2^63+0x1fe => 0
        version=2,3 word1=0x50000,0x10000,0x20000,2^40,2^55 => 64K
        version=2,3 word1=2^63+0x50000,2^63+2^40,0x501fe,0x3f00000000050000 => 64K
        word1=1,2^63+1,0x50001,2^63+0x50001,0x1ff => 0
        version=2 word1=1,2^63+1,0x50001,2^63+0x50001,0x1ff
            => corrupt: a zero cluster in a version 2 image
        version=2,3 word1=0x200,0x8000,0x50200,2^40+0x400
        word1=0x201,0x8001,0x50201,2^40+0x401
            => corrupt: a host cluster is not aligned to the cluster size
        version=2,3 word1=2^62,2^62+0x12345,2^62+1,2^64-1 => 64K
        ",
    );
}

/// External data lies at its guest offset, which may be 0.
#[test]
fn entries_of_external_data() {
    TABLES.check(
        &empty(),
        "
        features=4 word1=64K,2^63+64K => 64K
        features=4 word1=64K+1,2^63+1,0 => 0
        features=4 word0=2^63 => 64K
        features=4 word0=0,2^63+1 => 0
        features=20 word2=64K word3=1 => 2K
        features=20 word0=2^63 word1=7 => 6K
        features=4 word1=2^63,128K,128K+1
        features=20 word2=128K word3=1
        features=20 word2=2^63 word3=0x300000000
            => corrupt: a host cluster in the external data file is not at its guest offset
        features=4 word1=64K+0x200
            => corrupt: a host cluster is not aligned to the cluster size
        features=4 word1=2^62,2^62+0x12345,2^62+1,2^64-1
        features=20 word2=2^62,2^62+0x12345,2^62+1,2^64-1
            => corrupt: a compressed cluster in an image with external data
        features=20 word0=0 word1=1
            => corrupt: subclusters hold data, but there is no host cluster
        ",
    );
}

/// Bit 0 of an extended entry is no zero flag. The low half of its second word has a bit for each subcluster of
/// 2 KiB that holds data, the high half for each that reads as zeroes. A compressed cluster is whole.
#[test]
fn extended_entries() {
    TABLES.check(
        &empty(),
        "
        features=16 word2=2^63+0x50000,2^63+0x50001 word3=0,0xffffffff00000000 => 0
        features=16 word2=2^63+0x50000,2^63+0x50001 word3=1,2^31 => 2K
        features=16 word2=2^63+0x50000,2^63+0x50001 word3=2^31+1 => 4K
        features=16 word2=2^63+0x50000,2^63+0x50001 word3=0xffff0000000000ff => 16K
        features=16 word2=2^63+0x50000,2^63+0x50001 word3=0x55555555 => 32K
        features=16 word2=2^63+0x50000,2^63+0x50001 word3=0xffffffff => 64K
        features=16 word2=0 word3=2^32 => 0
        features=16 word2=2^62,2^62+0x12345,2^62+1,2^64-1 word3=0,1,2^32+1,2^64-1 => 64K
        features=16 word2=2^63+0x50000 word3=2^63+2^31
            => corrupt: a subcluster both holds data and reads as zeroes
        features=16 word2=0,2^63,1,0x1fe word3=1
            => corrupt: subclusters hold data, but there is no host cluster
        features=16 word2=0x200,0x8000,0x50200,2^40+0x400 word3=0,2^32
            => corrupt: a host cluster is not aligned to the cluster size
        ",
    );
}

/// Reserved bits of an L1 entry are ignored.
#[test]
fn an_l2_table_is_aligned_and_begins_in_the_file() {
    let mut image = Image::new(16, CLUSTER);
    image.data(0);
    TABLES.check(
        &image.bytes,
        "
        l1=0x30000,2^63+0x30001,2^63+0x301ff,2^56+0x30000,0xff00000000030000 => 64K
        l1=0,0x1ff,0xff00000000000000 => 0
        l1=0x30200,0x30400,0x30800,0x31000,0x32000,0x34000,0x38000
            => corrupt: an L2 table is not aligned to a cluster
        l1=0x50000,2^40,2^55
        l1=0x50000 length=320K-1
        length=192K
            => corrupt: an L2 table is not wholly in the file's clusters
        ",
    );
}

#[test]
fn a_smaller_size_may_be_asked_for_and_a_larger_one_that_l1_covers() {
    let mut image = Image::new(9, 4 * 64 * 512);
    image.data(0).data(63).data(64).data(255);
    let scanned = |size| {
        let mut device = MockDevice::new(512, 0);
        device.set_fuzz_input(&image.bytes);
        let (mut l1, mut l2) = ([0; 512], [0; 512]);
        Qcow2State::init(device.build_call_table(), 0, &mut l1, &mut l2)
            .and_then(|mut state| state.scan_allocation(size, None))
            .map(|summary| (summary.virtual_size, summary.allocated_bytes))
    };
    assert_eq!(scanned(0), Ok((0, 0)));
    assert_eq!(scanned(1), Ok((1, 1)));
    assert_eq!(scanned(64 * 512), Ok((64 * 512, 1024)));
    assert_eq!(scanned(64 * 512 + 5), Ok((64 * 512 + 5, 1029)));
    assert_eq!(scanned(256 * 512), Ok((256 * 512, 2048)));
    for size in [256 * 512 + 1, 1 << 63, u64::MAX] {
        assert_eq!(
            scanned(size),
            Err(Corrupt("the L1 table is too small for the size asked for"))
        );
    }
}

#[test]
fn entries_past_the_disk_are_not_looked_at() {
    let mut image = Image::new(9, 64 * 512 + 512);
    image.put32(L1_SIZE, 64);
    image.data(0).data(64);
    // The rest of the second table, and of the L1 table, is damaged in every way.
    for cluster in 65..128 {
        image.map(cluster, 0x200 | ZERO);
    }
    for index in 2..64 {
        let at = image.l1_entry(index);
        image.put64(at, u64::MAX - index);
    }
    assert_eq!(TABLES.data_of(&image.bytes), Ok(1024));
}
