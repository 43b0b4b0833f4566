//! The scanner against `qemu-img map`, on images that qemu-img and qemu-io make: damaged ones, and footers
//! that are cut off. Split images are in `tools/images/tests`.
//!
//! The tests fail when qemu-img is missing: nothing is skipped.

#[path = "qemu_map/damage.rs"]
mod damage;

use testing::grid::Grid;
use testing::scan::ScanFormat;

const MIB: u64 = 1 << 20;

/// The file in which an image is made.
const NAME: &str = "image.vmdk";

fn new_grid() -> Grid {
    Grid::new(ScanFormat::Vmdk, NAME)
}

/// Writes a little-endian number of `width` bytes into an image.
fn put(bytes: &mut [u8], at: usize, width: usize, value: u64) {
    bytes[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
}

/// A header field of 64 bits that is a sector: the byte where it points.
fn place(bytes: &[u8], at: usize) -> usize {
    usize::try_from(u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) * 512).unwrap()
}

/// A directory entry: the byte where its table lies.
fn table(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize * 512
}

/// The same image with its header in a footer.
fn with_footer(mut bytes: Vec<u8>) -> Vec<u8> {
    let mut marker = vec![0; 512];
    put(&mut marker, 0, 8, 1);
    put(&mut marker, 12, 4, 3);
    let header = bytes[..512].to_vec();
    put(&mut bytes, 56, 8, u64::MAX);
    [bytes, marker, header, vec![0; 512]].concat()
}

/// An image with a footer may have been cut off; then neither takes it.
#[test]
fn a_footer_that_is_cut_off_is_refused_by_both() {
    let mut grid = new_grid();
    let image = grid.convert(
        &["-o", "subformat=streamOptimized"],
        MIB,
        &["write -P 7 0 100k"],
    );
    let sound = with_footer(image.bytes());
    for cut in [512, 1024, 4096] {
        assert!(grid.compare_damaged(&sound[..sound.len() - cut], "a footer cut off"));
    }
    assert!(!grid.compare_damaged(&sound, "a sound footer"));
}
