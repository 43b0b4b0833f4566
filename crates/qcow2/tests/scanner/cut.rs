//! Tables that the end of the file cuts: the part that their last cluster lacks reads as zeroes.

use crate::image::{COPIED, EXTENDED_L2, Image, L1_OFFSET};
use crate::tables::TABLES;

/// A far host cluster: an entry's first three bytes hold all of it, so that an entry may be cut inside.
const FAR: u64 = 1 << 40;

#[test]
fn an_l2_table_that_is_cut_reads_as_zeroes() {
    for cluster_bits in 9..=21 {
        let cluster = 1 << cluster_bits;
        let entries = cluster / 8;
        let held = [0, 1, entries / 2, entries - 1];
        let mut image = Image::new(cluster_bits, entries * cluster);
        let table = image.l2_entry(0);
        for number in held {
            image.map(number, FAR);
        }
        assert_eq!(image.bytes.len(), table + cluster as usize);
        let sound = image.clone();
        for entry in held.map(|number| number as usize * 8) {
            for length in [entry + 1, entry + 2, entry + 3, entry + 8, entry + 9] {
                let length = length.min(cluster as usize);
                image.bytes.clone_from(&sound.bytes);
                image.bytes.truncate(table + length);
                let there = held.iter().filter(|&&it| it as usize * 8 + 3 <= length);
                let expected = there.count() as u64 * cluster;
                assert_eq!(
                    TABLES.data_of(&image.bytes),
                    Ok(expected),
                    "{length} of {cluster}"
                );
            }
        }
    }
}

#[test]
fn an_extended_l2_table_that_is_cut_reads_as_zeroes() {
    for cluster_bits in 14..=21 {
        let cluster = 1 << cluster_bits;
        let entries = cluster / 16;
        let mut image = Image::with(3, cluster_bits, entries * cluster, EXTENDED_L2);
        let table = image.l2_entry(0);
        let held = [0, entries - 1];
        for number in held {
            image.map_extended(number, FAR, 0xff01);
        }
        let sound = image.clone();
        for (nth, number) in (0..).zip(held) {
            for (length, subclusters) in [(1, 0), (3, 0), (8, 0), (14, 0), (15, 8), (16, 9)] {
                image.bytes.clone_from(&sound.bytes);
                image.bytes.truncate(table + number as usize * 16 + length);
                let expected = (nth * 9 + subclusters) * cluster / 32;
                assert_eq!(
                    TABLES.data_of(&image.bytes),
                    Ok(expected),
                    "{length} of {cluster}"
                );
            }
        }
    }
}

#[test]
fn an_l1_table_that_is_cut_reads_as_zeroes() {
    // An L1 table of three clusters of 512 bytes, in which each entry maps 64 clusters, all of them data.
    let mut image = Image::new(9, 192 * 64 * 512);
    for cluster in 0..64 {
        image.map(cluster, FAR);
    }
    let table = image.get64(image.l1_entry(0)) & !COPIED;
    let l1 = image.append(192 * 8) as usize;
    image.put64(L1_OFFSET, l1 as u64);
    // Six entries name the one table; the file has more than six sectors.
    for index in 0..4 {
        image.put64(l1 + index * 8, table);
    }
    image.put64(l1 + 128 * 8, table);
    image.put64(l1 + 191 * 8, table);
    assert_eq!(l1, 3072);
    TABLES.check(
        &image.bytes,
        "
        length=3072,3072+512,4096
            => corrupt: the L1 table is not wholly in the file's clusters
        length=4096+1,4096+6 => 128K
        length=4096+7,4096+8,4096+504 => 160K
        length=4096+511,4096+512 => 192K
        ",
    );
}
