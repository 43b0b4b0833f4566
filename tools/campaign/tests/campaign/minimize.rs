//! A minimised corpus loses no feature and no input that fails, whenever the process is killed.
//!
//! The inputs are those of the small program of `tests/coverage.rs`.

use crate::coverage_fixture::{Fixture, fixture};
use campaign::corpora::minimise::{Chosen, Minimiser, thin};
use campaign::corpora::survey::Terms;
use campaign::corpus::files_in;
use campaign::coverage::Hits;
use campaign::progress::Progress;
use campaign::replay::Verdict;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const TERMS: Terms = Terms {
    keep: 1,
    max_input: 8,
};

/// A corpus and its findings, in a folder of the test's own.
struct Corpus {
    parent: PathBuf,
    place: PathBuf,
    finds: PathBuf,
}

impl Corpus {
    fn of(fixture: &Fixture, test: &str) -> Self {
        let parent = fixture.root.join("minimize").join(test);
        Self {
            place: parent.join("fixture"),
            finds: parent.join("finds"),
            parent,
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

    /// Minimises it as the command does, calling `after` after each step.
    fn minimise(
        &self,
        fixture: &Fixture,
        terms: Terms,
        discard: bool,
        after: &mut dyn FnMut(&str),
    ) -> anyhow::Result<(Chosen, Option<PathBuf>)> {
        let files = files_in(&self.place).unwrap();
        let minimiser = Minimiser {
            replay: fixture.replay(),
            inputs: &files.as_slice(),
            pinned: BTreeSet::new(),
            finds: &self.finds,
            terms,
            progress: &Progress::new(),
        };
        let chosen = minimiser.choose(after)?;
        let moved_to = thin(&self.place, &files, &chosen, discard, after)?;
        Ok((chosen, moved_to))
    }

    fn run(&self, fixture: &Fixture) -> (Chosen, Option<PathBuf>) {
        self.minimise(fixture, TERMS, false, &mut |_| {}).unwrap()
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

    // Up to this step, a rehearsal is the same.
    let steps = &mut |step: &str| {
        if step == "chosen" {
            assert_eq!(contents(&corpus.place), before);
            assert!(!corpus.finds.exists());
        }
    };
    let (chosen, moved_to) = corpus.minimise(fixture, TERMS, false, steps).unwrap();
    let after = contents(&corpus.place);
    assert!(after.len() < 15, "{after:?}");
    let features_after = features(fixture, &corpus.place);
    assert!(features_after.keys().eq(features_before.keys()));
    let survey = &chosen.survey;
    assert_eq!(survey.lengths.len(), 401);
    assert_eq!(chosen.kept.len(), after.len());
    assert_eq!(survey.features(), features_before.len());
    assert_eq!((survey.failing.len(), survey.too_long), (2, 1));
    let finds = BTreeSet::from([b"s\x07".to_vec(), b"s\x09".to_vec()]);
    assert_eq!(contents(&corpus.finds), finds);
    assert!(after.is_disjoint(&finds));
    // Everything else is in the folder beside.
    let moved = contents(&moved_to.unwrap());
    assert!(moved.is_disjoint(&after));
    assert_eq!(&moved | &after, before);

    // Nothing is left to take out, and several a feature are kept when asked for.
    assert_eq!(corpus.run(fixture).1, None);
    assert_eq!(contents(&corpus.place), after);
    corpus.write();
    let terms = Terms { keep: 4, ..TERMS };
    let (_, moved_to) = corpus.minimise(fixture, terms, true, &mut |_| {}).unwrap();
    assert_eq!(moved_to, None);
    let kept = features(fixture, &corpus.place);
    for (feature, count) in features_before {
        assert!(kept[&feature] >= count.min(4), "{feature}");
    }
    let beside: Vec<_> = fs::read_dir(&corpus.parent).unwrap().collect();
    assert_eq!(beside.len(), 2, "{beside:?}");
}

#[test]
fn inputs_that_come_or_change_meanwhile_lose_nothing() {
    let fixture = fixture();
    let corpus = Corpus::of(fixture, "meanwhile");
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
    let ended = corpus.minimise(fixture, TERMS, false, steps);
    let error = ended.unwrap_err().to_string();
    assert!(error.contains("the new corpus lost"), "{error}");
    assert_eq!(contents(&corpus.place), before);

    fs::create_dir(corpus.place.join("a folder")).unwrap();
    let steps = &mut |step: &str| match step {
        "verified" => corpus.put("late", b"late"),
        "half moved" => corpus.put("later", b"later"),
        _ => {}
    };
    corpus.minimise(fixture, TERMS, true, steps).unwrap();
    let after = contents(&corpus.place);
    assert!(after.contains(&b"late"[..]) && after.contains(&b"later"[..]));
    assert!(corpus.place.join("a folder").is_dir());
}

#[test]
fn a_corpus_of_which_nothing_would_be_left_is_an_error() {
    let fixture = fixture();
    let corpus = Corpus::of(fixture, "nothing");
    corpus.write();
    fs::remove_dir_all(&corpus.place).unwrap();
    fs::create_dir(&corpus.place).unwrap();
    corpus.put("panic", b"s\x09");
    let ended = corpus.minimise(fixture, TERMS, false, &mut |_| {});
    let error = ended.unwrap_err().to_string();
    assert!(error.contains("no input passes"), "{error}");
    assert_eq!(contents(&corpus.place), BTreeSet::from([b"s\x09".to_vec()]));
}

/// Set for the process that is killed: the step after which it is, or empty.
const KILLED_AFTER: &str = "KILLED_AFTER";

/// A kill after any step, and at moments that nobody chose, loses no input; every feature stays in the corpus, and
/// the next run completes the work.
#[test]
fn a_kill_at_any_moment_loses_nothing() {
    let fixture = fixture();
    let corpus = Corpus::of(fixture, "killed");
    if let Ok(last) = std::env::var(KILLED_AFTER) {
        let steps = &mut |step: &str| {
            if step == last {
                // As a kill does: nothing is tidied up.
                std::process::abort();
            }
        };
        corpus.minimise(fixture, TERMS, false, steps).unwrap();
        return;
    }
    corpus.write();
    let old = contents(&corpus.place);
    let features_before = features(fixture, &corpus.place);
    let steps = [
        ("chosen", 0..1),
        ("findings kept", 0..1),
        ("verified", 0..1),
        ("half moved", 100..300),
        ("moved", 300..401),
    ];
    let steps = steps.map(|(step, moved)| (step, 0, moved));
    let delays = [5, 20, 40, 80, 120, 160, 200, 300, 500, 3000];
    let delays = delays.map(|delay| ("", delay, 0..401));
    for (step, delay, moved) in steps.into_iter().chain(delays) {
        corpus.write();
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "minimize::a_kill_at_any_moment_loses_nothing"])
            .env(KILLED_AFTER, step)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        if step.is_empty() {
            std::thread::sleep(Duration::from_millis(delay));
            process.kill().unwrap();
        }
        let status = process.wait().unwrap();
        let when = format!("{step}, after {delay} ms: {status}");
        // Those that are killed from outside may have ended.
        assert!(status.signal().is_some() || delay > 0, "{when}");
        assert!(moved.contains(&corpus.taken_out().len()), "{when}");
        let features_now = features(fixture, &corpus.place);
        assert!(features_now.keys().eq(features_before.keys()), "{when}");
        let now = contents(&corpus.place);
        assert_eq!(&(&now | &corpus.taken_out()), &old, "{when}");
        corpus.run(fixture);
        let new = contents(&corpus.place);
        assert!(new.len() < 15 && new.is_subset(&now), "{when}: {new:?}");
        assert_eq!(&(&new | &corpus.taken_out()), &old, "{when}");
        assert_eq!(contents(&corpus.finds).len(), 2, "{when}");
    }
}
