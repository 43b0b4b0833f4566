//! `images seeds`: what it writes, what it keeps, and what it makes of a user's own images.

mod qemu;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use built_in::SUBJECT;
use harness_core::scan::ScanCase;
use harness_core::{Outcome, targets};
use qemu::{Ran, folder, make, qemu_img_ok, tool};

/// The project's root.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap()
}

fn seeds(args: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_images"));
    command.current_dir(root()).arg("seeds").args(args);
    qemu::run(command, Duration::from_secs(120))
}

/// The files of a folder, by name.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read(path).unwrap())
        })
        .collect();
    files.sort();
    files
}

fn names(folder: &Path) -> BTreeSet<String> {
    files(folder).into_iter().map(|(name, _)| name).collect()
}

/// What a seed of `fuzz_measure_scan` says: virtual size and allocated bytes.
fn answer(input: &[u8]) -> (u64, u64) {
    let case = ScanCase::decode(input).unwrap();
    let image = case.unpack();
    let device = image.device();
    let summary = case.ask(SUBJECT.scanner, &device).result.unwrap();
    (summary.virtual_size, summary.allocated_bytes)
}

#[test]
fn seeds_are_written_pass_and_are_kept() {
    let (_guard, out) = folder();
    let out_text = out.to_str().unwrap();
    fs::create_dir(out.join("fuzz_measure_scan")).unwrap();
    fs::write(out.join("fuzz_measure_scan/mine"), "mine").unwrap();
    let ran = seeds(&["--out", out_text]);
    assert!(ran.succeeded(), "{ran:?}");
    assert_eq!(
        fs::read(out.join("fuzz_measure_scan/mine")).unwrap(),
        b"mine"
    );
    fs::remove_file(out.join("fuzz_measure_scan/mine")).unwrap();
    let mut bytes = 0;
    for (name, least) in [
        ("fuzz_measure_calc", 80),
        ("fuzz_measure_scan", 50),
        ("fuzz_measure_image", 300),
    ] {
        let target = targets::find(name).unwrap();
        let seeds = files(&out.join(name));
        assert!(seeds.len() >= least, "{} seeds of {name}", seeds.len());
        for (seed, input) in &seeds {
            assert!(
                input.len() <= target.max_input,
                "{seed}: {} bytes",
                input.len()
            );
            assert_eq!(target.run(&SUBJECT, input), Outcome::Checked, "{seed}");
            bytes += input.len();
        }
    }
    assert!(bytes < 300 << 10, "{bytes} bytes of seeds");
    let before = files(&out.join("fuzz_measure_scan"));
    for format in ["qcow2", "vmdk", "vhd", "vhdx"] {
        let of_format = before.iter().filter(|(name, input)| {
            let case = ScanCase::decode(input).unwrap();
            assert_eq!(
                name.starts_with(&format!("{format}-")),
                case.format.name() == format
            );
            case.format.name() == format
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
    let again = seeds(&["--out", out_text]);
    assert!(again.succeeded(), "{again:?}");
    assert_eq!(again.stdout.matches(": 0 new, ").count(), 3, "{again:?}");
    assert_eq!(files(&out.join("fuzz_measure_scan")), before);
    // What is checked in is what this makes.
    for name in [
        "fuzz_measure_calc",
        "fuzz_measure_scan",
        "fuzz_measure_image",
    ] {
        let checked_in = names(&root().join("corpus/seeds").join(name));
        let missing: Vec<_> = names(&out.join(name))
            .difference(&checked_in)
            .cloned()
            .collect();
        assert!(
            missing.is_empty(),
            "corpus/seeds/{name} lacks {missing:?}: run `cargo images seeds`"
        );
    }
}

#[test]
fn every_seed_that_is_checked_in_is_a_case_with_an_answer() {
    let scan = root().join("corpus/seeds/fuzz_measure_scan");
    for (name, input) in files(&scan) {
        let (virtual_size, allocated_bytes) = answer(&input);
        assert!(allocated_bytes <= virtual_size, "{name}");
    }
    let calc = root().join("corpus/seeds/fuzz_measure_calc");
    for (name, input) in files(&calc) {
        let case = harness_core::calc::CalcCase::decode(&input).unwrap();
        assert!(case.ask(SUBJECT.calculators).is_ok(), "{name}");
    }
}

#[test]
fn ones_own_images_become_seeds_that_say_what_the_images_say() {
    let (_guard, folder) = folder();
    let images = folder.join("images");
    fs::create_dir(&images).unwrap();
    let data = "write -P 1 1M 5M";
    for (format, options, name, size) in [
        ("qcow2", "", "disk.qcow2", "1G"),
        ("qcow2", "cluster_size=4k", "with blanks.qcow2", "100M"),
        ("vmdk", "", "disk.vmdk", "1G"),
        ("vpc", "subformat=fixed", "fixed.vhd", "8M"),
        ("vpc", "", "dynamic.vhd", "16M"),
        ("vhdx", "", "disk.vhdx", "16M"),
    ] {
        make(&images, format, options, name, size, &[data]);
    }
    // A file of more than 32 MiB, whose tables are at its start.
    let writes = ["write -P 1 0 60M"];
    make(&images, "qcow2", "", "large.qcow2", "100M", &writes);
    let (_out_guard, out) = qemu::folder();
    let args = [
        "--from",
        images.to_str().unwrap(),
        "--out",
        out.to_str().unwrap(),
    ];
    let ran = seeds(&args);
    assert!(ran.succeeded() && ran.stderr.is_empty(), "{ran:?}");
    assert!(ran.stdout.contains("fuzz_measure_scan: 7 new"), "{ran:?}");
    let written = files(&out.join("fuzz_measure_scan"));
    assert_eq!(written.len(), 7);
    let target = targets::find("fuzz_measure_scan").unwrap();
    for image in fs::read_dir(&images).unwrap() {
        let image = image.unwrap().file_name().into_string().unwrap();
        let scanned = tool(&images, &["scan", "--output", "json", &*image]);
        let prefix = format!("imported-{}-", image.replace(' ', "-"));
        let (name, input) = written
            .iter()
            .find(|(name, _)| name.starts_with(&prefix))
            .unwrap_or_else(|| panic!("no seed of {image}"));
        assert_eq!(
            answer(input),
            (
                scanned.number("virtual-size"),
                scanned.number("allocated-bytes")
            ),
            "{name}"
        );
        assert!(input.len() <= target.max_input, "{name}");
        assert_eq!(target.run(&SUBJECT, input), Outcome::Checked, "{name}");
    }
    // A second import changes nothing.
    let again = seeds(&args);
    assert!(again.stdout.contains("0 new, 7 unchanged"), "{again:?}");
}

#[test]
fn what_is_skipped_is_said_with_the_reason() {
    let (_guard, folder) = folder();
    let images = folder.join("images");
    fs::create_dir_all(images.join("sub-folder")).unwrap();
    fs::write(images.join("empty"), "").unwrap();
    fs::write(images.join("notes.txt"), "no image").unwrap();
    fs::write(images.join("broken.qcow2"), b"QFI\xfb\0\0\0\x03").unwrap();
    make(
        &images,
        "vmdk",
        "subformat=monolithicFlat",
        "flat.vmdk",
        "1M",
        &[],
    );
    make(&images, "vpc", "", "far.vhd", "64M", &["write -P 1 0 40M"]);
    let from = images.to_str().unwrap();
    let out = folder.join("out");
    let out_text = out.to_str().unwrap();
    // None became a seed: an error.
    let ran = seeds(&["--from", from, "--out", out_text]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let errors: Vec<_> = ran
        .stderr
        .lines()
        .filter(|line| line.starts_with("error: "))
        .collect();
    assert_eq!(errors.len(), 1, "{ran:?}");
    assert!(errors[0].contains("none of its 7 files"), "{ran:?}");
    assert!(!out.exists(), "nothing was written");
    make(&images, "qcow2", "", "good.qcow2", "1M", &[]);
    let ran = seeds(&["--from", from, "--out", out_text]);
    assert!(ran.succeeded(), "{ran:?}");
    for (name, why) in [
        ("sub-folder", "a folder"),
        ("empty", "empty"),
        ("notes.txt", "raw"),
        ("broken.qcow2", "corrupt"),
        ("flat.vmdk", "unsupported"),
        ("flat-flat.vmdk", "raw"),
        ("far.vhd", "past 32 MiB"),
    ] {
        let skipped = |line: &&str| {
            line.starts_with("skipped ")
                && line.contains(&format!("/{name}'"))
                && line.contains(why)
        };
        assert_eq!(
            ran.stderr.lines().filter(skipped).count(),
            1,
            "{name}: {ran:?}"
        );
    }
    assert_eq!(files(&out.join("fuzz_measure_scan")).len(), 1);
}

#[test]
fn a_folder_that_is_missing_or_holds_nothing_is_an_error() {
    let (_guard, folder) = folder();
    let missing: PathBuf = folder.join("missing");
    for from in [
        missing.to_str().unwrap(),
        folder.to_str().unwrap(),
        "/dev/null",
    ] {
        let ran = seeds(&[
            "--from",
            from,
            "--out",
            folder.join("out").to_str().unwrap(),
        ]);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
        assert!(
            ran.stderr.starts_with("error: ") && ran.stderr.contains(from),
            "{ran:?}"
        );
    }
}

#[test]
fn qemu_img_is_asked_for_by_name_when_it_is_missing() {
    let (_guard, folder) = folder();
    let mut command = Command::new(env!("CARGO_BIN_EXE_images"));
    command.current_dir(root()).env("PATH", &folder).args([
        "seeds",
        "--out",
        folder.to_str().unwrap(),
    ]);
    let ran = qemu::run(command, Duration::from_secs(10));
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(
        ran.stderr.contains("qemu-img") && ran.stderr.contains("qemu-utils"),
        "{ran:?}"
    );
    assert_eq!(names(&folder).len(), 0, "nothing was written");
    // The tests, too, need it.
    qemu_img_ok(&folder, &["--version"]);
}
