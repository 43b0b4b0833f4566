//! Which of twelve faults a find shows, found out by builds with one fault each: see `planted`.

mod planted;

use std::collections::BTreeMap;
use std::fs;

use campaign::faults::copy::{Copy, Sources};
use campaign::faults::inputs::Inputs;
use campaign::faults::patch::Fault;
use campaign::project::Project;
use campaign::replay::{Replayer, Verdict, build_worker};

use planted::{FAULTS, Known};

/// How many finds of a fault are kept for a target: the smallest.
const KEPT: usize = 6;
/// The largest find that is kept, in bytes.
const LARGEST: usize = 2048;

#[test]
#[ignore = "builds the replay worker twelve times, and writes tests/planted/finds.txt anew"]
fn the_finds_are_made_anew() {
    let root = planted::root();
    let project = Project::open(Some(&root)).unwrap();
    let copies = project.builds("triage-truth");
    let sources = Sources::read(&root).unwrap();
    let corpora = Inputs::corpora(&root.join("corpora"), &copies.join("inputs")).unwrap();
    let copy = Copy::of(&sources, &copies.join("copy")).unwrap();
    // The faults that each input shows, by target and content.
    let mut shown: BTreeMap<(String, Vec<u8>), Vec<String>> = BTreeMap::new();
    for (fault, _) in FAULTS {
        copy.restore(&sources).unwrap();
        copy.plant(&Fault::read(&root.join(format!("faults/{fault}.patch"))).unwrap())
            .unwrap();
        let mut replayer = Replayer::new(build_worker(&copy.project().unwrap()).unwrap());
        for (target, files) in corpora.iter() {
            for file in files {
                if let Verdict::Fail { .. } = replayer.verdict(target, file).unwrap() {
                    let content = fs::read(file).unwrap();
                    let find = (target.to_owned(), content);
                    shown.entry(find).or_default().push(fault.to_owned());
                }
            }
        }
    }
    let mut kept: BTreeMap<(String, Vec<String>), Vec<Vec<u8>>> = BTreeMap::new();
    for ((target, content), faults) in shown {
        if content.len() <= LARGEST {
            kept.entry((target, faults)).or_default().push(content);
        }
    }
    let mut finds = Vec::new();
    for ((target, faults), mut contents) in kept {
        contents.sort_by_key(|content| (content.len(), content.clone()));
        finds.extend(contents.into_iter().take(KEPT).map(|content| Known {
            target: target.clone(),
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
    planted::write(&finds);
}
