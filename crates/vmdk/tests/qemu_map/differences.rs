//! Where the scanner and qemu-img are known to differ, and that they still do.

use shared::ScanError::{self, Corrupt, Unsupported};
use testing::grid::commands;

use crate::{Grid, MIB, new_grid, place, put};

fn sound(grid: &mut Grid) -> Vec<u8> {
    grid.create("subformat=monolithicSparse", "4M")
        .io(&commands(&["write -P 1 64k 128k"]))
        .bytes()
}

/// What map counts, and what the scanner says.
fn both(grid: &mut Grid, bytes: &[u8]) -> (u64, Result<u64, ScanError>) {
    let image = grid.image_of(bytes);
    (
        image.map().bytes(),
        image.answer().map(|summary| summary.allocated_bytes),
    )
}

/// Tables past the end of the file read as zeroes in QEMU.
#[test]
fn qemu_reads_tables_past_the_end_of_the_file_as_zeroes() {
    let mut grid = new_grid();
    let sound = sound(&mut grid);
    let sectors = sound.len() as u64 / 512;
    for table in [sectors, 1 << 30, u64::from(u32::MAX)] {
        let mut bytes = sound.clone();
        put(&mut bytes, place(&sound, 56), 4, table);
        assert_eq!(
            both(&mut grid, &bytes),
            (0, Err(Corrupt("a grain table is not wholly in the file")))
        );
    }
    for directory in [sectors, 1 << 40] {
        let mut bytes = sound.clone();
        put(&mut bytes, 56, 8, directory);
        assert_eq!(
            both(&mut grid, &bytes),
            (
                0,
                Err(Corrupt("the grain directory is not wholly in the file"))
            )
        );
    }
}

/// QEMU takes grains that are no power of two, and of up to 2^21 sectors.
#[test]
fn qemu_takes_grains_of_other_sizes() {
    let mut grid = new_grid();
    let sound = sound(&mut grid);
    for sectors in [3, 7, 127, 129, 256] {
        let mut bytes = sound.clone();
        put(&mut bytes, 20, 8, sectors);
        assert_eq!(
            both(&mut grid, &bytes),
            (
                sectors * 1024,
                Err(Unsupported(
                    "a grain size that is no power of two from 1 to 128 sectors"
                ))
            )
        );
    }
}

/// QEMU takes tables of 1 to 512 entries.
#[test]
fn qemu_takes_tables_of_fewer_entries() {
    let mut grid = new_grid();
    let sound = sound(&mut grid);
    for entries in [128, 256, 511] {
        let mut bytes = sound.clone();
        put(&mut bytes, 44, 4, entries);
        assert_eq!(
            both(&mut grid, &bytes),
            (
                131_072,
                Err(Unsupported(
                    "grain tables of another length than 512 entries"
                ))
            )
        );
    }
}

/// A directory offset is in sectors; in bytes QEMU takes it modulo 2^64.
#[test]
fn qemu_wraps_a_directory_offset_past_the_largest() {
    let mut grid = new_grid();
    let mut bytes = sound(&mut grid);
    let directory = place(&bytes, 56) as u64 / 512;
    put(&mut bytes, 56, 8, directory + (1 << 55));
    assert_eq!(
        both(&mut grid, &bytes),
        (131_072, Err(Corrupt("the grain directory is past 2^64")))
    );
}

/// QEMU takes version 0.
#[test]
fn qemu_takes_version_0() {
    let mut grid = new_grid();
    let mut bytes = sound(&mut grid);
    put(&mut bytes, 4, 4, 0);
    assert_eq!(
        both(&mut grid, &bytes),
        (
            131_072,
            Err(Unsupported("a VMDK version other than 1 to 3"))
        )
    );
}

/// QEMU looks for a footer before the end rounded up to whole sectors, and takes the one that is cut
/// off there for whole.
#[test]
fn qemu_takes_a_footer_whose_last_bytes_are_missing() {
    let mut grid = new_grid();
    let mut bytes = sound(&mut grid);
    let header = bytes[..512].to_vec();
    put(&mut bytes, 56, 8, u64::MAX);
    let mut marker = vec![0; 512];
    put(&mut marker, 12, 4, 3);
    let bytes = [bytes, marker, header, vec![0; 412]].concat();
    assert_eq!(
        both(&mut grid, &bytes),
        (
            131_072,
            Err(Corrupt(
                "the header says that there is a footer, but there is none"
            ))
        )
    );
}

/// QEMU needs the embedded descriptor, which the scanner does not read.
#[test]
fn qemu_needs_the_embedded_descriptor() {
    let mut grid = new_grid();
    let mut bytes = sound(&mut grid);
    bytes[512..512 + 20 * 512].fill(0);
    let image = grid.image_of(&bytes);
    assert!(image.map_unless_refused().is_none());
    assert_eq!(
        image.answer().map(|summary| summary.allocated_bytes),
        Ok(131_072)
    );
}

/// QEMU reads what a descriptor names; the scanner has one file, and names the kind.
#[test]
fn qemu_follows_a_text_descriptor() {
    let mut grid = new_grid();
    for (subformat, bytes, what) in [
        (
            "monolithicFlat",
            4 * MIB,
            "a text descriptor of a flat extent (monolithicFlat)",
        ),
        (
            "twoGbMaxExtentFlat",
            4 * MIB,
            "a text descriptor of several flat extents (twoGbMaxExtentFlat)",
        ),
        (
            "twoGbMaxExtentSparse",
            65536,
            "a text descriptor of several sparse extents (twoGbMaxExtentSparse)",
        ),
    ] {
        let image = grid
            .create(&format!("subformat={subformat}"), "4M")
            .io(&commands(&["write -P 1 0 64k"]));
        assert_eq!(image.map().bytes(), bytes);
        assert_eq!(image.answer(), Err(Unsupported(what)));
    }
}

/// An empty disk, of which QEMU writes a header of capacity 0, is refused by both.
#[test]
fn qemu_does_not_take_its_own_empty_disk() {
    let mut grid = new_grid();
    for subformat in ["monolithicSparse", "streamOptimized"] {
        let image = grid.create(&format!("subformat={subformat}"), "0");
        let bytes = image.bytes();
        assert_eq!(
            image.answer(),
            Err(Unsupported(
                "capacity 0: the embedded descriptor lists the extents"
            ))
        );
        assert!(grid.compare_damaged(&bytes, subformat));
    }
}
