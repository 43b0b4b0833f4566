//! Ctrl-C stops a run cleanly, and neither that nor SIGKILL loses anything.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use campaign::corpus::content_name;
use rustix::process::{Pid, Signal, kill_process};

const TARGET: &str = "fuzz_measure_calc";

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../subjects/example")
}

fn start(time: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_campaign"))
        .arg("--project")
        .arg(example())
        .args(["run", "--engine", "honggfuzz", TARGET, "--time", time])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn wait_for(what: &str, within: Duration, mut is_there: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_there() {
        assert!(start.elapsed() < within, "{what}: not within {within:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn files_in(folder: &Path) -> usize {
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

/// One test at a time: they run in one folder.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many processes have `folder` in their command lines.
fn processes_of(folder: &Path) -> usize {
    let folder = folder.canonicalize().unwrap().display().to_string();
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let arguments = processes.map(|process| std::fs::read(process.path().join("cmdline")));
    arguments
        .filter(|text| {
            String::from_utf8_lossy(text.as_deref().unwrap_or_default()).contains(&folder)
        })
        .count()
}

#[test]
#[ignore = "needs the engines; scripts/test runs it"]
fn a_killed_run_leaves_no_engine_and_loses_no_input() {
    let _alone = alone();
    let run_folder = example().join("results/run").join(TARGET).join("honggfuzz");
    let corpus = example().join("results/corpus").join(TARGET);
    // So that there is something to find, and so that it is of this run.
    let _ = std::fs::remove_dir_all(&corpus);
    let _ = std::fs::remove_dir_all(&run_folder);
    let mut child = start("10m");
    wait_for("inputs kept by honggfuzz", Duration::from_secs(300), || {
        files_in(&run_folder.join("output")) > 20
    });
    child.kill().unwrap();
    child.wait().unwrap();
    wait_for("no engine is left", Duration::from_secs(10), || {
        processes_of(&run_folder) == 0
    });
    let kept: Vec<_> = std::fs::read_dir(run_folder.join("output"))
        .unwrap()
        .map(|entry| std::fs::read(entry.unwrap().path()).unwrap())
        .collect();
    let next = start("1s").wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&next.stderr);
    assert_eq!(next.status.code(), Some(3), "{said}");
    assert!(said.contains("of a run that did not end"), "{said}");
    for content in kept {
        assert!(corpus.join(content_name(&content)).is_file());
    }
}

#[test]
#[ignore = "needs the engines; scripts/test runs it"]
fn ctrl_c_stops_the_engine_and_keeps_what_it_found() {
    let _alone = alone();
    let run_folder = example().join("results/run").join(TARGET).join("honggfuzz");
    let corpus = example().join("results/corpus").join(TARGET);
    // What an earlier run kept there does not show that this one has begun.
    let _ = std::fs::remove_dir_all(&run_folder);
    let child = start("10m");
    wait_for("inputs kept by honggfuzz", Duration::from_secs(300), || {
        files_in(&run_folder.join("output")) > 20
    });
    let kept = files_in(&run_folder.join("output"));

    let second = start("1s").wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains("another run is under way"), "{said}");

    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    let asked = Instant::now();
    kill_process(pid, Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        asked.elapsed() < Duration::from_secs(60),
        "it took {:?}",
        asked.elapsed()
    );
    assert!(said.contains("everything found so far is kept"), "{said}");
    // This library's mistake is found at once, so there are finds.
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(files_in(&corpus) >= kept, "{} of {kept}", files_in(&corpus));
}
