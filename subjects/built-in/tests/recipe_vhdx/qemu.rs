//! Images are real ones: QEMU opens them, and finds the data where the recipe says.
//!
//! `qemu-img map` says of every VHDX that all of it is data, so that the truth is the BAT's; that blocks
//! lie where they should is seen by what qemu-io reads of blocks into which the test has written.

use std::collections::BTreeSet;

use fastrand::Rng;
use harness_core::subject::ScanFormat::Vhdx;
use recipes::vhdx::geometry::{Bitmaps, FileEnd, Headers, Tables};
use recipes::vhdx::knobs;
use recipes::vhdx::oddity::Oddity;
use recipes::vhdx::{Geometry, geometry};
use recipes::{Recipe, at};
use sparse::SparseImage;
use testing::device::Source as _;
use testing::qemu::Folder;

use crate::M;
use crate::found::Found;
use crate::support::{assert_truth, decode, random_recipe, zeros_but};

const NAME: &str = "image.vhdx";

/// Oddities that QEMU takes in some forms at least, sorted: a block over the headers; a disk of part
/// sectors, which it cuts; a log without entries; a file that is short of a region's end (what is not
/// there reads as zeros), or a region outside of it; items whose length is wrong, or that reach past
/// their region's end; a metadata region without length; a region's length that is no whole MiB; a newer
/// header of another version, for which it takes the older one.
const TAKEN_BY_QEMU: [&str; 10] = [
    "BlockOver",
    "DirtyLog",
    "DiskOfPartSectors",
    "FileShort",
    "ItemLength",
    "ItemOutside",
    "MetadataEmpty",
    "RegionMisaligned",
    "RegionOutside",
    "Version",
];

/// Writes the image as a file of holes.
fn write(folder: &Folder, image: &SparseImage) {
    folder.write_holes(NAME, image.capacity());
    let mut together: (u64, Vec<u8>) = (0, Vec::new());
    for (at, piece) in image.pieces(0, u64::MAX) {
        if at != together.0 + together.1.len() as u64 {
            folder.write_at(NAME, together.0, &together.1);
            together = (at, Vec::new());
        }
        together.1.extend(piece);
    }
    folder.write_at(NAME, together.0, &together.1);
}

/// Why QEMU does not take an image that is in order. Each has its test below.
fn known_difference(geometry: &Geometry, found: &Found) -> Option<&'static str> {
    let is_present = |entry: &u64| entry & 7 == 6;
    if geometry.tables == Tables::FirstDamaged {
        Some("only the first region table is read")
    } else if geometry.logical_sector != 512 {
        Some("only logical sectors of 512 bytes are known")
    } else if geometry.log_version != 0 {
        Some("the log's version matters without a log")
    } else if geometry.bitmaps == Bitmaps::Present && found.needs_bitmap_entry() {
        Some("a sector bitmap entry in state 6 is verified as if it were a block's")
    } else if geometry.file_end == FileEnd::LastBlockCut && found.needs_bitmap_entry() {
        Some("a last block that is cut off counts whole behind a sector bitmap entry")
    } else if found.virtual_size == 0 && found.past_the_end.iter().any(is_present) {
        Some("a disk of no bytes has a million entries and more")
    } else {
        None
    }
}

/// Whether the file is too long for a file system, or its BAT for QEMU, which reads all of it.
fn is_too_long(image: &SparseImage, found: &Found) -> bool {
    image.capacity() > 8 << 40 || found.virtual_size == 0 && found.block_size > 32 * M
}

/// A recipe of a small disk with two blocks present, and some bytes changed.
fn small(changed: &[(usize, u8)]) -> Recipe {
    // Blocks of 1 MiB, nine of them and a sector of 4096 bytes.
    let disk = [
        (at::GEOMETRY, 1),
        (at::SIZE_MODE, 4 << 2),
        (at::SIZE, 9),
        (at::SIZE_TAIL + 1, 16),
    ];
    let runs = [(0, 3), (2, 1), (5, 1 << 6), (6, 1)].map(|(at, byte)| (at::RUNS + at, byte));
    zeros_but(Vhdx, &[&disk[..], &runs, changed].concat())
}

/// What block at `place` of the file begins and ends with.
fn pattern(place: u64) -> u8 {
    u8::try_from(place / M % 251 + 1).unwrap()
}

