//! Corpora are thinned out without losing a feature, an input that fails, or, whenever it is killed, the corpus.
//!
//! The inputs are those of the small program of `tests/coverage.rs`.

mod coverage_fixture;

use campaign::corpora::folder::Folder;
use campaign::corpora::thin::{Stage, Thinned, Thinning};
use campaign::coverage::Replay;
use campaign::progress::Progress;
use campaign::replay::Verdict;
use coverage_fixture::{Fixture, fixture};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A corpus and its finds, in a folder of the test's own.
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

    fn thinning<'a>(&'a self, replay: Replay<'a>, progress: &'a Progress) -> Thinning<'a> {
        Thinning {
            replay,
            corpus: &self.place,
            finds: &self.finds,
            max_input: 8,
            keep: 1,
            memory: 1 << 20,
            discard: false,
            progress,
        }
    }

    fn run(&self, fixture: &Fixture) -> Thinned {
        let progress = Progress::new();
        self.thinning(fixture.replay(), &progress)
            .run(&mut |_| {})
            .unwrap()
    }
}

fn contents(folder: &Path) -> BTreeSet<Vec<u8>> {
    let listed = Folder::list(folder).unwrap();
    (0..listed.len())
        .map(|place| listed.read(place).unwrap())
        .collect()
}

/// The features of a folder's inputs that do not fail and are not too long, and how many inputs have each.
fn features(fixture: &Fixture, folder: &Path) -> BTreeMap<String, usize> {
    let listed = Folder::list(folder).unwrap();
    let mut features: BTreeMap<String, usize> = BTreeMap::new();
    let visit = |hits: campaign::coverage::Hits<'_>| {
        let passes = matches!(hits.verdict, Verdict::Pass | Verdict::Rejected { .. });
        if passes && listed.length(hits.input) <= 8 {
            let regions = hits.regions.iter().map(|region| format!("{region:?}"));
            for feature in regions.chain(hits.deeds.lines().map(str::to_owned)) {
                *features.entry(feature).or_default() += 1;
            }
        }
        Ok(())
    };
    fixture.replay().hits(&listed, visit).unwrap();
    features
}

#[test]
fn a_minimised_corpus_has_the_same_features_and_the_finds_are_kept() {
    let fixture = fixture();
    let corpus = Corpus::of(fixture, "same-features");
    corpus.write();
    let before = contents(&corpus.place);
    let features_before = features(fixture, &corpus.place);
    assert!(features_before.len() > 20, "{features_before:?}");

    let progress = Progress::new();
    let thinning = corpus.thinning(fixture.replay(), &progress);
    let rehearsed = thinning.rehearse().unwrap();
    assert_eq!(contents(&corpus.place), before);
    assert!(!corpus.finds.exists());

    let thinned = corpus.run(fixture);
    let after = contents(&corpus.place);
    assert!(after.len() < 15, "{after:?}");
    assert!(after.is_subset(&before));
    assert_eq!(
        features(fixture, &corpus.place).keys().collect::<Vec<_>>(),
        features_before.keys().collect::<Vec<_>>()
    );
    assert_eq!(
        (thinned.before.inputs, thinned.after.inputs),
        (401, after.len() as u64)
    );
    assert_eq!(thinned.features, features_before.len());
    assert_eq!((thinned.failing, thinned.too_long, thinned.late), (2, 1, 0));
    assert_eq!((rehearsed.after, rehearsed.failing), (thinned.after, 2));
    let finds = BTreeSet::from([b"s\x07".to_vec(), b"s\x09".to_vec()]);
    assert_eq!(contents(&corpus.finds), finds);
    assert!(after.is_disjoint(&finds));
    assert_eq!(contents(thinned.kept_as.as_ref().unwrap()), before);

    // Nothing is left to take away, and several a feature are kept when asked for.
    assert_eq!(corpus.run(fixture).after, thinned.after);
    corpus.write();
    let several = Thinning {
        keep: 4,
        discard: true,
        ..corpus.thinning(fixture.replay(), &progress)
    };
    let thinned = several.run(&mut |_| {}).unwrap();
    assert_eq!(thinned.kept_as, None);
    let kept = features(fixture, &corpus.place);
    for (feature, count) in features_before {
        assert!(kept[&feature] >= count.min(4), "{feature}");
    }
    let beside: Vec<_> = fs::read_dir(&corpus.parent).unwrap().collect();
    assert_eq!(beside.len(), 2, "{beside:?}");
}

#[test]
fn what_comes_meanwhile_is_kept_and_what_cannot_be_read_is_not_discarded() {
    let fixture = fixture();
    let corpus = Corpus::of(fixture, "meanwhile");
    corpus.write();
    fs::create_dir(corpus.place.join("a folder")).unwrap();
    let progress = Progress::new();
    let thinning = Thinning {
        discard: true,
        ..corpus.thinning(fixture.replay(), &progress)
    };
    let thinned = thinning
        .run(&mut |stage| match stage {
            Stage::Verified => corpus.put("late", b"late"),
            Stage::Changed => {
                // An engine's tool that had opened the folder before it changed its name.
                let hidden = corpus.parent.join(".fixture.being-minimised");
                fs::write(hidden.join("later"), b"later").unwrap();
            }
            _ => {}
        })
        .unwrap();
    assert_eq!(thinned.late, 2);
    let after = contents(&corpus.place);
    assert!(after.contains(&b"late"[..]) && after.contains(&b"later"[..]));
    assert!(thinned.kept_because.unwrap().contains("no files"));
    assert!(thinned.kept_as.unwrap().join("a folder").is_dir());
}

