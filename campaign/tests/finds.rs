//! A find of any engine fails in a replay with the same check, without the engine.
//!
//! The code under test is that of `examples/other-subject`, which has a mistake for each target. These
//! tests build it for the three engines and fuzz it, so they need the engines: `scripts/test` runs
//! them, with `cargo test --package campaign --test finds -- --ignored`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn campaign(arguments: &[&str]) -> Output {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/other-subject");
    Command::new(env!("CARGO_BIN_EXE_campaign"))
        .arg("--project")
        .arg(example)
        .args(arguments)
        .output()
        .expect("campaign runs")
}

fn text(output: &Output) -> String {
    format!(
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// The file that a run says reproduces `check`.
fn find_of(check: &str, said: &str) -> PathBuf {
    said.lines()
        .skip_while(|line| !line.starts_with(&format!("FIND {check}:")))
        .find_map(|line| {
            line.trim()
                .strip_prefix("reproduce: cargo campaign replay ")
        })
        .unwrap_or_else(|| panic!("no find of {check} in:\n{said}"))
        .into()
}

fn finds_and_replays(engine: &str, target: &str, check: &str) {
    let run = campaign(&[
        "run",
        "--engine",
        engine,
        target,
        "--time",
        "10s",
        "--sanitizer",
        "none",
        "--seeds-only",
    ]);
    let said = text(&run);
    assert_eq!(run.status.code(), Some(3), "{engine} on {target}: {said}");
    let find = find_of(check, &said);
    let folder = format!("work/finds/{target}/{engine}");
    assert!(
        find.parent().is_some_and(|parent| parent.ends_with(folder)),
        "{}",
        find.display()
    );

    let replay = campaign(&["replay", find.to_str().unwrap()]);
    let said = text(&replay);
    assert_eq!(replay.status.code(), Some(3), "{said}");
    assert!(said.contains(&format!("check: {check}\n")), "{said}");
    assert!(
        said.contains("  case: ") && said.contains("  as Rust:\n"),
        "{said}"
    );
}

fn every_engine_finds(target: &str, check: &str) {
    for engine in ["afl", "libfuzzer", "honggfuzz"] {
        finds_and_replays(engine, target, check);
    }
}

#[test]
#[ignore = "needs the three engines; scripts/test runs it"]
fn a_wrong_calculator_is_found_by_every_engine() {
    every_engine_finds("fuzz_measure_calc", "calc.raw_covers_virtual_size");
}

#[test]
#[ignore = "needs the three engines; scripts/test runs it"]
fn a_wrong_scanner_is_found_by_every_engine() {
    every_engine_finds("fuzz_measure_scan", "scan.reads_inside_the_device");
}
