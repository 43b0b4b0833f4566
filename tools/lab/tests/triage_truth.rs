//! Which of twelve faults a find shows, found out by builds with one fault each: see `planted`.

mod planted;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use campaign::project::Project;
use campaign::replay::{Replayer, Verdict};
use campaign::triage::collect::collect;
use lab::faults::inputs::Inputs;
use lab::sources::{Copy, Sources};

use planted::{Known, faults};

/// How many finds of each engine, and of the corpora, are kept for a target and a fault: the smallest.
const KEPT: usize = 4;
/// The largest find that is kept, in bytes.
const LARGEST: usize = 2048;

/// What may be a find: whose it is, its target, its file.
fn candidates(project: &Project, copies: &Path) -> Vec<(String, String, PathBuf)> {
    let shipped = Inputs::read("corpora", project, &project.shipped(), copies).unwrap();
    let mut candidates = Vec::new();
    for (target, files) in shipped.iter() {
        let files = files.iter();
        candidates.extend(files.map(|file| ("corpora".into(), target.into(), file.clone())));
    }
    if let Some(folder) = std::env::var_os("ENGINES_FINDS") {
        let known: Vec<_> = project.targets().unwrap().iter().collect();
        for find in collect(&[folder.into()], &[], &known).unwrap().finds {
            let seen = find.sightings.into_iter();
            candidates.extend(seen.map(|seen| (seen.engine, find.target.clone(), seen.path)));
        }
    }
    candidates
}

#[test]
#[ignore = "builds the replay worker twelve times, and writes tests/planted/finds.txt anew"]
fn the_finds_are_made_anew() {
    let project = Project::open(Some(&planted::root())).unwrap();
    let copies = project.builds("triage-truth");
    let sources = Sources::read(project.root()).unwrap();
    let candidates = candidates(&project, &copies);
    let copy = Copy::of(&sources, &copies.join("copy")).unwrap();
    let mut shown: Vec<Vec<String>> = vec![Vec::new(); candidates.len()];
    for (fault, _) in faults() {
        copy.restore(&sources).unwrap();
        copy.plant(&planted::patch(fault)).unwrap();
        let mut replayer = Replayer::new(copy.project().unwrap().worker().unwrap().to_owned());
        for ((_, target, file), shown) in candidates.iter().zip(&mut shown) {
            if let Verdict::Fail(_) = replayer.verdict(target, file).unwrap() {
                shown.push(fault.to_owned());
            }
        }
    }
    // Contents, the smallest first, by whose they are, their target, and the faults that they show.
    let mut alike: BTreeMap<_, BTreeSet<(usize, Vec<u8>)>> = BTreeMap::new();
    for ((whose, target, file), faults) in candidates.iter().zip(shown) {
        let content = fs::read(file).unwrap();
        if content.len() <= LARGEST && !faults.is_empty() {
            let contents = alike.entry((whose, target, faults)).or_default();
            contents.insert((content.len(), content));
        }
    }
    let mut finds = BTreeSet::new();
    for ((_, target, faults), contents) in alike {
        finds.extend(contents.into_iter().take(KEPT).map(|(_, content)| Known {
            target: target.clone(),
            faults: faults.clone(),
            content,
        }));
    }
    for (fault, _) in faults() {
        let mut shown = finds.iter().flat_map(|find| &find.faults);
        assert!(shown.any(|shown| shown == fault), "no find shows {fault}");
    }
    planted::write(&finds.into_iter().collect::<Vec<_>>());
}
