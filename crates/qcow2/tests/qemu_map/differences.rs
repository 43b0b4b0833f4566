//! Where the scanner and qemu-img are known to differ, and that they still do.

use shared::ScanError;
use testing::grid::commands;

use crate::{KIB, MIB, get64, new_grid, put64};

/// Known to differ: map's zero flag follows holes of the image's file. A preallocated cluster that the
/// file has as a hole is data with the flag set, and a scanner, which sees bytes, counts it.
#[test]
fn map_calls_preallocated_clusters_data_that_is_zero() {
    let mut grid = new_grid();
    let image = grid.create("preallocation=metadata", "3M").compare();
    let map = image.map();
    assert_eq!(map.bytes(), 3 * MIB);
    assert!(map.data().all(|extent| extent.zero));
    // With extended L2 entries no subcluster's bit is set, so that nothing is data.
    let image = grid
        .create("preallocation=metadata,extended_l2=on", "3M")
        .compare();
    assert_eq!(image.map().bytes(), 0);
}

/// A host cluster past the end of the file reads as zeroes, but is data to both.
#[test]
fn a_cluster_past_the_end_of_the_file_is_data() {
    let mut grid = new_grid();
    let image = grid
        .create("cluster_size=64k", "1M")
        .io(&commands(&["write -P 1 128k 64k"]));
    let mut bytes = image.bytes();
    let l2 = get64(&bytes, get64(&bytes, 40)) & 0x00ff_ffff_ffff_fe00;
    put64(&mut bytes, l2 + 5 * 8, 1 << 40);
    let map = image.write(&bytes).compare().map();
    assert_eq!(map.bytes(), 128 * KIB);
    assert!(map.data().any(|extent| extent.start == 320 * KIB));
}

/// Known to differ: tables that begin past the end of the file read as zeroes in QEMU; here they are
/// corrupt.
#[test]
fn qemu_reads_tables_past_the_end_of_the_file_as_zeroes() {
    let mut grid = new_grid();
    let image = grid
        .create("cluster_size=64k", "1M")
        .io(&commands(&["write -P 1 128k 64k"]));
    let sound = image.bytes();
    let mut bytes = sound.clone();
    let l1 = get64(&bytes, 40);
    put64(&mut bytes, l1, 1 << 40);
    let image = image.write(&bytes);
    assert_eq!((image.map().bytes(), image.map().size()), (0, MIB));
    assert_eq!(
        image.answer(),
        Err(ScanError::Corrupt(
            "an L2 table is not wholly in the file's clusters"
        ))
    );
    let mut bytes = sound;
    put64(&mut bytes, 40, 1 << 40);
    let image = image.write(&bytes);
    assert_eq!((image.map().bytes(), image.map().size()), (0, MIB));
    assert_eq!(
        image.answer(),
        Err(ScanError::Corrupt(
            "the L1 table is not wholly in the file's clusters"
        ))
    );
}

/// Known to differ: QEMU takes whole sectors of 512 of a size in the header.
#[test]
fn qemu_rounds_the_headers_size_down_to_whole_sectors() {
    let mut grid = new_grid();
    let image = grid
        .create("cluster_size=64k", "1M")
        .io(&commands(&["write -P 1 960k 64k"]));
    let mut bytes = image.bytes();
    for cut in [1, 100, 511] {
        put64(&mut bytes, 24, MIB - cut);
        let image = grid.image_of(&bytes);
        assert_eq!(
            (image.map().size(), image.map().bytes()),
            (MIB - 512, 64 * KIB - 512)
        );
        let summary = image.answer().unwrap();
        assert_eq!(
            (summary.virtual_size, summary.allocated_bytes),
            (MIB - cut, 64 * KIB - cut)
        );
    }
}
