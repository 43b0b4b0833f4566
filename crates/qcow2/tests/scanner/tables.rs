//! What each kind of L1 and L2 entry counts for, and which are errors.

use harness_core::MockDevice;
use qcow2::Qcow2State;
use shared::ScanError::{self, Corrupt};

use crate::image::{COMPRESSED, COPIED, EXTENDED_L2, EXTERNAL_DATA, Image, L1_SIZE, SIZE, ZERO};

const CLUSTER: u64 = 65536;

/// The data of a disk of 8 clusters whose cluster 1 has `entry`.
fn with_entry(version: u32, incompatible: u64, entry: u64) -> Result<u64, ScanError> {
    let mut image = Image::with(version, 16, 8 * CLUSTER, incompatible);
    image.map(1, entry).data_of()
}

/// The same with an extended entry.
fn with_extended(incompatible: u64, entry: u64, bitmap: u64) -> Result<u64, ScanError> {
    let mut image = Image::with(3, 16, 8 * CLUSTER, EXTENDED_L2 | incompatible);
    image.map_extended(1, entry, bitmap).data_of()
}

const UNALIGNED: Result<u64, ScanError> =
    Err(Corrupt("a host cluster is not aligned to the cluster size"));

#[test]
fn a_host_cluster_is_data_wherever_it_lies() {
    // In the file, over the header's or the tables' clusters, or past the end.
    for host in [0x5_0000, 0x1_0000, 0x2_0000, 1 << 40, 1 << 55] {
        for flags in [0, COPIED, 0x1fe, 0x3f << 56] {
            assert_eq!(with_entry(3, 0, host | flags), Ok(CLUSTER));
        }
    }
}

#[test]
fn no_host_cluster_is_no_data() {
    for entry in [0, COPIED, 0x1fe, 0x3f << 56, COPIED | 0x1fe] {
        assert_eq!(with_entry(3, 0, entry), Ok(0));
        assert_eq!(with_entry(2, 0, entry), Ok(0));
    }
}

#[test]
fn a_zero_cluster_is_no_data_with_and_without_a_host_cluster() {
    for entry in [
        ZERO,
        ZERO | COPIED,
        ZERO | 0x5_0000,
        ZERO | COPIED | 0x5_0000,
        ZERO | 0x1fe,
    ] {
        assert_eq!(with_entry(3, 0, entry), Ok(0));
        assert_eq!(
            with_entry(2, 0, entry),
            Err(Corrupt("a zero cluster in a version 2 image"))
        );
    }
}

#[test]
fn a_host_cluster_that_is_not_aligned_is_corrupt() {
    for host in [0x200, 0x8000, 0x5_0200, 1 << 40 | 0x400] {
        assert_eq!(with_entry(3, 0, host), UNALIGNED);
        assert_eq!(with_entry(2, 0, host), UNALIGNED);
        assert_eq!(with_entry(3, 0, host | ZERO), UNALIGNED);
        assert_eq!(with_extended(0, host, 0), UNALIGNED);
        assert_eq!(with_extended(0, host, 1 << 32), UNALIGNED);
    }
}

#[test]
fn a_compressed_cluster_is_whole() {
    for entry in [
        COMPRESSED,
        COMPRESSED | 0x12345,
        COMPRESSED | ZERO,
        u64::MAX,
    ] {
        assert_eq!(with_entry(3, 0, entry), Ok(CLUSTER));
        assert_eq!(with_entry(2, 0, entry), Ok(CLUSTER));
        for bitmap in [0, 1, 1 << 32 | 1, u64::MAX] {
            assert_eq!(with_extended(0, entry, bitmap), Ok(CLUSTER));
        }
        let external = Err(Corrupt(
            "a compressed cluster in an image with external data",
        ));
        assert_eq!(with_entry(3, EXTERNAL_DATA, entry), external);
        assert_eq!(with_extended(EXTERNAL_DATA, entry, 0), external);
    }
}

#[test]
fn external_data_lies_at_its_guest_offset() {
    let elsewhere = Err(Corrupt(
        "a host cluster in the external data file is not at its guest offset",
    ));
    assert_eq!(with_entry(3, EXTERNAL_DATA, CLUSTER), Ok(CLUSTER));
    assert_eq!(with_entry(3, EXTERNAL_DATA, COPIED | CLUSTER), Ok(CLUSTER));
    assert_eq!(with_entry(3, EXTERNAL_DATA, CLUSTER | ZERO), Ok(0));
    assert_eq!(with_entry(3, EXTERNAL_DATA, COPIED | ZERO), Ok(0));
    assert_eq!(with_entry(3, EXTERNAL_DATA, 0), Ok(0));
    for entry in [COPIED, 2 * CLUSTER, (2 * CLUSTER) | ZERO] {
        assert_eq!(with_entry(3, EXTERNAL_DATA, entry), elsewhere);
    }
    assert_eq!(with_entry(3, EXTERNAL_DATA, CLUSTER | 0x200), UNALIGNED);
    assert_eq!(with_extended(EXTERNAL_DATA, CLUSTER, 1), Ok(CLUSTER / 32));
    assert_eq!(with_extended(EXTERNAL_DATA, 2 * CLUSTER, 1), elsewhere);
    assert_eq!(with_extended(EXTERNAL_DATA, COPIED, 3 << 32), elsewhere);
}

