//! Twelve faults planted at once, and finds of them as the engines lay them down: twelve groups, no more, no
//! fewer, and each is of one fault.
//!
//! What a find shows was found out without triage's key: it was replayed on twelve builds, each with one of the faults
//! alone, and belongs to those on which it fails. `cargo lab faults --corpus-only --corpora DIR` does so for what is in a
//! folder. The finds are from the shipped corpora, and from ten seconds of each engine on each target, from the seeds. Of
//! all 594 that the engines made, each was in a group of a fault that it shows; the tie of VHDX headers was found by none.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use built_in::SUBJECT;
use campaign::corpus::content_name;
use campaign::project::Project;
use campaign::triage::group::{Report, Status};
use harness_core::project::replay;
use harness_core::targets;
use lab::sources::{Copy, Sources};

use worker::Verdict;

/// The faults, and the group that triage makes of each.
fn faults() -> impl Iterator<Item = (&'static str, &'static str)> {
    let lines = include_str!("planted/faults.txt").lines();
    lines.map(|line| line.split_once(": ").expect("a fault"))
}

/// A find, and the faults that it shows.
struct Known {
    target: &'static str,
    faults: Vec<&'static str>,
    content: Vec<u8>,
}

/// The finds: a line each, of target, faults and content.
fn finds() -> Vec<Known> {
    let known = include_str!("planted/finds.txt").lines().map(|line| {
        let [target, faults, hex] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("not a find: {line}");
        };
        let bytes = (0..hex.len()).step_by(2);
        let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal");
        Known {
            target,
            faults: faults.split(',').collect(),
            content: bytes.map(byte).collect(),
        }
    });
    known.collect()
}

/// What `campaign triage` prints on both outputs for these finds; it must end with this exit code.
fn triage(code: i32, project: &Path, finds: &[&Path], out: &Path) -> String {
    let mut command = Command::new(env!("CARGO"));
    command
        .args(["run", "--quiet", "--locked", "--package", "campaign", "--"])
        .arg("--project")
        .arg(project)
        .args(["triage", "--only", "--out"])
        .arg(out);
    for finds in finds {
        command.arg("--finds").arg(finds);
    }
    let output = command.output().expect("campaign runs");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert_eq!(output.status.code(), Some(code), "{text}");
    text
}

/// Where the nth find of a target goes, by the engine that it is to be from.
fn place(folder: &Path, nth: usize, find: &Known) -> PathBuf {
    let name = content_name(&find.content);
    let target = find.target;
    folder.join(match nth % 4 {
        0 => format!(
            "afl/{target}/default/crashes/id:{nth:06},sig:06,src:000001,time:{nth}500,execs:77,op:havoc,rep:2"
        ),
        1 => format!("libfuzzer/{target}/crash-{}", &name[..40]),
        2 => format!(
            "hfuzz_workspace/{target}/SIGABRT.PC.7ffff7e3eeec.STACK.{nth}.CODE.-6.ADDR.0.INSTR.mov____%eax,%ebp.fuzz"
        ),
        _ => format!("ours/{target}/honggfuzz/{name}"),
    })
}

fn lay(path: &Path, content: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

#[test]
#[ignore = "builds the replay worker with twelve faults; scripts/test runs it"]
fn twelve_faults_are_twelve_groups() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let root = root.canonicalize().unwrap();
    let sources = Sources::read(&root).unwrap();
    // The copy that `lab faults` plants faults in: most of it is built already.
    let builds = Project::open(Some(&root)).unwrap().builds("faults");
    let builds = builds.join("core-0");
    let copy = Copy::of(&sources, &builds).unwrap();
    for (fault, _) in faults() {
        let patch = format!("tools/lab/faults/{fault}.patch");
        copy.plant(&root.join(patch)).unwrap();
    }

    let finds = finds();
    let folder = tempfile::tempdir().unwrap();
    let (laid, out) = (folder.path().join("finds"), folder.path().join("out"));
    let mut truth: BTreeMap<String, &Known> = BTreeMap::new();
    for (nth, find) in finds.iter().enumerate() {
        lay(&place(&laid, nth, find), &find.content);
        truth.insert(content_name(&find.content), find);
    }
    for target in ["fuzz_measure_calc", "fuzz_measure_image"] {
        let instance = laid.join("afl").join(target).join("default");
        lay(
            &instance.join("fuzzer_stats"),
            b"start_time        : 1790000000\n",
        );
        lay(&instance.join("crashes/README.txt"), b"Command line used\n");
        lay(
            &instance.join("queue/id:000000,time:0,execs:0,orig:seed"),
            b"x",
        );
    }
    let text = triage(3, &builds, &[&laid], &out);

    let report = Report::read(&out).expect("a report");
    assert_eq!(report.replayed, truth.len());
    assert!(report.troubles.is_empty(), "{:?}", report.troubles);
    assert_eq!(report.groups.len(), 12);
    let titles: BTreeSet<String> = report.groups.iter().map(|group| group.title()).collect();
    let faults: BTreeMap<_, _> = faults()
        .map(|(fault, group)| (group.to_owned(), fault))
        .collect();
    assert!(titles.iter().eq(faults.keys()), "{titles:?}");
    for group in &report.groups {
        assert_eq!(group.status, Status::Fails);
        let title = group.title();
        let fault = faults[&title];
        for input in &group.inputs {
            let shows = &truth[&input.find.name].faults;
            assert!(
                shows.contains(&fault),
                "{} is in {title:?} and shows {shows:?}",
                input.find.name
            );
        }
        let reproducer = group.reproducer.as_ref().unwrap();
        let file = out
            .join("regressions")
            .join(&group.target)
            .join(&reproducer.file);
        let content = fs::read(&file).unwrap();
        assert!(reproducer.complete && content.len() <= reproducer.original_size);
        // Without the faults it passes, so it can be kept as a regression.
        let target = targets::find(&group.target).unwrap();
        let verdict = replay(&SUBJECT, target, &content);
        assert!(
            matches!(verdict, Verdict::Pass | Verdict::Rejected { .. }),
            "{}: {verdict:?}",
            file.display()
        );
        assert!(text.contains(&title), "{text}");
    }
    let engines = report.groups.iter().flat_map(|group| group.engines.keys());
    let engines: BTreeSet<&str> = engines.map(String::as_str).collect();
    assert_eq!(engines, BTreeSet::from(["afl", "honggfuzz", "libfuzzer"]));

    // Again: the same groups, with the same reproducers, none of which is minimised again.
    triage(3, &builds, &[&laid], &out);
    assert_eq!(Report::read(&out).unwrap().groups, report.groups);

    // A find that passes is an error, and a group of its own beside the twelve.
    let passes = folder.path().join("passes/fuzz_measure_calc/crash-0");
    lay(&passes, &[0; 42]);
    let text = triage(1, &builds, &[&passes], &folder.path().join("alone"));
    assert!(text.contains("1 of the finds do not reproduce"), "{text}");
    triage(3, &builds, &[&laid, &passes], &out);
    let report = Report::read(&out).unwrap();
    assert_eq!(report.of(Status::Fails).count(), 12);
    assert_eq!(report.of(Status::Unreproduced).count(), 1);
}
