//! Several engines at once, with real engines: what one knows, the others read, and no find ends an engine.
//!
//! These tests build targets for the three engines and fuzz for about a minute, so they need the engines:
//! `scripts/test` runs them, with `cargo test --package campaign -- --ignored ensemble`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::tool::{alone, ended, example, on_example, root};
use campaign::cores;
use campaign::corpora::{pack, zip_of};
use campaign::corpus::{content_name, files_in};
use campaign::engine::afl::Sharing;
use campaign::engine::session::{self, Session, Setup, View};
use campaign::engine::{Engine, Sanitizer};
use campaign::project::Project;
use worker::TargetInfo;

/// The project, and the target of scanners.
fn scan() -> (Project, TargetInfo) {
    let project = Project::open(Some(&root())).unwrap();
    let target = project.target("fuzz_measure_scan").unwrap().clone();
    (project, target)
}

/// Runs `engines` on the scan target in `folder`, on two cores, until `look` has seen enough.
fn run(
    engines: &[Engine],
    folder: &Path,
    inputs: &[PathBuf],
    seconds: u64,
    sharing: Option<Sharing>,
    mut look: impl FnMut(&View<'_>) -> bool,
) -> Session {
    let (project, target) = scan();
    let builds: BTreeMap<_, _> = engines
        .iter()
        .map(|&engine| {
            let build = engine.build(&project, &target.name, Sanitizer::None);
            (engine, build.unwrap())
        })
        .collect();
    let cores = cores::first(Some(2)).expect("two cores");
    let setup = Setup {
        dictionary: project.dictionary(&target),
        at_once: cores.len(),
        cores,
        sharing,
        ..Setup::new(
            &target,
            &builds,
            inputs,
            folder.to_owned(),
            Duration::from_secs(seconds),
        )
    };
    session::run(&setup, &mut |view| match look(view) {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    })
    .unwrap()
}

fn seeds() -> Vec<PathBuf> {
    let (project, target) = scan();
    let seeds = files_in(&project.seeds(&target.name)).unwrap();
    assert!(seeds.len() > 20, "{} seeds", seeds.len());
    seeds
}

/// The names of the files in an AFL++ queue.
fn queue(instance: &Path) -> Vec<String> {
    let files = files_in(&instance.join("queue")).into_iter().flatten();
    files
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect()
}

#[test]
#[ignore = "needs the three engines; scripts/test runs it"]
fn what_one_engine_knows_the_others_read() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("run");
    // Inputs that nobody could find in seconds: those of the shipped corpus. honggfuzz seems to have found
    // them, as they appear in its folder.
    let known: BTreeSet<String> = seeds()
        .iter()
        .map(|seed| content_name(&fs::read(seed).unwrap()))
        .collect();
    let shipped = pack::read(&zip_of(&root().join("corpus/shipped"), &scan().1)).unwrap();
    let secret: BTreeMap<String, Vec<u8>> = shipped
        .into_values()
        .map(|content| (content_name(&content), content))
        .filter(|(name, content)| !content.is_empty() && !known.contains(name))
        .take(200)
        .collect();
    assert_eq!(secret.len(), 200);
    // AFL++ took some into its queue, each under the name of where it came from.
    let has_imported = || {
        let names = queue(&folder.join("afl/output/main")).into_iter();
        let mut sources = names.filter_map(|name| {
            let (_, from) = name.split_once(",sync:pool_0,src:")?;
            Some(from.chars().take_while(char::is_ascii_hexdigit).collect())
        });
        sources.any(|from: String| secret.keys().any(|name| name.starts_with(&from)))
    };
    // libFuzzer read them, and some were news to it. honggfuzz read what the others gave it.
    let has_read = |engine, what| {
        let log = folder.join(format!("{engine}/log.txt"));
        String::from_utf8_lossy(&fs::read(log).unwrap_or_default()).contains(what)
    };
    let have_all = || {
        has_imported()
            && has_read(Engine::Libfuzzer, "RELOAD")
            && has_read(Engine::Honggfuzz, "Loading dynamic input file:")
    };
    let mut is_placed = false;
    // AFL++ reads what others found after half a minute.
    let outcome = run(&Engine::ALL, &folder, &seeds(), 90, None, |view| {
        let output = folder.join("honggfuzz/output");
        if !is_placed && view.elapsed > Duration::from_secs(6) && output.is_dir() {
            is_placed = true;
            for (name, content) in &secret {
                fs::write(output.join(format!("!secret-{name}")), content).unwrap();
            }
        }
        is_placed && have_all()
    });
    assert!(have_all());
    assert!(is_placed, "honggfuzz did not start in time");
    for one in &outcome.engines {
        let (figures, engine) = (&one.figures, one.figures.engine);
        assert_eq!(figures.failure, None);
        assert!(figures.executions > 0 && one.seeds_read > 0, "{engine}");
        assert!(figures.core_seconds > 0.0, "{engine}");
        assert!(figures.given > 0, "{engine} was given nothing");
    }
    let of_honggfuzz = outcome
        .kept
        .iter()
        .filter(|kept| kept.engine == Engine::Honggfuzz && secret.contains_key(&kept.name));
    assert!(of_honggfuzz.count() > 20, "others found the same first");

    let given = files_in(&folder.join("libfuzzer/output")).unwrap();
    let given = given.iter().filter(|path| {
        let name = path.file_name().unwrap().to_string_lossy();
        let name = name.strip_prefix("from-");
        name.is_some_and(|name| secret.contains_key(name))
    });
    assert!(given.count() > 20, "libFuzzer was given few");
}