#[test]
fn external_data_may_lie_at_offset_0() {
    let first = |incompatible, entry, bitmap| {
        let mut image = Image::with(3, 16, 8 * CLUSTER, EXTERNAL_DATA | incompatible);
        image.map_extended(0, entry, bitmap).data_of()
    };
    // With standard entries the second word is cluster 1's entry.
    assert_eq!(first(0, COPIED, 0), Ok(CLUSTER));
    assert_eq!(first(0, 0, 0), Ok(0));
    assert_eq!(first(0, COPIED | ZERO, 0), Ok(0));
    assert_eq!(first(EXTENDED_L2, COPIED, 0b111), Ok(3 * CLUSTER / 32));
    assert_eq!(
        first(EXTENDED_L2, 0, 1),
        Err(Corrupt(
            "subclusters hold data, but there is no host cluster"
        ))
    );
}

#[test]
fn subclusters_hold_data_where_their_bit_says() {
    let host = COPIED | 0x5_0000;
    for (bitmap, subclusters) in [
        (0, 0),
        (1, 1),
        (0x8000_0000, 1),
        (0x8000_0001, 2),
        (0xffff_ffff, 32),
        (0x5555_5555, 16),
        (0xffff_ffff << 32, 0),
        (0xffff_0000 << 32 | 0xff, 8),
    ] {
        assert_eq!(
            with_extended(0, host, bitmap),
            Ok(subclusters * CLUSTER / 32)
        );
        // Bit 0 is no zero flag here.
        assert_eq!(
            with_extended(0, host | ZERO, bitmap),
            Ok(subclusters * CLUSTER / 32)
        );
    }
    assert_eq!(with_extended(0, 0, 1 << 32), Ok(0));
    assert_eq!(
        with_extended(0, host, 1 << 63 | 1 << 31),
        Err(Corrupt("a subcluster both holds data and reads as zeroes"))
    );
    for entry in [0, COPIED, ZERO, 0x1fe] {
        assert_eq!(
            with_extended(0, entry, 1),
            Err(Corrupt(
                "subclusters hold data, but there is no host cluster"
            ))
        );
    }
}

#[test]
fn subclusters_touch_units_of_their_own() {
    let mut image = Image::with(3, 16, 4 * CLUSTER, EXTENDED_L2);
    image.map_extended(0, 0x5_0000, 0x8000_0001);
    image.map_extended(3, 0x5_0000, 0b110);
    let touched = |unit| {
        let summary = image.answer(Some(unit)).unwrap();
        summary.touched.unwrap().count
    };
    assert_eq!(
        [512, 2048, 4096, 65536, 131_072, 1 << 30].map(touched),
        [16, 4, 4, 2, 2, 1]
    );
}

#[test]
fn clusters_are_clipped_at_the_end_of_the_disk() {
    let mut image = Image::new(16, 2 * CLUSTER + 1000);
    image.data(1).data(2).map(3, 0x200);
    let summary = image.answer(Some(512)).unwrap();
    assert_eq!(summary.allocated_bytes, CLUSTER + 1000);
    assert_eq!(summary.touched.unwrap().count, 128 + 2);
    let mut image = Image::with(3, 16, CLUSTER + 3000, EXTENDED_L2);
    image.map_extended(1, 0x5_0000, 0b111);
    assert_eq!(image.data_of(), Ok(3000));
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
fn the_disk_may_be_as_large_as_the_l1_table_allows() {
    // Clusters of 2 MiB: an L2 table maps 512 GiB.
    let mut image = Image::new(21, 0);
    image.append(64);
    image.put32(L1_SIZE, 8);
    image.put64(SIZE, 4 << 40);
    image.map((4 << 40 >> 21) - 1, COMPRESSED);
    assert_eq!(image.data_of(), Ok(2 << 20));
}

#[test]
fn reserved_bits_of_an_l1_entry_are_ignored() {
    let mut image = Image::new(16, CLUSTER);
    image.data(0);
    let at = image.l1_entry(0);
    let entry = image.get64(at);
    for bit in (0..9).chain(56..64) {
        image.put64(at, entry ^ 1 << bit);
        assert_eq!(image.data_of(), Ok(CLUSTER));
    }
    for bits in [0, 0x1ff, 0xff << 56] {
        image.put64(at, bits);
        assert_eq!(image.data_of(), Ok(0));
    }
}

#[test]
fn an_l2_table_is_aligned_and_begins_in_the_file() {
    let mut image = Image::new(16, CLUSTER);
    image.data(0);
    let at = image.l1_entry(0);
    let table = image.get64(at);
    for bit in 9..16 {
        image.put64(at, table ^ 1 << bit);
        assert_eq!(
            image.data_of(),
            Err(Corrupt("an L2 table is not aligned to a cluster"))
        );
    }
    let outside = Err(Corrupt("an L2 table is not wholly in the file's clusters"));
    let end = image.bytes.len() as u64;
    for offset in [end, 1 << 40, 1 << 55] {
        image.put64(at, offset);
        assert_eq!(image.data_of(), outside);
    }
    // Also when the file's last cluster is there in part.
    image.put64(at, end);
    image.bytes.pop();
    assert_eq!(image.data_of(), outside);
    image.put64(at, table);
    image.bytes.truncate((table & !COPIED) as usize);
    assert_eq!(image.data_of(), outside);
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
    assert_eq!(image.data_of(), Ok(1024));
}
