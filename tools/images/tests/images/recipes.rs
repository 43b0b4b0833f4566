//! Recipes and QEMU: the plainest images are QEMU's own byte for byte, and `qemu-img check` finds nothing wrong with sound
//! ones, or what is predicted.

use fastrand::Rng;
use harness_core::subject::ScanFormat::{self, Qcow2, Vhdx, Vmdk};
use images::differential::qemu::Qemu;
use images::differential::recipes::undamaged;
use images::differential::verdict::Verdict;
use images::differential::{Case, qemu};
use images::file;
use recipes::truth::Truth;
use recipes::vhdx::geometry::{Bitmaps, FileEnd, Tables};
use recipes::vmdk::{Descriptor, Kind};
use recipes::{LENGTH, Recipe, at, vhdx, vmdk};
use sparse::SparseImage;

use crate::qemu::{Bench, LIMIT};

/// A recipe of zeros but for its format and these bytes.
fn zeros_but(format: ScanFormat, changes: &[(usize, u8)]) -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    bytes[at::FORMAT] = format as u8;
    for &(at, byte) in changes {
        bytes[at] = byte;
    }
    bytes
}

fn image(recipe: &[u8]) -> SparseImage {
    Recipe::decode(recipe).unwrap().build().image
}

fn read(image: &SparseImage, at: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    image.read(at, &mut bytes);
    bytes
}

#[test]
fn an_empty_qcow2_recipe_is_the_empty_image_that_qemu_makes() {
    let bench = Bench::new();
    bench.make("qcow2", "", "empty", "0", &[]);
    let image = image(&[]);
    let mut expected = bench.read("empty");
    // The names of features, which a recipe has not by default.
    expected[112..512].fill(0);
    let bytes = read(&image, 0, image.capacity() as usize);
    assert!(bytes == expected, "the images differ");
}

/// The VHDX recipe of nothing but a size makes what qemu-img does, byte for byte, but for what is random.
#[test]
fn a_plain_vhdx_recipe_is_what_qemu_img_makes() {
    const M: u64 = 1 << 20;
    const CHUNK: usize = 512 << 10;
    let bench = Bench::new();
    for size in ["0", "1M", "20M"] {
        bench.make("vhdx", "block_state_zero=off", "a.vhdx", size, &[]);
        let bytes = bench.virtual_size("vhdx", "a.vhdx").to_le_bytes();
        let mut changes: Vec<_> = (at::SIZE..).zip(bytes).collect();
        changes.push((at::SIZE_MODE, 1));
        let (ours, theirs) = (image(&zeros_but(Vhdx, &changes)), bench.read("a.vhdx"));
        assert_eq!(ours.capacity(), theirs.len() as u64, "{size}");
        let metadata = ours.capacity() - 5 * M;
        // All of the BAT is zero, and so is what follows.
        for start in [0, 2 * M, metadata] {
            let theirs = theirs[start as usize..][..CHUNK].to_vec();
            let [a, b] = [read(&ours, start, CHUNK), theirs].map(|mut bytes| {
                if start == 0 {
                    bytes[8..520].fill(0);
                    // Checksum, sequence number, GUIDs.
                    bytes[(64 << 10) + 4..(64 << 10) + 48].fill(0);
                    bytes[(128 << 10) + 4..(128 << 10) + 48].fill(0);
                } else if start == metadata {
                    bytes[(64 << 10) + 16..(64 << 10) + 32].fill(0);
                }
                bytes
            });
            let differs = a.iter().zip(&b).position(|(a, b)| a != b);
            assert_eq!(differs, None, "{size}, from {start}");
        }
    }
}

