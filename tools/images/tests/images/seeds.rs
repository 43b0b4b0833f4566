//! `images seeds`: what it writes, what it keeps, and what it makes of a user's own images.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::qemu::{Bench, Ran as _, assert_refused};
use built_in::SUBJECT;
use harness_core::scan::ScanCase;
use harness_core::{Outcome, targets};
use images::differential::qemu::Ended;

/// The project's root.
fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn seeds(args: &[&str]) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_images"));
    command.current_dir(root()).arg("seeds").args(args);
    crate::qemu::run(command, Duration::from_secs(120))
}

/// Makes seeds of one's own images in a folder.
fn import(from: &Path, out: &Path) -> Ended {
    let [from, out] = [from, out].map(|path| path.to_str().unwrap());
    seeds(&["--from", from, "--out", out])
}

/// The files of a folder, by name.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder).unwrap();
    let files = entries.map(|entry| {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, fs::read(path).unwrap())
    });
    let mut files: Vec<_> = files.collect();
    files.sort();
    files
}

/// The answer to a seed of `fuzz_measure_scan`: virtual size and allocated bytes.
fn answer(input: &[u8]) -> (u64, u64) {
    let case = ScanCase::decode(input).unwrap();
    let image = case.unpack();
    let device = image.device();
    let summary = case.ask(SUBJECT.scanner, &device).result.unwrap();
    (summary.virtual_size, summary.allocated_bytes)
}

#[test]
fn seeds_are_written_pass_and_are_kept() {
    let bench = Bench::new();
    fs::create_dir(bench.path("fuzz_measure_scan")).unwrap();
    bench.write("fuzz_measure_scan/mine", "mine");
    let out = ["--out", bench.folder().to_str().unwrap()];
    let ran = seeds(&out);
    assert!(ran.is_ok(), "{ran:?}");
    assert_eq!(bench.read("fuzz_measure_scan/mine"), b"mine");
    fs::remove_file(bench.path("fuzz_measure_scan/mine")).unwrap();
    let mut bytes = 0;
    for (name, least) in [
        ("fuzz_measure_calc", 80),
        ("fuzz_measure_scan", 50),
        ("fuzz_measure_image", 300),
        ("fuzz_measure_detect", 50),
    ] {
        let target = targets::find(name).unwrap();
        let seeds = files(&bench.path(name));
        assert!(seeds.len() >= least, "{} seeds of {name}", seeds.len());
        // What is checked in is what this makes.
        let checked_in = files(&root().join("corpus/seeds").join(name));
        for (seed, input) in &seeds {
            assert!(input.len() <= target.max_input, "{seed}");
            assert_eq!(target.run(&SUBJECT, input), Outcome::Checked, "{seed}");
            bytes += input.len();
            let is_there = checked_in.iter().any(|(name, _)| name == seed);
            assert!(
                is_there,
                "corpus/seeds/{name} lacks {seed}: run `cargo images seeds`"
            );
        }
    }
    assert!(bytes < 300 << 10, "{bytes} bytes of seeds");
    let before = files(&bench.path("fuzz_measure_scan"));
    for format in ["qcow2", "vmdk", "vhd", "vhdx"] {
        let of_format = before.iter().filter(|(name, input)| {
            let is_of = ScanCase::decode(input).unwrap().format.name() == format;
            assert_eq!(name.starts_with(&format!("{format}-")), is_of);
            is_of
        });
        let (flat, packed): (Vec<_>, Vec<_>) = of_format.partition(|(_, input)| input[0] < 0x80);
        assert!(flat.len() + packed.len() >= 8, "{format}");
        // A flat VMDK or VHDX, as qemu-img writes them, is larger than any input.
        assert_eq!(
            flat.is_empty(),
            matches!(format, "vmdk" | "vhdx"),
            "{format}"
        );
    }
    let again = seeds(&out);
    assert!(again.is_ok(), "{again:?}");
    assert_eq!(again.stdout.matches(": 0 new, ").count(), 4, "{again:?}");
    assert_eq!(files(&bench.path("fuzz_measure_scan")), before);
}

#[test]
fn ones_own_images_become_seeds_with_the_images_answers() {
    let [images, out] = [Bench::new(), Bench::new()];
    let data = ["write -P 1 1M 5M"];
    images.make("qcow2", "", "disk.qcow2", "1G", &data);
    images.make(
        "qcow2",
        "cluster_size=4k",
        "with blanks.qcow2",
        "100M",
        &data,
    );
    images.make("vmdk", "", "disk.vmdk", "1G", &data);
    images.make("vpc", "subformat=fixed", "fixed.vhd", "8M", &data);
    images.make("vpc", "", "dynamic.vhd", "16M", &data);
    images.make("vhdx", "", "disk.vhdx", "16M", &data);
    // A file of more than 32 MiB, whose tables are at its start.
    images.make("qcow2", "", "large.qcow2", "100M", &["write -P 1 0 60M"]);
    let ran = import(images.folder(), out.folder());
    assert!(ran.is_ok() && ran.stderr.is_empty(), "{ran:?}");
    assert!(ran.stdout.contains("fuzz_measure_scan: 7 new"), "{ran:?}");
    let written = files(&out.path("fuzz_measure_scan"));
    assert_eq!(written.len(), 7);
    let target = targets::find("fuzz_measure_scan").unwrap();
    for (image, _) in files(images.folder()) {
        let scanned = images.tool(&format!("scan --output json '{image}'"));
        let prefix = format!("imported-{}-", image.replace(' ', "-"));
        let seed = written.iter().find(|(name, _)| name.starts_with(&prefix));
        let (name, input) = seed.unwrap_or_else(|| panic!("no seed of {image}"));
        let [size, bytes] = ["virtual-size", "allocated-bytes"].map(|key| scanned.number(key));
        assert_eq!(answer(input), (size, bytes), "{name}");
        assert!(input.len() <= target.max_input, "{name}");
        assert_eq!(target.run(&SUBJECT, input), Outcome::Checked, "{name}");
    }
    // A second import changes nothing.
    let again = import(images.folder(), out.folder());
    assert!(again.stdout.contains("0 new, 7 unchanged"), "{again:?}");
}

