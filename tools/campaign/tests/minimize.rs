//! A minimised corpus loses no feature and no input that fails, whenever the process is killed.
//!
//! The inputs are those of the small program of `tests/coverage.rs`.

mod coverage_fixture;

use campaign::corpora::survey::Terms;
use campaign::corpora::thin::{Thinned, Thinning};
use campaign::corpus::files_in;
use campaign::coverage::Hits;
use campaign::progress::Progress;
use campaign::replay::Verdict;
use coverage_fixture::{Fixture, fixture};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const TERMS: Terms = Terms {
    keep: 1,
    max_input: 8,
    memory: 1 << 20,
};

/// A corpus and its findings, in a folder of the test's own.
struct Corpus {
    parent: PathBuf,
    place: PathBuf,
    finds: PathBuf,
    progress: Progress,
}

impl Corpus {
    fn of(fixture: &Fixture, test: &str) -> Self {
        let parent = fixture.root.join("minimize").join(test);
        Self {
            place: parent.join("fixture"),
            finds: parent.join("finds"),
            parent,
            progress: Progress::new(),
        }
    }

    /// Writes it anew: many inputs with few features, some that fail, some that are too long.
    fn write(&self) {
        if self.parent.exists() {
            fs::remove_dir_all(&self.parent).unwrap();
        }
        fs::create_dir_all(&self.place).unwrap();
        for value in 0..100_u8 {
            for function in *b"b14s" {
                if function != b's' || !(7..=9).contains(&value) {
                    self.put(&format!("{}-{value}", function as char), &[function, value]);
                }
            }
        }
        self.put("none", b"");
        self.put("abort", b"s\x07");
        self.put("panic", b"s\x09");
        self.put("too long", b"much too long");
    }

    fn put(&self, name: &str, content: &[u8]) {
        fs::write(self.place.join(name), content).unwrap();
    }

    fn thinning<'a>(&'a self, fixture: &'a Fixture) -> Thinning<'a> {
        Thinning {
            replay: fixture.replay(),
            corpus: &self.place,
            finds: &self.finds,
            terms: TERMS,
            discard: false,
            progress: &self.progress,
        }
    }

    fn run(&self, fixture: &Fixture) -> Thinned {
        self.thinning(fixture).run(&mut |_| {}).unwrap()
    }

    /// What is in the folders that earlier runs moved inputs to.
    fn taken_out(&self) -> BTreeSet<Vec<u8>> {
        let beside = fs::read_dir(&self.parent).unwrap();
        let beside = beside.map(|entry| entry.unwrap().path()).filter(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name.starts_with("fixture.before-")
        });
        beside.flat_map(|folder| contents(&folder)).collect()
    }
}

fn contents(folder: &Path) -> BTreeSet<Vec<u8>> {
    let files = files_in(folder).unwrap().into_iter();
    files.map(|file| fs::read(file).unwrap()).collect()
}

/// The features of a folder's inputs that do not fail and are not too long, and how many inputs have each.
fn features(fixture: &Fixture, folder: &Path) -> BTreeMap<String, usize> {
    let files = files_in(folder).unwrap();
    let mut features: BTreeMap<String, usize> = BTreeMap::new();
    let visit = |hits: Hits<'_>| {
        let passes = matches!(hits.verdict, Verdict::Pass | Verdict::Rejected { .. });
        if passes && hits.length <= TERMS.max_input {
            let regions = hits.regions.iter().map(|region| format!("{region:?}"));
            for feature in regions.chain(hits.events.lines().map(str::to_owned)) {
                *features.entry(feature).or_default() += 1;
            }
        }
        Ok(())
    };
    fixture.replay().hits(&files.as_slice(), visit).unwrap();
    features
}

#[test]
fn a_minimised_corpus_has_the_same_features_and_the_findings_are_kept() {
    let fixture = fixture();
    let corpus = Corpus::of(fixture, "same-features");
    corpus.write();
    let before = contents(&corpus.place);
    let features_before = features(fixture, &corpus.place);
    assert!(features_before.len() > 20, "{features_before:?}");

    let rehearsed = corpus.thinning(fixture).rehearse().unwrap();
    assert_eq!(contents(&corpus.place), before);
    assert!(!corpus.finds.exists());

    let thinned = corpus.run(fixture);
    let after = contents(&corpus.place);
    assert!(after.len() < 15, "{after:?}");
    let features_after = features(fixture, &corpus.place);
    assert!(features_after.keys().eq(features_before.keys()));
    assert_eq!(thinned.before.inputs, 401);
    assert_eq!(thinned.after.inputs, after.len() as u64);
    assert_eq!(thinned.features, features_before.len());
    assert_eq!((thinned.failing, thinned.too_long), (2, 1));
    assert_eq!((rehearsed.after, rehearsed.failing), (thinned.after, 2));
    let finds = BTreeSet::from([b"s\x07".to_vec(), b"s\x09".to_vec()]);
    assert_eq!(contents(&corpus.finds), finds);
    assert!(after.is_disjoint(&finds));
    // Everything else is in the folder beside.
    let moved = contents(thinned.moved_to.as_ref().unwrap());
    assert!(moved.is_disjoint(&after));
    assert_eq!(&moved | &after, before);

    // Nothing is left to take out, and several a feature are kept when asked for.
    let again = corpus.run(fixture);
    assert_eq!((again.after, again.moved_to), (thinned.after, None));
    corpus.write();
    let several = Thinning {
        terms: Terms { keep: 4, ..TERMS },
        discard: true,
        ..corpus.thinning(fixture)
    };
    assert_eq!(several.run(&mut |_| {}).unwrap().moved_to, None);
    let kept = features(fixture, &corpus.place);
    for (feature, count) in features_before {
        assert!(kept[&feature] >= count.min(4), "{feature}");
    }
    let beside: Vec<_> = fs::read_dir(&corpus.parent).unwrap().collect();
    assert_eq!(beside.len(), 2, "{beside:?}");
}

