//! Ctrl-C stops a run cleanly, and neither that nor SIGKILL loses anything.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::tool::{alone, ended, example, on_example, processes_of, wait_for};
use campaign::corpus::content_name;
use rustix::process::{Pid, Signal, kill_process};

const TARGET: &str = "fuzz_measure_calc";

fn start(time: &str) -> Child {
    on_example(&["run", "--engine", "honggfuzz", TARGET, "--time", time])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn files_in(folder: &Path) -> usize {
    fs::read_dir(folder).map_or(0, Iterator::count)
}

/// A run that has kept some inputs, which no earlier one has; its folder, and that of the corpus.
fn run() -> (Child, PathBuf, PathBuf) {
    let folder = example().join("results/run").join(TARGET).join("honggfuzz");
    let corpus = example().join("results/corpus").join(TARGET);
    for earlier in [&corpus, &folder] {
        let _ = fs::remove_dir_all(earlier);
    }
    let child = start("10m");
    wait_for("inputs kept by honggfuzz", Duration::from_secs(900), || {
        files_in(&folder.join("output")) > 20
    });
    (child, folder, corpus)
}

#[test]
#[ignore = "needs the engines; scripts/test runs it"]
fn a_killed_run_leaves_no_engine_and_loses_no_input() {
    let _alone = alone();
    let (mut child, folder, corpus) = run();
    child.kill().unwrap();
    child.wait().unwrap();
    wait_for("no engine is left", Duration::from_secs(10), || {
        processes_of(&folder) == 0
    });
    let kept: Vec<_> = fs::read_dir(folder.join("output"))
        .unwrap()
        .map(|entry| fs::read(entry.unwrap().path()).unwrap())
        .collect();
    let text = ended(3, start("1s").wait_with_output().unwrap());
    assert!(text.contains("of a run that did not end"), "{text}");
    for content in kept {
        assert!(corpus.join(content_name(&content)).is_file());
    }
}

#[test]
#[ignore = "needs the engines; scripts/test runs it"]
fn ctrl_c_stops_the_engine_and_keeps_what_it_found() {
    let _alone = alone();
    let (child, folder, corpus) = run();
    let kept = files_in(&folder.join("output"));

    let text = ended(1, start("1s").wait_with_output().unwrap());
    assert!(text.contains("another run is under way"), "{text}");

    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    let asked = Instant::now();
    kill_process(pid, Signal::INT).unwrap();
    // This library's mistake is found at once, so there are finds.
    let text = ended(3, child.wait_with_output().unwrap());
    let took = asked.elapsed();
    assert!(took < Duration::from_secs(60), "it took {took:?}");
    assert!(text.contains("everything found so far is kept"), "{text}");
    assert!(files_in(&corpus) >= kept, "{} of {kept}", files_in(&corpus));
}
