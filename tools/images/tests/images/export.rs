//! `images export`: the images behind inputs, and the list of right answers.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use crate::qemu::{Bench, Ran as _};
use serde_json::Value;

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../corpus");

/// The lines of the list in a folder.
fn manifest(bench: &Bench, folder: &str) -> Vec<Value> {
    let text = fs::read_to_string(bench.path(folder).join("manifest.jsonl")).unwrap();
    let lines = text.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().unwrap()
}

/// Every line is of a file that is there, and what it states is what a scan of that file answers.
#[test]
fn each_image_of_the_seeds_is_a_file_and_its_answer_is_that_of_a_scan() {
    let bench = Bench::new();
    let ran = bench.tool_ok(&format!(
        "export '{CORPUS}/seeds' --largest 1G --into suite"
    ));
    let skipped = "137 inputs have no image";
    assert!(ran.stderr.contains(skipped) && !ran.stderr.contains(" 0 are longer"));
    let lines = manifest(&bench, "suite");
    let files = fs::read_dir(bench.path("suite")).unwrap().count();
    assert_eq!(files, lines.len() + 1);
    let (mut sound, mut unsound, mut known, mut stored) = (0, 0, 0, 0);
    for line in &lines {
        let text = |key: &str| line[key].as_str().unwrap();
        let file = text("file");
        let Some(format) = line["format"].as_str() else {
            assert_eq!(text("target"), "fuzz_measure_detect");
            assert!(file.ends_with(".img") && line["formats"].is_array());
            continue;
        };
        let metadata = fs::metadata(bench.path("suite").join(file)).unwrap();
        assert_eq!(line["length"], metadata.len(), "{line}");
        stored += metadata.blocks() * 512;
        assert!(file.ends_with(&format!("{}.{format}", text("input"))));
        known += u32::from(line["known-by-making"].as_bool().unwrap());
        let scanned = bench.tool(&format!("scan --output json -f {format} 'suite/{file}'"));
        if line["error"].is_string() {
            assert_eq!(scanned.code, 1, "{line}: {scanned:?}");
            unsound += 1;
        } else if scanned.is_ok() {
            for key in ["virtual-size", "allocated-bytes"] {
                assert_eq!(line[key], scanned.number(key), "{line}");
            }
            sound += 1;
        } else {
            // The tool takes no extent of a split disk for a whole one.
            assert_eq!(format, "vmdk", "{line}: {scanned:?}");
        }
    }
    let counts = (sound, unsound, known);
    assert!(sound > 200 && unsound > 10 && known > 200, "{counts:?}");
    assert!(stored < 1 << 30, "files are sparse: {stored}");
}

#[test]
fn a_zip_and_what_is_kept_beside_it_are_one_corpus_and_nothing_is_overwritten() {
    let bench = Bench::new();
    let zip = format!("'{CORPUS}/shipped/fuzz_measure_scan_seed_corpus.zip'");
    bench.tool_ok(&format!(
        "export {zip} '{CORPUS}/shipped/kept/fuzz_measure_scan' --into a"
    ));
    bench.tool_ok(&format!("export {zip} --into b"));
    assert_eq!(manifest(&bench, "a").len(), manifest(&bench, "b").len());
    // Two inputs of one name.
    for (folder, byte) in [("fuzz_measure_scan", 1), ("x/fuzz_measure_scan", 2)] {
        fs::create_dir_all(bench.path(folder)).unwrap();
        bench.write(&format!("{folder}/same"), [byte, 7]);
        fs::write(bench.path(folder).join("README.md"), "no input").unwrap();
    }
    let export = "export fuzz_measure_scan x --into c";
    bench.tool_ok(export);
    assert_eq!(manifest(&bench, "c").len(), 2);
    for there in ["manifest.jsonl", "same.vmdk"] {
        let ran = bench.tool(export);
        assert_eq!(ran.code, 1, "{ran:?}");
        let why = format!("error: 'c/{there}': File exists");
        assert!(ran.stderr.contains(&why), "{ran:?}");
        fs::remove_file(bench.path("c/manifest.jsonl")).unwrap();
    }
}

#[test]
fn what_cannot_be_exported_is_named() {
    let bench = Bench::new();
    bench.write("input", [0, 1]);
    for (args, why) in [
        ("input", "add --target"),
        ("nothing", "nothing cannot be read"),
        ("--target fuzz_measure_calc input", "1 inputs have no image"),
        (
            "--target fuzz_measure_image --largest 1 input",
            "1 are longer than --largest",
        ),
    ] {
        bench.refused(&format!("export {args} --into out"), &[why]);
    }
    assert!(!bench.path("out").exists());
    let ran = bench.tool("export --target fuzz_nonsense input --into out");
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("fuzz_measure_scan"), "{ran:?}");
}