/// The commands that read the first sector of some blocks, what of their last one is in the disk, and
/// nothing but zeros of blocks that are not there.
fn reads(found: &Found) -> Vec<String> {
    let mut commands = Vec::new();
    let mut read = |at: u64, pattern: u8| {
        commands.push(format!("read -P {pattern} {at} 512"));
    };
    let places: Vec<_> = found.present().collect();
    let is_present = |block| {
        places
            .binary_search_by_key(&block, |&(block, _)| block)
            .is_ok()
    };
    for &(block, place) in places.iter().take(12).chain(places.iter().rev().take(12)) {
        let start = block * found.block_size;
        read(start, pattern(place));
        read(found.end_of(block) - 512, pattern(place));
        if block > 0 && !is_present(block - 1) {
            read(start - 512, 0);
        }
        if start + found.block_size < found.virtual_size && !is_present(block + 1) {
            read(start + found.block_size, 0);
        }
    }
    commands
}

#[test]
fn qemu_takes_images_and_finds_the_data_where_the_recipe_says() {
    let folder = Folder::new();
    let mut random = Rng::with_seed(0x7165_6d75);
    let (mut compared, mut blocks, mut cut, mut damaged_headers, mut chunks) = (0, 0, 0, 0, 0);
    while compared < 160 {
        let mut bytes = random_recipe(&mut random, Vhdx, false);
        bytes[knobs::HEADERS] = random.u8(..);
        // Few disks of many chunks come up by themselves, and few files that end in a block.
        let rare = *random
            .choice(&[knobs::FILE_END, knobs::BOUNDARY])
            .expect("one of two");
        bytes[rare] = random.u8(..);
        let recipe = decode(&bytes);
        let geometry = geometry(&recipe);
        let built = recipe.build();
        let Some(truth) = built.truth.as_ref().filter(|truth| !truth.is_refused()) else {
            continue;
        };
        let found = Found::of(&built.image, &geometry);
        if known_difference(&geometry, &found).is_some() || is_too_long(&built.image, &found) {
            continue;
        }
        compared += 1;
        let context = || format!("image {compared}: {}\n{bytes:?}", recipe.in_words());
        write(&folder, &built.image);
        let size = folder.virtual_size("vhdx", NAME);
        assert_eq!(size, truth.virtual_size, "{}", context());

        // The blocks that the BAT says are there are the truth's, and QEMU reads them.
        assert_eq!(found.extents(), truth.extents(), "{}", context());
        for (block, place) in found.present() {
            let inside = found.end_of(block) - block * found.block_size;
            folder.write_at(NAME, place, &[pattern(place); 512]);
            folder.write_at(NAME, place + inside - 512, &[pattern(place); 512]);
            blocks += 1;
        }
        assert_eq!(folder.length(NAME), built.image.capacity(), "{}", context());
        let commands = reads(&found);
        if !commands.is_empty() {
            let said = qemu_io(&folder, &commands);
            assert!(!said.contains("failed"), "{}\n{said}", context());
            assert_eq!(
                said.matches("read 512/512").count(),
                commands.len(),
                "{said}"
            );
        }
        folder.run("qemu-img", &["check", "-q", "-f", "vhdx", NAME]);

        cut += u64::from(geometry.file_end == FileEnd::LastBlockCut);
        damaged_headers += u64::from(matches!(
            geometry.headers,
            Headers::FirstDamaged | Headers::SecondDamaged
        ));
        let chunk = (1 << 32) / found.block_size;
        let behind = found.present().filter(|(block, _)| *block >= chunk).count();
        chunks += u64::from(behind != 0);
    }
    println!(
        "{compared} images, {blocks} blocks present; {cut} may end in the last block, {damaged_headers} \
         with a damaged header, {chunks} with blocks behind a sector bitmap entry"
    );
    assert!(blocks > 1000 && cut > 5 && damaged_headers > 10 && chunks > 10);
}

fn qemu_io(folder: &Folder, commands: &[String]) -> String {
    let mut arguments = vec!["-r", "-f", "vhdx"];
    for command in commands {
        arguments.extend(["-c", command]);
    }
    arguments.push(NAME);
    folder.run("qemu-io", &arguments)
}