#[test]
fn what_is_skipped_is_listed_with_the_reason() {
    let [images, out] = [Bench::new(), Bench::new()];
    fs::create_dir(images.path("sub-folder")).unwrap();
    images.write("empty", "");
    images.write("notes.txt", "no image");
    images.write("broken.qcow2", b"QFI\xfb\0\0\0\x03");
    images.make("vmdk", "subformat=monolithicFlat", "flat.vmdk", "1M", &[]);
    images.make("vpc", "", "far.vhd", "64M", &["write -P 1 0 40M"]);
    let to = out.path("out");
    // None became a seed: an error.
    let ran = import(images.folder(), &to);
    assert_eq!(ran.code, 1, "{ran:?}");
    let lines = ran.stderr.lines();
    let errors: Vec<_> = lines.filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{ran:?}");
    assert!(errors[0].contains("none of its 7 files"), "{ran:?}");
    assert!(!to.exists(), "nothing was written");
    images.make("qcow2", "", "good.qcow2", "1M", &[]);
    let ran = import(images.folder(), &to);
    assert!(ran.is_ok(), "{ran:?}");
    for (name, why) in [
        ("sub-folder", "a folder"),
        ("empty", "empty"),
        ("notes.txt", "raw"),
        ("broken.qcow2", "corrupt"),
        ("flat.vmdk", "unsupported"),
        ("flat-flat.vmdk", "raw"),
        ("far.vhd", "past 32 MiB"),
    ] {
        let mut lines = ran
            .stderr
            .lines()
            .filter(|line| line.starts_with("skipped "));
        let path = format!("/{name}'");
        let is_listed = lines.any(|line| line.contains(&path) && line.contains(why));
        assert!(is_listed, "{name}: {ran:?}");
    }
    assert_eq!(files(&to.join("fuzz_measure_scan")).len(), 1);
}

#[test]
fn a_folder_that_is_missing_or_holds_nothing_is_an_error() {
    let bench = Bench::new();
    let (empty, missing) = (bench.path(""), bench.path("missing"));
    for from in [&empty, &missing, Path::new("/dev/null")] {
        let (ran, from) = (import(from, &bench.path("out")), from.to_str().unwrap());
        assert_refused(&ran, from, &[from]);
    }
}

#[test]
fn qemu_img_is_asked_for_by_name_when_it_is_missing() {
    let bench = Bench::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_images"));
    command.current_dir(root()).env("PATH", bench.folder());
    command.args(["seeds", "--out"]).arg(bench.folder());
    let ran = crate::qemu::run(command, Duration::from_secs(10));
    assert_eq!(ran.code, 1, "{ran:?}");
    for part in ["qemu-img", "qemu-utils"] {
        assert!(ran.stderr.contains(part), "{ran:?}");
    }
    assert_eq!(files(bench.folder()), [], "nothing was written");
}

#[test]
fn the_image_of_a_recipe_is_described_and_written() {
    let bench = Bench::new();
    for (format, name) in [
        ("qcow2", "qcow2-plain"),
        ("vmdk", "vmdk-plain"),
        ("vpc", "vhd-plain"),
        ("vhdx", "vhdx-plain"),
    ] {
        let seed = root().join("corpus/seeds/fuzz_measure_image").join(name);
        let seed = seed.display();
        let json = bench.tool_ok(&format!("recipe --json {seed}")).parsed();
        assert_eq!(json["recipe-says"], json["model-says"], "{json}");
        let words = bench.tool_ok(&format!("recipe {seed}")).stdout;
        assert!(words.contains("bytes hold data"), "{words}");
        let written = bench.tool_ok(&format!("recipe --write-image {name} {seed}"));
        assert_eq!(written.stdout, "");
        assert_eq!(json["file"], bench.length(name));
        let size = bench.virtual_size(format, name);
        assert_eq!(json["model-says"]["virtual-size"], size, "{json}");
        let again = format!("recipe --write-image {name} {seed}");
        bench.refused(&again, &["exists"]);
    }
    bench.write("none", "no recipe");
    bench.refused("recipe none", &["'none'"]);
}
