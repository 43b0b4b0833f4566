//! Files that end inside their last cluster, and that cluster is a table: what is missing of it reads as
//! zeroes.

use shared::ScanError;
use testing::grid::{commands, scattered};

use crate::{Grid, KIB, MIB, get64, new_grid, put64};

/// Bits 9 to 55 of an L1 or L2 entry.
const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;

/// Puts a copy of the `length` bytes at byte `table` into a cluster of its own at the file's end; where.
fn append_table(bytes: &mut Vec<u8>, cluster: u64, table: u64, length: u64) -> u64 {
    let end = (bytes.len() as u64).next_multiple_of(cluster);
    let copied = bytes[table as usize..][..length as usize].to_vec();
    bytes.resize(end as usize, 0);
    bytes.extend(copied);
    end
}

/// Both must give one answer for the image that ends `kept` bytes after the start of its last table.
fn compare_cut(grid: &mut Grid, bytes: &[u8], table: u64, kept: u64, what: &str) {
    let what = format!("{what}, {kept} bytes of the table");
    let refused = grid.compare_damaged(&bytes[..(table + kept) as usize], &what);
    assert!(!refused, "{what}");
}

#[test]
fn an_l2_table_may_be_cut_anywhere() {
    let mut grid = new_grid();
    for bits in 9..=21 {
        for extended in ["off", "on"] {
            if extended == "on" && bits < 14 {
                continue;
            }
            let cluster: u64 = 1 << bits;
            let entry_size = if extended == "on" { 16 } else { 8 };
            let options = format!("cluster_size={cluster},extended_l2={extended}");
            let mut bytes = grid
                .create(&options, 40 * cluster)
                .io(&scattered(cluster, 40 * cluster))
                .bytes();
            let l1 = get64(&bytes, 40);
            let l2 = get64(&bytes, l1) & OFFSET;
            let moved = append_table(&mut bytes, cluster, l2, cluster);
            put64(&mut bytes, l1, 1 << 63 | moved);
            // Data is in clusters 0, 10 and 11, and others: whole entries, and all bytes of some.
            let of_entry =
                |number: u64| (0..=entry_size).map(move |byte| number * entry_size + byte);
            let inside = [0, 10, 39].into_iter().flat_map(of_entry);
            for kept in inside.filter(|&kept| kept != 0).chain([512, cluster]) {
                if bits > 16 && !kept.is_multiple_of(entry_size) {
                    continue;
                }
                compare_cut(&mut grid, &bytes, moved, kept, &options);
            }
        }
    }
}

#[test]
fn an_l1_table_of_several_clusters_may_be_cut_in_its_last_one() {
    let mut grid = new_grid();
    for (cluster, size, entries) in [(512, 8 * MIB, 256), (4 * KIB, 2048 * MIB, 1024)] {
        let options = format!("cluster_size={cluster}");
        let mut bytes = grid
            .create(&options, size)
            .io(&scattered(cluster, size))
            .bytes();
        let l1_bytes = entries * 8;
        let l1 = get64(&bytes, 40);
        let moved = append_table(&mut bytes, cluster, l1, l1_bytes);
        put64(&mut bytes, 40, moved);
        let last_cluster = (l1_bytes - 1) / cluster * cluster;
        for kept in [
            1,
            7,
            8,
            100,
            cluster - 9,
            cluster - 8,
            cluster - 4,
            cluster - 1,
        ] {
            compare_cut(&mut grid, &bytes, moved, last_cluster + kept, &options);
        }
        // Known to differ: what the file's clusters do not reach reads as zeroes in QEMU too.
        for kept in [1, cluster, last_cluster] {
            let image = grid.image_of(&bytes[..(moved + kept) as usize]);
            assert_eq!(image.map().size(), size);
            assert_eq!(
                image.answer(),
                Err(ScanError::Corrupt(
                    "the L1 table is not wholly in the file's clusters"
                ))
            );
        }
    }
}

/// An empty disk of 100 GiB as qcow2-rs writes it: 1600 bytes of L1 table, of which the file has 512.
#[test]
fn a_fresh_image_may_have_one_sector_of_its_l1_table() {
    let mut grid = new_grid();
    let mut bytes = grid.create("cluster_size=64k", "100G").bytes();
    let l1 = get64(&bytes, 40);
    bytes.truncate(l1 as usize + 512);
    let image = grid.image_of(&bytes).compare();
    assert_eq!(image.map().size(), 102_400 * MIB);
    let said = image.img(&["check"], &[]).bytes();
    assert_eq!(said, bytes, "qemu-img check finds nothing wrong");
}

#[test]
fn a_last_l2_table_may_lack_its_zeroes() {
    let mut grid = new_grid();
    let image = grid.create("cluster_size=64k,preallocation=metadata", "600M");
    let mut bytes = image.io(&commands(&["write -P 1 0 1M"])).bytes();
    let l1 = get64(&bytes, 40);
    let second = get64(&bytes, l1 + 8) & OFFSET;
    let moved = append_table(&mut bytes, 64 * KIB, second, 64 * KIB);
    put64(&mut bytes, l1 + 8, 1 << 63 | moved);
    // 88 MiB of the disk are behind the first table's 512 MiB.
    bytes.truncate((moved + 88 * 16 * 8) as usize);
    let map = grid.image_of(&bytes).compare().map();
    assert_eq!(map.bytes(), 600 * MIB);
}
