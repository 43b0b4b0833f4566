//! Aliasing tables, failing reads, random damage: work stays bounded, and an answer is exact or absent.

use qcow2::{Qcow2State, QcowHeader};
use shared::{CallTable, ScanError};

use crate::common::{Device, SECTOR_SIZES, answer};
use crate::image::{COMPRESSED, COPIED, EXTENDED_L2, Image, ZERO, field};

const OVERDRAWN: ScanError =
    ScanError::Corrupt("the tables named add up to more sectors than the image has");

/// An image of 1 MiB whose L1 table fills most of it, and names one L2 table in every entry.
fn aliasing(cluster_bits: u32) -> Image {
    let cluster = 1_u64 << cluster_bits;
    let l1_bytes = (1 << 20) - 4 * cluster;
    let entries = l1_bytes / 8;
    let mut image = Image::new(cluster_bits, 0);
    image.append(l1_bytes);
    let table = image.append(cluster);
    image.bytes.resize(1 << 20, 0);
    image.put32(field::L1_SIZE, entries as u32);
    image.put64(field::SIZE, entries * (cluster / 8) * cluster);
    for index in 0..entries {
        let at = image.l1_entry(index);
        image.put64(at, COPIED | table);
    }
    for at in (table..table + cluster).step_by(8) {
        image.put64(at as usize, COPIED | table);
    }
    image
}

#[test]
fn an_l2_table_that_every_l1_entry_names_is_not_read_time_and_again() {
    for cluster_bits in [9, 12, 16, 17] {
        let image = aliasing(cluster_bits);
        assert_eq!(image.bytes.len(), 1 << 20);
        // `answer` asserts the bound on the reads.
        assert_eq!(answer(&image.bytes, None, None), Err(OVERDRAWN));
    }
}

#[test]
fn l2_tables_may_alias_as_long_as_they_would_fit_the_file() {
    // What the tables say counts, as in qemu-img. 2048 sectors hold 2048 tables of one sector.
    let image = aliasing(9);
    let one_table = 64 * 512;
    assert_eq!(
        answer(&image.bytes, Some(2048 * one_table), None).map(|it| it.allocated_bytes),
        Ok(2048 * one_table)
    );
    assert_eq!(
        answer(&image.bytes, Some(2048 * one_table + 1), None),
        Err(OVERDRAWN)
    );
}

/// Images that between them have every kind of entry.
fn specimens() -> Vec<Image> {
    let mut standard = Image::new(9, 600 * 512 + 77);
    for cluster in (0..601).step_by(7) {
        standard.data(cluster);
        standard.map(cluster + 1, COMPRESSED | 0x1234);
        standard.map(cluster + 3, ZERO);
    }
    let mut old = Image::with(2, 12, 40 << 20, 0);
    for cluster in (0..10_240).step_by(611) {
        old.data(cluster);
    }
    let mut extended = Image::with(3, 14, 64 << 20, EXTENDED_L2);
    for cluster in (0..4096).step_by(501) {
        extended.map_extended(cluster, COPIED | 0x1_0000, 0xf0f0 << 32 | 0x0f0f_0000);
    }
    vec![standard, old, extended]
}

#[test]
fn a_read_that_fails_is_an_io_error_and_never_a_number() {
    let mut faults = 0;
    for image in specimens() {
        let sound = answer(&image.bytes, None, None);
        assert!(sound.is_ok());
        for sector_size in SECTOR_SIZES {
            let all = Device::new(&image.bytes, sector_size, None);
            all.scan(None, None, 2).unwrap();
            for read in 0..all.reads() {
                let device = Device::new(&image.bytes, sector_size, Some(read));
                let answer = device.scan(None, None, 1);
                if device.reads() > read {
                    assert!(
                        matches!(answer, Err(ScanError::Io { sector })
                            if sector * u64::from(sector_size) < image.bytes.len() as u64),
                        "read {read} of {sector_size} bytes failed: {answer:?}"
                    );
                    faults += 1;
                } else {
                    assert_eq!(answer, sound);
                }
            }
        }
    }
    assert!(faults > 500, "only {faults} reads failed");
}

