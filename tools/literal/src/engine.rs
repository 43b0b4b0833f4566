//! How many executions a second of CPU time takes under libFuzzer.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use fs_err as fs;
use serde::Serialize;

use literal::corpora::root;

/// The two harnesses under libFuzzer, medians over the rounds.
#[derive(Debug, Serialize)]
pub(crate) struct Speeds {
    pub(crate) per_cpu_second: f64,
    pub(crate) literal_per_cpu_second: f64,
    pub(crate) ratio: f64,
}

/// Builds both targets and runs them in turn, each from its inputs for `time` seconds.
pub(crate) fn measure(pair: [(&str, &Vec<Vec<u8>>); 2], time: u32, rounds: u32) -> Result<Speeds> {
    let binaries = [
        build("libfuzzer-targets", pair[0].0)?,
        build("tools/literal", pair[1].0)?,
    ];
    let mut speeds = [Vec::new(), Vec::new()];
    for round in 0..rounds as usize {
        for which in [round % 2, 1 - round % 2] {
            speeds[which].push(run(&binaries[which], pair[which].1, time)?);
        }
    }
    let ratios = speeds[0]
        .iter()
        .zip(&speeds[1])
        .map(|(ours, literal)| ours / literal);
    let ratio = median(ratios.collect());
    let [per_cpu_second, literal_per_cpu_second] = speeds.map(median);
    Ok(Speeds {
        per_cpu_second,
        literal_per_cpu_second,
        ratio,
    })
}

fn build(folder: &str, target: &str) -> Result<PathBuf> {
    let builds = root().join("target/campaign/libfuzzer");
    let mut cargo = Command::new("cargo");
    cargo
        .args(["fuzz", "build", "--fuzz-dir", folder, "--sanitizer", "none"])
        .args((folder != "libfuzzer-targets").then_some("--features=libfuzzer"))
        .arg("--target-dir")
        .args([&*builds, target.as_ref()])
        .current_dir(root());
    ensure!(cargo.status()?.success(), "{target} cannot be built");
    let triples = fs::read_dir(&builds)?.flatten();
    let mut binaries = triples.map(|triple| triple.path().join("release").join(target));
    binaries
        .find(|binary| binary.is_file())
        .context("the build left no binary")
}

/// Executions per second of CPU time of one run.
fn run(binary: &PathBuf, inputs: &[Vec<u8>], time: u32) -> Result<f64> {
    let folder = tempfile::tempdir()?;
    let [kept, seeds] = ["kept", "seeds"].map(|name| folder.path().join(name));
    fs::create_dir(&kept)?;
    fs::create_dir(&seeds)?;
    for (nth, input) in inputs.iter().enumerate() {
        fs::write(seeds.join(nth.to_string()), input)?;
    }
    let longest = inputs.iter().map(Vec::len).max().unwrap_or_default();
    let mut fuzzer = Command::new(binary);
    fuzzer
        .arg(format!("-max_total_time={time}"))
        .arg(format!("-max_len={longest}"))
        .args(["-print_final_stats=1", "-rss_limit_mb=0", "-seed=1"])
        .args([&kept, &seeds])
        .current_dir(folder.path());
    let before = cpu_of_children()?;
    let output = fuzzer.output()?;
    let seconds = cpu_of_children()? - before;
    let log = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{} failed:\n{log}",
        binary.display()
    );
    let executed = log.split_once("stat::number_of_executed_units:");
    let executed = executed.and_then(|(_, rest)| rest.split_whitespace().next());
    Ok(executed
        .context("libFuzzer printed no number")?
        .parse::<f64>()?
        / seconds)
}

/// The CPU time of all child processes that have ended, in seconds.
fn cpu_of_children() -> Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields = stat
        .rsplit_once(')')
        .context("no command")?
        .1
        .split_whitespace();
    // cutime and cstime, in hundredths on every Linux that Rust runs on: proc_pid_stat(5).
    let ticks = fields.skip(13).take(2).map(str::parse::<f64>);
    Ok(ticks.sum::<Result<f64, _>>()? / 100.0)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
