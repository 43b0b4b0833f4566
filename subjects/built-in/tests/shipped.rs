//! The replay of everything that is checked in, and nothing else: seeds, shipped corpora, regressions.
//!
//! It alone is the test when mutants are scored, so it shows what the harness detects by its inputs and its
//! checks. An input that hangs fails like any other.

use std::fs;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use built_in::SUBJECT;
use harness_core::project::replay;
use harness_core::{TARGETS, Target, check};
use worker::Verdict;
use zip::ZipArchive;

/// How long one input may take. The slowest takes some milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// An input, and where it is from.
type Input = (String, Vec<u8>);

/// The inputs in a folder; none when it is missing.
fn in_folder(folder: &Path) -> Vec<Input> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file() && path.extension().is_none_or(|name| name != "md"))
        .map(|path| (path.display().to_string(), fs::read(&path).unwrap()))
        .collect()
}

/// The inputs of the shipped corpus of a target.
fn in_zip(target: &Target) -> Vec<Input> {
    let path = root().join(format!("corpus/shipped/{}_seed_corpus.zip", target.name));
    let file = File::open(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    let mut zip = ZipArchive::new(file).unwrap();
    let inputs: Vec<Input> = (0..zip.len())
        .map(|index| {
            let mut entry = zip.by_index(index).unwrap();
            let name = format!("{} in {}", entry.name().unwrap(), path.display());
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            assert_eq!(
                target.fingerprint(&content),
                entry.comment(),
                "{name} stands for something else than it did when it was packed. If that is meant, pack anew \
                 (cargo campaign corpora); old recipes go on if the recipe's version is raised"
            );
            (name, content)
        })
        .collect();
    assert!(!inputs.is_empty(), "{} has no inputs", path.display());
    inputs
}

/// Panics with what fails, and when a check was never evaluated; ends the process when an input takes too long,
/// as nothing else can.
#[test]
fn every_input_that_is_checked_in_passes() {
    let (started, next) = channel::<Option<String>>();
    let watchdog = std::thread::spawn(move || {
        let mut current = "the first input".to_owned();
        loop {
            match next.recv_timeout(PATIENCE) {
                Ok(Some(next)) => current = next,
                Ok(None) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {
                    eprintln!("{current}: no answer in {} s", PATIENCE.as_secs());
                    std::process::exit(1);
                }
            }
        }
    });
    for target in TARGETS.iter().filter(|target| !target.is_baseline) {
        let regressions = root().join("corpus/regressions").join(target.name);
        let mut count = 0;
        for (name, data) in in_zip(target)
            .into_iter()
            .chain(in_folder(&root().join(target.seeds())))
            .chain(in_folder(&regressions))
        {
            assert!(
                data.len() <= target.max_input,
                "{name} is longer than engines take"
            );
            started.send(Some(name.clone())).unwrap();
            match replay(&SUBJECT, target, &data) {
                Verdict::Pass | Verdict::Rejected { .. } => count += 1,
                Verdict::Fail(violation) => panic!("{name}: {violation}"),
                other => panic!("{name}: {other:?}"),
            }
        }
        println!("{}: {count} inputs", target.name);
    }
    started.send(None).unwrap();
    watchdog.join().unwrap();
    for check in check::ALL {
        assert_ne!(check.evaluations(), 0, "no input evaluates {}", check.id);
    }
}