/// Copies an instance's folder as `rsync --times` does: new files are written beside their place and then moved.
/// AFL++ passes over an instance that is no older than its look at it, in whole seconds: the times must come along.
fn copy_as_rsync_does(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).into_iter().flatten() {
        let path = entry.unwrap().path();
        let there = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_as_rsync_does(&path, &there);
        } else if path.is_file() {
            let beside = to.join(".copying");
            // It may vanish meanwhile, as rsync says of such files.
            let modified = fs::metadata(&path).and_then(|metadata| metadata.modified());
            if let (Ok(modified), Ok(_)) = (modified, fs::copy(&path, &beside)) {
                let copy = File::options().append(true).open(&beside).unwrap();
                copy.set_modified(modified).unwrap();
                fs::rename(&beside, &there).unwrap();
            }
        }
    }
}

#[test]
#[ignore = "needs the three engines; scripts/test runs it"]
fn all_engines_on_two_machines_read_what_the_other_found() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    for shared in ["shared-here", "shared-there"] {
        fs::create_dir(place(shared)).unwrap();
    }
    // Each begins from seeds that the other does not have.
    let (here, there): (Vec<_>, Vec<_>) = seeds()
        .into_iter()
        .enumerate()
        .partition(|(place, _)| place % 2 == 0);
    let inputs = |seeds: Vec<(usize, PathBuf)>| seeds.into_iter().map(|(_, path)| path).collect();
    let (here, there): (Vec<PathBuf>, Vec<PathBuf>) = (inputs(here), inputs(there));
    let imported = |instance: &str, from: &str| {
        let names = queue(&place(instance)).into_iter();
        let from = format!(",sync:{from},");
        names.filter(|name| name.contains(&from)).count()
    };
    let on = |inputs: &[PathBuf], name: &str, is_over: &dyn Fn(&View<'_>) -> bool| {
        let sharing = Sharing {
            folder: place(&format!("shared-{name}")),
            name: name.to_owned(),
        };
        let folder = place(&format!("run-{name}"));
        let outcome = run(&Engine::ALL, &folder, inputs, 120, Some(sharing), is_over);
        assert_eq!(outcome.failure(), None);
        outcome
    };
    // Each runs until it has read what the other found, or, the first, until AFL++ has its seeds.
    on(&there, "there", &|_| {
        !queue(&place("shared-there/there")).is_empty()
    });
    copy_as_rsync_does(&place("shared-there/there"), &place("shared-here/there"));
    on(&here, "here", &|_| {
        imported("shared-here/here", "there") > 0
    });
    assert!(imported("shared-here/here", "there") > 0);
    copy_as_rsync_does(&place("shared-here/here"), &place("shared-there/here"));
    let outcome = on(&there, "there", &|_| {
        imported("shared-there/there", "here") > 0
    });
    assert!(imported("shared-there/there", "here") > 0);
    // It went on where it was, and what came from the other machine is ours too.
    assert!(!outcome.kept.is_empty());
}

#[test]
#[ignore = "needs the three engines; scripts/test runs it"]
fn no_find_ends_an_engine() {
    let _alone = alone();
    let arguments = ["run", "--engines", "all", "fuzz_measure_calc", "--time"];
    let options = ["10s", "--sanitizer", "none", "--seeds-only", "--cores", "2"];
    let mut command = on_example(&arguments);
    let output = command.args(options).arg("--json").output().unwrap();
    let status: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let text = ended(3, output);
    assert!(text.contains("they take turns"), "{text}");
    let written = fs::read(example().join("results/run/fuzz_measure_calc/status.json")).unwrap();
    let written: serde_json::Value = serde_json::from_slice(&written).unwrap();
    assert_eq!(status, written);
    assert_eq!(status["state"], "ended");
    let finds = status["finds"].as_array().unwrap();
    let is_known = |find: &serde_json::Value| find["check"] == "calc.raw_covers_virtual_size";
    assert!(finds.iter().any(is_known), "{finds:?}");
    for engine in status["engines"].as_array().unwrap() {
        assert!(engine["failure"].is_null(), "{engine}");
        // libFuzzer ends at each find: two are two starts at least.
        let finds = engine["finds"].as_u64().unwrap();
        assert!(engine["engine"] != "libfuzzer" || finds >= 2, "{engine}");
    }
    let reached = status["regions"]["reached"].as_u64().unwrap();
    let total = status["regions"]["total"].as_u64().unwrap();
    assert!(0 < reached && reached <= total, "{reached} of {total}");
}