#[test]
fn an_input_that_changes_meanwhile_loses_nothing() {
    let fixture = fixture();
    let corpus = Corpus::of(fixture, "changes");
    corpus.write();
    let before = contents(&corpus.place);
    let progress = Progress::new();
    let mut hidden = None;
    let error = corpus
        .thinning(fixture.replay(), &progress)
        .run(&mut |stage| {
            if stage == Stage::Written {
                let new = corpus.parent.join(".fixture.being-minimised");
                let listed = Folder::list(&new).unwrap();
                let one =
                    (0..listed.len()).find(|&place| listed.read(place).unwrap()[..1] == *b"1");
                fs::write(listed.file(one.unwrap()), b"b\x01").unwrap();
                hidden = Some(new);
            }
        })
        .unwrap_err()
        .to_string();
    assert!(error.contains("the new corpus lost"), "{error}");
    assert_eq!(contents(&corpus.place), before);
    assert!(!hidden.unwrap().exists());
}

/// Set for the process that is killed: the number of the stage after which it is.
const KILLED_AFTER: &str = "KILLED_AFTER";
const KILLED_TEST: &str = "a_kill_at_any_moment_leaves_the_old_or_the_new_corpus";

#[test]
fn a_kill_at_any_moment_leaves_the_old_or_the_new_corpus() {
    let fixture = fixture();
    let corpus = Corpus::of(fixture, "killed");
    if let Ok(number) = std::env::var(KILLED_AFTER) {
        let last = Stage::ALL[number.parse::<usize>().unwrap()];
        let progress = Progress::new();
        let thinning = corpus.thinning(fixture.replay(), &progress);
        let ended = thinning.run(&mut |stage| {
            if stage == last {
                // As a kill does: nothing is tidied up.
                std::process::abort();
            }
        });
        panic!("it was not killed: {ended:?}");
    }

    corpus.write();
    let old = contents(&corpus.place);
    corpus.run(fixture);
    let new = contents(&corpus.place);
    for (number, stage) in Stage::ALL.into_iter().enumerate() {
        corpus.write();
        let killed = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", KILLED_TEST])
            .env(KILLED_AFTER, number.to_string())
            .output()
            .unwrap();
        let status = std::os::unix::process::ExitStatusExt::signal(&killed.status);
        assert_eq!(
            status,
            Some(6),
            "{}",
            String::from_utf8_lossy(&killed.stdout)
        );

        let is_new = matches!(stage, Stage::Changed | Stage::Ended);
        let expected = if is_new { &new } else { &old };
        assert_eq!(contents(&corpus.place), *expected, "{stage:?}");

        // The next one puts the rest right: the corpus is minimised, the old one is kept, nothing else is left.
        let thinned = corpus.run(fixture);
        assert_eq!(contents(&corpus.place), new, "{stage:?}");
        let mut kept = Vec::new();
        for entry in fs::read_dir(&corpus.parent).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            match name.as_str() {
                "fixture" | "finds" => {}
                old if old.starts_with("fixture.before-") => kept.push(contents(&path)),
                other => panic!("{stage:?}: {other} is left"),
            }
        }
        assert!(kept.contains(&old), "{stage:?}");
        assert_eq!(kept.len(), 1 + usize::from(is_new), "{stage:?}");
        assert_eq!(contents(&corpus.finds).len(), 2, "{stage:?}");
        assert!(thinned.kept_as.is_some());
    }
}

/// The same from outside, at moments that nobody chose.
#[test]
fn a_kill_from_outside_leaves_the_old_or_the_new_corpus() {
    let fixture = fixture();
    let corpus = Corpus::of(fixture, "killed-from-outside");
    if std::env::var(KILLED_AFTER).is_ok() {
        corpus.run(fixture);
        return;
    }
    corpus.write();
    let old = contents(&corpus.place);
    corpus.run(fixture);
    let new = contents(&corpus.place);
    let mut outcomes = BTreeSet::new();
    for delay in [5, 20, 40, 80, 120, 160, 200, 300, 500, 3000] {
        corpus.write();
        let mut running = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "a_kill_from_outside_leaves_the_old_or_the_new_corpus",
            ])
            .env(KILLED_AFTER, "")
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(delay));
        running.kill().unwrap();
        running.wait().unwrap();
        let now = contents(&corpus.place);
        assert!(now == old || now == new, "after {delay} ms");
        outcomes.insert(now == new);
    }
    // The first was killed before it could begin.
    assert!(outcomes.contains(&false));
}
