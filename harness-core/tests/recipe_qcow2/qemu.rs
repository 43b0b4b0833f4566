//! qemu-img takes the images that recipes make for real ones, and finds in them what they say.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use harness_core::recipe::conditions::End;
use harness_core::recipe::qcow2::geometry::{CLUSTER_BITS, FileEnd, Part, REFCOUNT_ORDERS};
use harness_core::recipe::qcow2::header::DATA_FILE;
use harness_core::recipe::qcow2::units::Kind;
use harness_core::recipe::qcow2::{geometry, qemu_view};
use harness_core::recipe::{LENGTH, Recipe, at};
use harness_core::sparse::SparseImage;
use testing::map::Map;
use testing::qemu::output;
use testing::random::Random;

use crate::{Bytes, Seen, cut_the_end, decode, make_usual, random_bytes};

/// What qemu-img said.
enum Said {
    Well(String),
    Complained(String),
    /// It ran for too long, or crashed.
    Nothing,
}

/// A folder with an image in it, and what the image may name.
struct Judge(PathBuf);

const IMAGE: &str = "image.qcow2";

/// What files of the test's file system may be long, in bytes, with room to spare.
const LARGEST_FILE: u64 = 8 << 40;

impl Judge {
    fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&folder).expect("a folder can be made");
        for backing in ["b", "bb"] {
            fs::write(folder.join(backing), [7; 4096]).expect("a backing file can be written");
        }
        Self(folder)
    }

    fn write(&self, image: &SparseImage, virtual_size: u64) {
        let create = |name: &str, size| {
            let file = File::create(self.0.join(name)).expect("a file can be made");
            file.set_len(size).expect("a file can be sparse");
            file
        };
        let file = create(IMAGE, image.capacity());
        for (at, piece) in image.pieces(0, u64::MAX) {
            file.write_all_at(piece, at).expect("it can be written");
        }
        create(DATA_FILE, virtual_size.min(LARGEST_FILE));
    }

    fn ask(&self, arguments: &[&str]) -> Said {
        let timeout = ["-k", "5", "20", "qemu-img"];
        let output = output(
            &self.0,
            "timeout",
            &[&timeout, arguments, &["-f", "qcow2", IMAGE]].concat(),
        );
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        match output.status.code() {
            Some(0) => Said::Well(said),
            Some(127) => panic!("qemu-img cannot be run: install qemu-utils"),
            Some(..124) => Said::Complained(said + &complaint),
            _ => Said::Nothing,
        }
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The extents that map calls data, as start and end, neighbours made one.
fn data_of(map: &Map) -> Vec<(u64, u64)> {
    let mut extents: Vec<(u64, u64)> = Vec::new();
    for extent in map.data() {
        let end = extent.start + extent.length;
        match extents.last_mut() {
            Some((_, last)) if *last == extent.start => *last = end,
            _ => extents.push((extent.start, end)),
        }
    }
    extents
}

#[test]
fn qemu_takes_the_images_for_real_ones() {
    let halves = [0, 1].map(|half| std::thread::spawn(move || ask_qemu(half)));
    let mut seen = Seen::default();
    for half in halves {
        seen.add(half.join().expect("one half agrees"));
    }
    let flags = [false, true];
    seen.assert_all("version", [2, 3]);
    seen.assert_all("cluster bits", CLUSTER_BITS);
    seen.assert_all("extended", flags);
    seen.assert_all("external", flags);
    seen.assert_all("refcounts", REFCOUNT_ORDERS);
    seen.assert_all("sharing", [0, 1, 2, 3]);
    seen.assert_all(
        "parts last",
        [Part::Refcounts, Part::L1, Part::L2, Part::Data],
    );
    seen.assert_all("cut", flags);
    seen.assert_all(
        "lacks zeroes",
        [Part::L1, Part::L2].map(|last| (last, true)),
    );
    for kind in (0..6).map(Kind::decode) {
        seen.assert_all("kind", flags.map(|extended| (kind, extended)));
    }
}

/// How many images of each half of the test qemu-img must judge.
const JUDGED: u64 = 200;

fn ask_qemu(half: u64) -> Seen {
    let mut seen = Seen::default();
    let judge = Judge::new(&format!("recipe-qcow2-{half}"));
    let mut random = Random(21 + half);
    let (mut agreed, mut clean, mut with_data, mut inconclusive) = (0, 0, 0, 0);
    while agreed < JUDGED {
        let mut bytes = random_bytes(&mut random, true);
        if random.below(8) != 0 {
            make_usual(&mut bytes);
        }
        if random.coin() {
            cut_the_end(&mut bytes, &mut random);
        }
        let recipe = decode(&bytes);
        let view = qemu_view(&recipe);
        let built = recipe.build().on_device(&recipe.conditions);
        let Some(truth) = built.truth.filter(|truth| !truth.is_refused()) else {
            continue;
        };
        if !view.agrees {
            continue;
        }
        judge.write(&built.image, truth.virtual_size);
        let words = recipe.in_words();
        match judge.ask(&["map", "--output", "json"]) {
            Said::Well(map) => {
                let map = Map::parse(&map);
                assert_eq!(map.size(), truth.virtual_size, "{words}");
                assert_eq!(data_of(&map), truth.extents(), "{words}");
                agreed += 1;
                note_what_qemu_judged(&recipe, truth.virtual_size, &mut seen);
                with_data += u64::from(map.bytes() != 0);
            }
            Said::Complained(complaint) => panic!("{complaint}: {words}"),
            Said::Nothing => inconclusive += 1,
        }
        if view.is_clean {
            match judge.ask(&["check"]) {
                Said::Well(_) => clean += 1,
                Said::Complained(complaint) => panic!("{complaint}: {words}"),
                Said::Nothing => inconclusive += 1,
            }
        }
    }
    println!("{agreed} agreed, {with_data} with data; {clean} clean; {inconclusive} inconclusive");
    assert!(with_data * 3 > agreed * 2 && clean * 4 > agreed * 3);
    assert!(inconclusive <= agreed / 20, "{inconclusive} inconclusive");
    seen
}

fn note_what_qemu_judged(recipe: &Recipe, virtual_size: u64, seen: &mut Seen) {
    let it = geometry(recipe);
    seen.note("version", it.version);
    seen.note("cluster bits", it.cluster_bits);
    seen.note("extended", it.extended_l2);
    seen.note("external", it.external_data);
    seen.note("refcounts", it.refcount_order);
    seen.note("sharing", it.sharing_snapshots());
    seen.note("parts last", it.order[3]);
    seen.note("cut", matches!(it.end, FileEnd::Cut(1..)));
    seen.note(
        "lacks zeroes",
        (it.order[3], recipe.conditions.end != End::OfFile),
    );
    let on_disk = virtual_size.div_ceil(it.cluster());
    for unit in recipe.runs.units(on_disk, on_disk) {
        seen.note("kind", (Kind::decode(unit.kind), it.extended_l2));
    }
}

/// A recipe of a disk of eight clusters and one cluster of data of this kind, with these bytes.
fn one_cluster(kind: u8, set: &[(usize, u8)]) -> Bytes {
    let mut bytes = [0; LENGTH];
    bytes[at::SIZE_MODE] = 4 << 2;
    bytes[at::SIZE] = 8;
    bytes[at::RUNS..at::RUNS + 4].copy_from_slice(&[0, 0, 1, kind]);
    for &(at, value) in set {
        bytes[at] = value;
    }
    bytes
}

/// Known to differ: each reason that [`qemu_view`] has is one.
#[test]
fn qemu_takes_no_image_that_it_is_said_not_to_take() {
    let judge = Judge::new("recipe-qcow2-refused");
    let external = (27, 2);
    for bytes in [
        one_cluster(0, &[(28, 6)]),
        one_cluster(0, &[(28, 7)]),
        one_cluster(0, &[external, (24, 1), (29, 51)]),
        one_cluster(0, &[(157, 0xff), (12, 1)]),
    ] {
        let recipe = decode(&bytes);
        let words = recipe.in_words();
        assert!(!qemu_view(&recipe).agrees, "{words}");
        let built = recipe.build();
        let truth = built.truth.as_ref().expect("it is not damaged");
        judge.write(&built.image, truth.virtual_size);
        match judge.ask(&["map", "--output", "json"]) {
            Said::Well(map) => assert_ne!(Map::parse(&map).size(), truth.virtual_size, "{words}"),
            Said::Complained(_) => {}
            Said::Nothing => panic!("no answer: {words}"),
        }
    }
}

/// Known to differ: each reason for which [`qemu_view`] says that an image is not clean is one.
#[test]
fn qemu_checks_complain_where_they_are_said_to() {
    let judge = Judge::new("recipe-qcow2-unclean");
    let extended = (27, 1);
    for bytes in [
        one_cluster(0xe0, &[]),
        one_cluster(0xe1, &[]),
        one_cluster(0xe2, &[]),
        one_cluster(0xe3, &[]),
        one_cluster(0xe5, &[extended]),
        one_cluster(0, &[(154, 1)]),
        one_cluster(0, &[(155, 1)]),
        one_cluster(0, &[(156, 0xff), (41, 1)]),
        one_cluster(0, &[(24, 1), (41, 5)]),
    ] {
        let recipe = decode(&bytes);
        let words = recipe.in_words();
        let view = qemu_view(&recipe);
        assert!(view.agrees && !view.is_clean, "{words}");
        let built = recipe.build();
        let truth = built.truth.as_ref().expect("it is not damaged");
        judge.write(&built.image, truth.virtual_size);
        match judge.ask(&["map", "--output", "json"]) {
            Said::Well(map) => assert_eq!(data_of(&Map::parse(&map)), truth.extents(), "{words}"),
            _ => panic!("no map: {words}"),
        }
        let complains = matches!(judge.ask(&["check"]), Said::Complained(_));
        assert!(complains, "qemu-img check finds nothing wrong: {words}");
    }
}