#[test]
fn a_scan_after_a_failed_one_answers() {
    let image = &specimens()[0];
    let sound = answer(&image.bytes, None, None);
    let device = Device::new(&image.bytes, 512, Some(5));
    let (mut l1, mut l2) = ([0; 512], [0; 512]);
    let mut state = Qcow2State::init(CallTable::over(&device), 3, &mut l1, &mut l2).unwrap();
    let size = state.header().virtual_size;
    assert!(matches!(
        state.scan_allocation(size, None),
        Err(ScanError::Io { .. })
    ));
    assert_eq!(state.scan_allocation(size, None), sound);
}

#[test]
fn a_wrong_sector_size_and_a_small_cache_are_the_callers_mistake() {
    let image = &specimens()[0];
    for sector_size in [0, 256, 513, 131_072] {
        let device = Device::new(&image.bytes, sector_size, None);
        let (mut l1, mut l2) = (vec![0; 131_072], vec![0; 131_072]);
        assert!(matches!(
            Qcow2State::init(CallTable::over(&device), 3, &mut l1, &mut l2),
            Err(ScanError::InvalidArgument(_))
        ));
        assert_eq!(device.reads(), 0);
    }
    let device = Device::new(&image.bytes, 1024, None);
    for (l1, l2) in [(1023, 1024), (1024, 1023)] {
        let (mut l1, mut l2) = (vec![0; l1], vec![0; l2]);
        assert!(matches!(
            Qcow2State::init(CallTable::over(&device), 3, &mut l1, &mut l2),
            Err(ScanError::InvalidArgument(_))
        ));
    }
    assert_eq!(device.reads(), 0);
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

/// Damages one word: a bit, a boundary value, a random one, or an offset in the file.
fn damage(image: &mut Image, random: &mut Random) {
    let tables = image.l1_offset as usize..image.bytes.len();
    let (at, wide) = match random.below(3) {
        0 => (random.below(28) * 4, random.below(2) == 0),
        _ => (
            tables.start + random.below((tables.len() - 8) / 8) * 8,
            true,
        ),
    };
    let old = image.get64(at);
    let new = match random.below(5) {
        0 => old ^ 1 << random.below(64),
        1 => u64::MAX << random.below(64),
        2 => random.next(),
        3 => random.next() % (2 * image.bytes.len() as u64) / image.cluster * image.cluster,
        _ => 1_u64 << random.below(64),
    };
    if wide {
        image.put64(at, new);
    } else {
        image.put32(at, new as u32);
    }
}

#[test]
fn random_damage_is_survived_with_bounded_reads() {
    let mut random = Random(1);
    let (mut answered, mut refused) = (0, 0);
    let specimens = specimens();
    for case in 0..6000 {
        let mut image = specimens[case % specimens.len()].clone();
        for _ in 0..=random.below(4) {
            damage(&mut image, &mut random);
        }
        if random.below(8) == 0 {
            let length = random.below(image.bytes.len());
            image.bytes.truncate(length);
        }
        // `answer` asserts the bound, and that neither sector size nor repetition matters.
        match answer(&image.bytes, None, Some(4096)) {
            Ok(summary) => {
                assert!(summary.allocated_bytes <= summary.virtual_size);
                let units = summary.virtual_size.div_ceil(4096);
                assert!(summary.touched.unwrap().count <= units);
                answered += 1;
            }
            Err(_) => refused += 1,
        }
    }
    assert!(answered > 500 && refused > 500, "{answered} {refused}");
}

#[test]
fn random_headers_are_survived() {
    let mut random = Random(2);
    let mut accepted = 0;
    let sound: Vec<[u8; 512]> = (9..=21)
        .map(|bits| *Image::new(bits, 1 << 20).bytes.first_chunk().unwrap())
        .collect();
    for case in 0..200_000 {
        let mut first_sector = sound[case % sound.len()];
        for _ in 0..=random.below(3) {
            let at = 4 + random.below(112);
            first_sector[at] = random.next() as u8;
        }
        if let Ok(header) = QcowHeader::parse(&first_sector) {
            assert!(header.l1_entries_for(header.virtual_size) <= u64::from(header.l1_entries));
            accepted += 1;
        }
    }
    assert!(accepted > 10_000, "{accepted}");
}
