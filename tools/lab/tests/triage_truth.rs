//! Which of twelve faults a find shows, found out by builds with one fault each: see `planted`.

mod planted;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use campaign::project::Project;
use campaign::replay::{Replayer, Verdict};
use campaign::triage::collect::collect;
use lab::faults::inputs::Inputs;
use lab::sources::{Copy, Sources};

use planted::{FAULTS, Known};

/// How many finds of each engine, and of the corpora, are kept for a target and a fault: the smallest.
const KEPT: usize = 4;
/// The largest find that is kept, in bytes.
const LARGEST: usize = 2048;

/// Contents by whose they are, their target, and the faults that they show.
type Alike<'a> = BTreeMap<(&'a str, &'a str, Vec<String>), Vec<Vec<u8>>>;

/// What may be a find: who has it, its target, its file.
fn candidates(corpora: &Inputs, project: &Project) -> Vec<(String, String, PathBuf)> {
    let mut candidates = Vec::new();
    for (target, files) in corpora.iter() {
        for file in files {
            candidates.push(("corpora".to_owned(), target.to_owned(), file.clone()));
        }
    }
    if let Some(folder) = std::env::var_os("ENGINES_FINDS") {
        let known: Vec<_> = project.targets().unwrap().iter().collect();
        for find in collect(&[folder.into()], &[], &known).unwrap().finds {
            for seen in find.sightings {
                candidates.push((seen.engine, find.target.clone(), seen.path));
            }
        }
    }
    candidates
}

#[test]
#[ignore = "builds the replay worker twelve times, and writes tests/planted/finds.txt anew"]
fn the_finds_are_made_anew() {
    let root = planted::root();
    let project = Project::open(Some(&root)).unwrap();
    let copies = project.builds("triage-truth");
    let sources = Sources::read(&root).unwrap();
    let corpora = Inputs::corpora(
        &project,
        &root.join("corpus/shipped"),
        &copies.join("inputs"),
    )
    .unwrap();
    let candidates = candidates(&corpora, &project);
    let copy = Copy::of(&sources, &copies.join("copy")).unwrap();
    // The faults that each candidate shows.
    let mut shown: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for (fault, _) in FAULTS {
        copy.restore(&sources).unwrap();
        let patch = root.join(format!("tools/lab/faults/{fault}.patch"));
        copy.plant(&patch).unwrap();
        let mut replayer = Replayer::new(copy.project().unwrap().worker().unwrap().to_owned());
        for (index, (_, target, file)) in candidates.iter().enumerate() {
            if let Verdict::Fail(_) = replayer.verdict(target, file).unwrap() {
                shown.entry(index).or_default().push(fault.to_owned());
            }
        }
    }
    let mut alike: Alike<'_> = BTreeMap::new();
    for (index, faults) in shown {
        let (whose, target, file) = &candidates[index];
        let content = fs::read(file).unwrap();
        if content.len() <= LARGEST {
            alike
                .entry((whose, target, faults))
                .or_default()
                .push(content);
        }
    }
    let mut finds = BTreeSet::new();
    for ((_, target, faults), mut contents) in alike {
        contents.sort_by_key(|content| (content.len(), content.clone()));
        finds.extend(contents.into_iter().take(KEPT).map(|content| Known {
            target: target.to_owned(),
            faults: faults.clone(),
            content,
        }));
    }
    for (fault, _) in FAULTS {
        let is_shown = finds
            .iter()
            .any(|find| find.faults.iter().any(|shown| shown == fault));
        assert!(is_shown, "no find shows {fault}");
    }
    planted::write(&finds.into_iter().collect::<Vec<_>>());
}