#[test]
fn inputs_that_come_meanwhile_and_folders_stay() {
    let fixture = fixture();
    let corpus = Corpus::of(fixture, "meanwhile");
    corpus.write();
    fs::create_dir(corpus.place.join("a folder")).unwrap();
    let thinning = Thinning {
        discard: true,
        ..corpus.thinning(fixture)
    };
    let steps = &mut |step: &str| match step {
        "verified" => corpus.put("late", b"late"),
        "half moved" => corpus.put("later", b"later"),
        _ => {}
    };
    thinning.run(steps).unwrap();
    let after = contents(&corpus.place);
    assert!(after.contains(&b"late"[..]) && after.contains(&b"later"[..]));
    assert!(corpus.place.join("a folder").is_dir());
}

#[test]
fn an_input_that_changes_meanwhile_loses_nothing() {
    let fixture = fixture();
    let corpus = Corpus::of(fixture, "changes");
    corpus.write();
    let mut before = BTreeSet::new();
    let steps = &mut |step: &str| {
        if step == "findings kept" {
            // Now none is left that executes this function.
            for value in 0..100 {
                corpus.put(&format!("1-{value}"), b"b\x01");
            }
            before = contents(&corpus.place);
        }
    };
    let error = corpus.thinning(fixture).run(steps).unwrap_err();
    assert!(error.to_string().contains("the new corpus lost"), "{error}");
    assert_eq!(contents(&corpus.place), before);
}

#[test]
fn a_corpus_without_inputs_or_without_sound_ones_is_an_error() {
    let fixture = fixture();
    let corpus = Corpus::of(fixture, "nothing");
    corpus.write();
    let fails = || {
        corpus
            .thinning(fixture)
            .run(&mut |_| {})
            .unwrap_err()
            .to_string()
    };
    fs::remove_dir_all(&corpus.place).unwrap();
    assert!(fails().contains("has no inputs"));
    fs::create_dir(&corpus.place).unwrap();
    assert!(fails().contains("has no inputs"));
    corpus.put("panic", b"s\x09");
    assert!(fails().contains("has no input that passes"));
    assert_eq!(contents(&corpus.place), BTreeSet::from([b"s\x09".to_vec()]));
}

/// Set for the process that is killed: the step after which it is, or empty.
const KILLED_AFTER: &str = "KILLED_AFTER";

/// This test, in a process that is to be killed.
fn in_a_process(test: &str, killed_after: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", test])
        .env(KILLED_AFTER, killed_after)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// After a kill: no input is lost, every feature is in the corpus, and the next run completes the work.
fn check_after_a_kill(fixture: &Fixture, corpus: &Corpus, old: &BTreeSet<Vec<u8>>, when: &str) {
    let now = contents(&corpus.place);
    assert_eq!(&(&now | &corpus.taken_out()), old, "{when}");
    let rehearsed = corpus.thinning(fixture).rehearse().unwrap();
    let thinned = corpus.run(fixture);
    assert_eq!(rehearsed.features, thinned.features, "{when}");
    let new = contents(&corpus.place);
    assert!(new.len() < 15 && new.is_subset(&now), "{when}: {new:?}");
    assert_eq!(&(&new | &corpus.taken_out()), old, "{when}");
    assert_eq!(contents(&corpus.finds).len(), 2, "{when}");
}

#[test]
fn a_kill_after_any_step_loses_nothing() {
    let fixture = fixture();
    let corpus = Corpus::of(fixture, "killed");
    if let Ok(last) = std::env::var(KILLED_AFTER) {
        let ended = corpus.thinning(fixture).run(&mut |step| {
            if step == last {
                // As a kill does: nothing is tidied up.
                std::process::abort();
            }
        });
        panic!("it was not killed: {ended:?}");
    }
    corpus.write();
    let old = contents(&corpus.place);
    let features_before = features(fixture, &corpus.place);
    for (step, moved) in [
        ("chosen", 0..1),
        ("findings kept", 0..1),
        ("verified", 0..1),
        ("half moved", 100..300),
        ("moved", 300..401),
    ] {
        corpus.write();
        let mut killed = in_a_process("a_kill_after_any_step_loses_nothing", step);
        let status = killed.status().unwrap();
        let signal = std::os::unix::process::ExitStatusExt::signal(&status);
        assert_eq!(signal, Some(6), "{step}: {status}");
        assert!(moved.contains(&corpus.taken_out().len()), "{step}");
        let features_now = features(fixture, &corpus.place);
        assert!(features_now.keys().eq(features_before.keys()), "{step}");
        check_after_a_kill(fixture, &corpus, &old, step);
    }
}

/// The same from outside, at moments that nobody chose.
#[test]
fn a_kill_from_outside_loses_nothing() {
    let fixture = fixture();
    let corpus = Corpus::of(fixture, "killed-from-outside");
    if std::env::var(KILLED_AFTER).is_ok() {
        corpus.run(fixture);
        return;
    }
    corpus.write();
    let old = contents(&corpus.place);
    for delay in [5, 20, 40, 80, 120, 160, 200, 300, 500, 3000] {
        corpus.write();
        let mut running = in_a_process("a_kill_from_outside_loses_nothing", "")
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(delay));
        running.kill().unwrap();
        running.wait().unwrap();
        check_after_a_kill(fixture, &corpus, &old, &format!("after {delay} ms"));
    }
}
