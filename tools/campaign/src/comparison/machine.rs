//! What a comparison ran on.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use procfs::{Current, CurrentSI, KernelStats, LoadAverage, Meminfo};
use report::{Load, Machine};

use super::contestant::{self, Contestant};
use crate::engine::Sanitizer;

/// The machine and the tools, as far as the system reports them; `jobs` is how many engines run at once.
pub fn describe(contestants: &[Contestant], cores: usize, jobs: usize) -> Machine {
    let mut tools = vec![("rustc".to_owned(), rustc(&[]))];
    if contestants
        .iter()
        .any(|one| one.sanitizer() == Sanitizer::Address)
    {
        let version = rustc(&["+nightly"]);
        tools.push(("rustc with AddressSanitizer".to_owned(), version));
    }
    for engine in contestant::engines(contestants) {
        let (package, version) = engine.front_end();
        tools.push((engine.title().to_owned(), format!("{package} {version}")));
    }
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let mut lines = processors.lines();
    let model = lines.find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    Machine {
        processor: model
            .map_or(std::env::consts::ARCH, |(_, name)| name)
            .to_owned(),
        cores,
        memory_bytes: Meminfo::current().map_or(0, |memory| memory.mem_total),
        virtualised: processors.contains(" hypervisor"),
        jobs,
        system: system(),
        tools,
    }
}

/// What the machine does during a trial.
#[derive(Debug)]
pub(super) struct LoadMeter {
    /// All time and stolen time at the start, in ticks of all cores; none where the system does not report it.
    start: Option<[u64; 2]>,
    loads: Vec<f64>,
}

impl LoadMeter {
    pub(super) fn start() -> Self {
        let (start, loads) = (ticks(), Vec::new());
        Self { start, loads }
    }

    pub(super) fn look(&mut self) {
        let load = LoadAverage::current();
        self.loads.extend(load.map(|load| f64::from(load.one)));
    }

    /// What it did so far; none without a look.
    pub(super) fn read(&self) -> Option<Load> {
        let stolen_percent = stolen_percent(self.start?, ticks()?);
        let looks = self.loads.len();
        (looks > 0).then(|| Load {
            average: self.loads.iter().sum::<f64>() / looks as f64,
            stolen_percent,
        })
    }
}

/// How much was stolen of the time that went by between two readings of [`ticks`].
fn stolen_percent(start: [u64; 2], now: [u64; 2]) -> f64 {
    let [all, stolen] = [0, 1].map(|which| now[which].saturating_sub(start[which]) as f64);
    100.0 * stolen / all.max(1.0)
}

/// All time and stolen time since the system's start.
fn ticks() -> Option<[u64; 2]> {
    let total = KernelStats::current().ok()?.total;
    let stolen = total.steal.unwrap_or(0);
    let busy = total.user
        + total.nice
        + total.system
        + total.irq.unwrap_or(0)
        + total.softirq.unwrap_or(0);
    Some([
        busy + total.idle + total.iowait.unwrap_or(0) + stolen,
        stolen,
    ])
}

/// The operating system and its version; empty when it is unknown.
pub(crate) fn system() -> String {
    first_line(Command::new("uname").args(["-s", "-r", "-m"]))
}

/// The version of a toolchain's compiler, the usual one without a name; empty when there is none.
pub(crate) fn rustc(toolchain: &[&str]) -> String {
    first_line(Command::new("rustc").args(toolchain).arg("--version"))
}

/// The commit of the project at `root`, with `-dirty` when something was changed since; empty without git.
pub(crate) fn commit(root: &Path) -> String {
    let mut git = Command::new("git");
    git.args(["describe", "--always", "--abbrev=12"]);
    git.args(["--exclude=*", "--dirty"]).current_dir(root);
    first_line(&mut git)
}

/// The first line that a command prints; empty when it cannot be run.
fn first_line(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output();
    let text = output.map(|output| output.stdout).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    text.lines().next().unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_load_is_the_mean_of_all_looks_and_there_is_none_without() {
        let mut meter = LoadMeter::start();
        assert_eq!(meter.read(), None);
        meter.look();
        assert_eq!(meter.loads.len(), 1);
        meter.loads = vec![1.0, 4.0];
        let load = meter.read().expect("this system reports its time");
        assert_eq!(load.average, 2.5);
        assert_eq!(stolen_percent([100, 10], [500, 110]), 25.0);
        assert_eq!(stolen_percent([100, 10], [100, 10]), 0.0);
    }
}