/// Each reason for which a sound qcow2 image is not expected to be clean is one: QEMU refuses it, or its check complains.
#[test]
fn a_qcow2_is_refused_or_complained_of_as_predicted() {
    let qemu = Qemu::find(LIMIT).unwrap();
    let (external, extended, check) = ((27, 2), (27, 1), "qcow2-check");
    for (kind, changes, known) in [
        (0, &[(28, 6)][..], "qcow2-key"),
        (0, &[(28, 7)], "qcow2-key"),
        (0, &[external, (24, 1), (29, 51)], "qcow2-data-file"),
        (0, &[(157, 0xff), (12, 1)], "qcow2-size-of-part-sectors"),
        (0xe0, &[], check),
        (0xe1, &[], check),
        (0xe2, &[], check),
        (0xe3, &[], check),
        (0xe5, &[extended], check),
        (0, &[(154, 1)], check),
        (0, &[(155, 1)], check),
        (0, &[(156, 0xff), (41, 1)], check),
        (0, &[(24, 1), (41, 5)], check),
    ] {
        // A disk of eight clusters, and one cluster of this kind.
        let size = [(at::SIZE_MODE, 4 << 2), (at::SIZE, 8)];
        let cluster = [(at::RUNS + 2, 1), (at::RUNS + 3, kind)];
        let recipe = zeros_but(Qcow2, &[&size, &cluster, changes].concat());
        let case = Case::recipe(&recipe);
        assert_eq!(
            case.judge(&qemu),
            Verdict::Known(known),
            "{}",
            case.in_words()
        );
    }
}

/// `qemu-img check` finds nothing wrong with images of sound recipes, but for those of which `may_complain`.
fn check_with_qemu(format: ScanFormat, may_complain: fn(&Recipe, &Truth) -> bool) {
    const IMAGES: u32 = 80;
    let (bench, qemu) = (Bench::new(), Qemu::find(LIMIT).unwrap());
    let mut random = Rng::with_seed(0x7165_6d75);
    let (mut clean, mut crashes) = (0, 0);
    while clean < IMAGES {
        let recipe = Recipe::decode(&undamaged(format, &mut random)).unwrap();
        let built = recipe.build();
        let truth = built.truth.as_ref().expect("it is not damaged");
        // File systems have limits.
        let is_too_long = built.image.capacity() > 8 << 40;
        if truth.is_refused() || is_too_long || may_complain(&recipe, truth) {
            continue;
        }
        let name = format!("{clean}-{crashes}");
        file::write(&built.image, &bench.path(&name)).unwrap();
        let check = format!("qemu-img check -f {} {name}", format.name());
        match qemu.run(bench.folder(), &check) {
            Ok(ended) => assert!(ended.is_ok(), "{}: {ended:?}", recipe.in_words()),
            Err(qemu::Inconclusive(why)) => {
                println!("{why}");
                crashes += 1;
                continue;
            }
        }
        clean += 1;
    }
    assert!(crashes <= 5, "qemu-img crashes {crashes} times");
}

#[test]
fn qemu_img_check_finds_nothing_wrong_with_a_sound_vmdk() {
    check_with_qemu(Vmdk, |recipe, truth| {
        let it = vmdk::geometry(recipe);
        let grains = truth.virtual_size.div_ceil(it.grain());
        let units = recipe.runs.units(grains, grains);
        // It needs the descriptor, rounds the file's end up before it looks for the footer, and complains of grains past
        // the file's end. It takes minutes for many grains.
        it.descriptor == Descriptor::Absent
            || it.kind == Kind::StreamWithFooter
            || units.iter().any(|unit| matches!(unit.kind % 8, 3 | 6))
            || grains > 1 << 18
    });
}

#[test]
fn qemu_img_check_finds_nothing_wrong_with_a_sound_vhdx() {
    check_with_qemu(Vhdx, |recipe, truth| {
        let it = vhdx::geometry(recipe);
        // Known differences of `cargo images differential`.
        it.tables == Tables::FirstDamaged
            || it.logical_sector != 512
            || it.log_version != 0
            || it.bitmaps == Bitmaps::Present
            || it.file_end == FileEnd::LastBlockCut
            || truth.virtual_size == 0
    });
}
