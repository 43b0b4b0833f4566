//! A corpus goes out as one file and comes back the same.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::tool::{campaign, printed, root};
use campaign::corpora::pack;
use campaign::corpus::files_in;

const TARGET: &str = "fuzz_measure_calc";

/// What a command prints that must succeed.
fn succeeds(arguments: &[&str]) -> String {
    printed(0, &mut campaign(arguments))
}

/// What a command prints that must fail.
fn fails(arguments: &[&str]) -> String {
    printed(1, &mut campaign(arguments))
}

fn contents(folder: &Path) -> BTreeSet<Vec<u8>> {
    let files = files_in(folder).unwrap().into_iter();
    files.map(|file| fs::read(file).unwrap()).collect()
}

#[test]
fn what_is_exported_is_imported_and_exported_again_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (corpus, zip, again) = (
        at("corpus"),
        at("fuzz_measure_calc_seed_corpus.zip"),
        at("again.zip"),
    );
    fs::create_dir(&corpus).unwrap();
    for number in 0..300_u32 {
        let content = vec![number as u8; 42 + number as usize % 20];
        fs::write(format!("{corpus}/{number}"), content).unwrap();
    }
    fs::write(format!("{corpus}/empty"), "").unwrap();
    fs::write(format!("{corpus}/twice"), [7; 42 + 7]).unwrap();
    fs::write(format!("{corpus}/long"), [1; 5000]).unwrap();

    let output = succeeds(&["export", TARGET, "--corpus", &corpus, "--out", &zip]);
    assert!(
        output.contains("301 inputs") && output.contains("1 found more than once"),
        "{output}"
    );
    assert!(output.contains("1 longer"), "{output}");

    // The target is named by the file.
    let imported = at("imported");
    let output = succeeds(&["import", &zip, "--corpus", &imported]);
    assert!(output.contains("301 new inputs"), "{output}");
    let mut expected = contents(Path::new(&corpus));
    assert!(expected.remove(&vec![1; 5000]));
    assert_eq!(contents(Path::new(&imported)), expected);
    for file in files_in(Path::new(&imported)).unwrap() {
        assert_eq!(file.file_name().unwrap().len(), 64, "{}", file.display());
    }

    // Other names, another order, the same bytes.
    succeeds(&["export", TARGET, "--corpus", &imported, "--out", &again]);
    assert_eq!(fs::read(&zip).unwrap(), fs::read(&again).unwrap());

    // All are known now; from a folder, long ones are counted, and the rest is.
    let output = succeeds(&["import", &zip, "--corpus", &imported]);
    assert!(
        output.contains(" 0 new inputs") && output.contains("301 already in the corpus"),
        "{output}"
    );
    let output = succeeds(&["import", &corpus, "--target", TARGET, "--corpus", &imported]);
    assert!(
        output.contains(" 0 new inputs") && output.contains("301 already in the corpus"),
        "{output}"
    );
    assert!(
        output.contains("1 longer than the target takes: refused"),
        "{output}"
    );
    assert_eq!(contents(Path::new(&imported)), expected);
}

/// With the fingerprints of its inputs, and on every machine with the same bytes.
#[test]
fn a_shipped_corpus_comes_back_as_it_is() {
    let shipped = root().join(format!("corpus/shipped/{TARGET}_seed_corpus.zip"));
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (corpus, zip) = (at("corpus"), at("out.zip"));
    succeeds(&["import", shipped.to_str().unwrap(), "--corpus", &corpus]);
    succeeds(&["export", TARGET, "--corpus", &corpus, "--out", &zip]);
    assert_eq!(fs::read(shipped).unwrap(), fs::read(zip).unwrap());
}

#[test]
fn a_damaged_zip_adds_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (zip, corpus) = (at("fuzz_measure_calc.zip"), at("corpus"));
    let mut inputs = pack::Inputs::new();
    for number in 0..50_u8 {
        pack::insert(&mut inputs, vec![number; 50]).unwrap();
    }
    fs::write(&zip, pack::pack(&inputs, &vec![String::new(); 50]).unwrap()).unwrap();
    let mut bytes = fs::read(&zip).unwrap();
    // In the middle of an entry's data: behind the 30 bytes of its header and the 16 of its name.
    let entry = bytes
        .windows(4)
        .enumerate()
        .filter(|(_, four)| four == b"PK\x03\x04");
    let at_entry = entry.map(|(at, _)| at).nth(30).unwrap();
    bytes[at_entry + 47] ^= 0x55;
    fs::write(&zip, &bytes).unwrap();
    let output = fails(&["import", &zip, "--corpus", &corpus]);
    assert!(output.contains("cannot be unpacked"), "{output}");
    assert!(!Path::new(&corpus).exists());

    fs::write(&zip, &bytes[..bytes.len() / 2]).unwrap();
    assert!(fails(&["import", &zip, "--corpus", &corpus]).contains("is no zip"));
    let nowhere = fails(&["import", &at("nothing"), "--target", TARGET]);
    assert!(nowhere.contains("cannot be opened"), "{nowhere}");
    let nameless = fails(&["import", &at("")]);
    assert!(nameless.contains("name it with --target"), "{nameless}");
    let empty = fails(&["export", TARGET, "--corpus", &at(""), "--out", &at("z.zip")]);
    assert!(empty.contains("has no inputs for"), "{empty}");
    assert!(!Path::new(&at("z.zip")).exists());
}