/// The recipe of nothing but a size makes what qemu-img does, byte for byte, but for what is random.
#[test]
fn a_plain_recipe_is_what_qemu_img_makes() {
    let folder = Folder::new();
    for mebibytes in [0, 1, 20] {
        let size = mebibytes * M;
        let size_bytes = size.to_le_bytes();
        let mut changes: Vec<_> = (at::SIZE..).zip(size_bytes).collect();
        changes.push((at::SIZE_MODE, 1));
        let ours = zeros_but(Vhdx, &changes).build().image;
        folder.create("vhdx", "block_state_zero=off", NAME, size);
        let file = folder.open(NAME);
        assert_eq!(ours.capacity(), file.length(), "{size}");
        let metadata = ours.capacity() - 5 * M;
        // All of the BAT is zero, and so is what follows.
        for start in [0, 2 * M, metadata] {
            let (mut a, mut b) = (vec![0; 512 << 10], vec![0; 512 << 10]);
            ours.read(start, &mut a);
            file.read_at(start, &mut b);
            for bytes in [&mut a, &mut b] {
                if start == 0 {
                    bytes[8..520].fill(0);
                    // Checksum, sequence number, GUIDs.
                    bytes[(64 << 10) + 4..(64 << 10) + 48].fill(0);
                    bytes[(128 << 10) + 4..(128 << 10) + 48].fill(0);
                } else if start == metadata {
                    bytes[(64 << 10) + 16..(64 << 10) + 32].fill(0);
                }
            }
            let differs = a.iter().zip(&b).position(|(a, b)| a != b);
            assert_eq!(differs, None, "{size} bytes, from {start}");
        }
    }
}

/// Where QEMU and the specification, which the recipes follow, part: each still does.
#[test]
fn known_differences_are_still_there() {
    let folder = Folder::new();
    let make = |changed: &[(usize, u8)]| {
        let recipe = small(changed);
        let built = recipe.build();
        write(&folder, &built.image);
        let expected = built.truth.as_ref().unwrap().answer(recipe.unit).unwrap();
        assert_eq!(assert_truth(&recipe, &built, recipe.unit), expected);
        let geometry = geometry(&recipe);
        let found = Found::of(&built.image, &geometry);
        let known = known_difference(&geometry, &found).is_some();
        (expected.is_ok(), known, folder.accepts("vhdx", NAME))
    };
    assert_eq!(make(&[]), (true, false, true));
    let no_bitmap_entry = [(at::GEOMETRY, 0), (26, 2), (37, 8)];
    assert_eq!(make(&no_bitmap_entry), (true, false, true));

    // In order, and QEMU refuses.
    for (changed, what) in [
        (&[(29, 1)][..], "the first region table is damaged"),
        (&[(29, 5)], "the first region table has a wrong signature"),
        (&[(25, 1)], "logical sectors of 4096 bytes"),
        (&[(162, 1)], "a log version without a log"),
        // Behind 512 blocks of 8 MiB, and not used while there are no more.
        (
            &[(at::GEOMETRY, 0), (26, 3), (37, 8)],
            "a present sector bitmap entry",
        ),
        // One that names no block's place.
        (
            &[
                (at::SIZE_MODE, 0),
                (at::SIZE_TAIL + 1, 0),
                (at::RUNS + 1, 3 << 6),
                (at::RUNS + 2, 1 | 2 << 5),
            ],
            "an entry in the BAT of a disk of no bytes",
        ),
    ] {
        assert_eq!(make(changed), (true, true, false), "{what}");
    }

    // Not in order, and QEMU takes it.
    for (changed, what) in [
        (&[(at::RUNS + 3, 0xf0)][..], "a reserved state"),
        (&[(at::RUNS + 3, 0xf2)], "a partially present block"),
    ] {
        let (is_ok, _, accepted) = make(changed);
        assert_eq!((is_ok, accepted), (false, true), "{what}");
    }
}

/// What recipes make odd QEMU refuses as well, but for what it takes otherwise or does not look at.
#[test]
fn qemu_refuses_what_is_odd_or_is_known_not_to() {
    let folder = Folder::new();
    let mut taken = BTreeSet::new();
    let mut refused = 0;
    for oddity in 0..Oddity::COUNT {
        for argument in 0..20 {
            let recipe = small(&[(at::RARE, 0x80 + oddity), (at::RARE + 2, argument)]);
            let built = recipe.build();
            let name = format!("{:?}", geometry(&recipe).oddity);
            let (name, takes_argument) = match name.split_once('(') {
                Some((name, _)) => (name.to_owned(), true),
                None => (name, false),
            };
            if name == "LargestDisk" || argument != 0 && !takes_argument {
                continue;
            }
            assert!(built.truth.as_ref().unwrap().is_refused());
            write(&folder, &built.image);
            if folder.accepts("vhdx", NAME) {
                taken.insert(name);
            } else {
                refused += 1;
            }
        }
    }
    println!("{refused} refused; taken: {taken:?}");
    assert!(taken.iter().eq(TAKEN_BY_QEMU), "{taken:?}");
}
