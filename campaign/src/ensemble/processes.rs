//! The processes of an ensemble: the processor time that they used, and a record of them on disk, so that a
//! run that follows one that was killed can end what was left running.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process_group};

/// How long a process that was left behind may take to end by itself before it is killed.
const GRACE: Duration = Duration::from_secs(3);

/// What the system says of a process (`proc_pid_stat(5)`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    parent: u32,
    group: u32,
    /// Its own time and that of its ended children, in ticks.
    ticks: u64,
    /// When it started, in ticks since the system did: with the number it names one process for good.
    started: u64,
}

impl Stat {
    fn parse(text: &str) -> Option<Self> {
        // The second field is the program's name in parentheses, and may itself have blanks and parentheses.
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        // The manual counts from 1, and the first field here is the third.
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        Some(Self {
            parent: u32::try_from(number(4)?).ok()?,
            group: u32::try_from(number(5)?).ok()?,
            ticks: number(14)? + number(15)? + number(16)? + number(17)?,
            started: number(22)?,
        })
    }

    fn of(process: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
    }
}

/// All processes at a moment.
#[derive(Debug)]
pub struct Processes(BTreeMap<u32, Stat>);

impl Processes {
    /// Those of now; none on a system without `/proc`.
    #[must_use]
    pub fn now() -> Self {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        Self(
            numbers
                .filter_map(|process| Some((process, Stat::of(process)?)))
                .collect(),
        )
    }

    /// The processor time of `root` and all below it, ended ones included.
    #[must_use]
    pub fn time_below(&self, root: u32) -> Duration {
        let ticks_a_second = rustix::param::clock_ticks_per_second().max(1);
        let ticks: u64 = self
            .0
            .iter()
            .filter(|(process, _)| self.is_below(**process, root))
            .map(|(_, stat)| stat.ticks)
            .sum();
        Duration::from_millis(ticks * 1000 / ticks_a_second)
    }

    /// When the first of a group's processes that still run started.
    fn first_of(&self, group: u32) -> Option<u64> {
        let of_group = self.0.values().filter(|stat| stat.group == group);
        of_group.map(|stat| stat.started).min()
    }

    fn is_below(&self, mut process: u32, root: u32) -> bool {
        // A chain of parents is finite; a snapshot that is not of one moment might have a ring.
        for _ in 0..100 {
            if process == root {
                return true;
            }
            match self.0.get(&process) {
                Some(stat) => process = stat.parent,
                None => return false,
            }
        }
        false
    }
}

/// Writes down which groups of processes run, each with when its first process started.
///
/// # Errors
/// When the file cannot be written.
pub fn record(file: &Path, groups: &[u32]) -> Result<()> {
    let processes = Processes::now();
    let lines = groups.iter().filter_map(|&group| {
        let started = processes.first_of(group)?;
        Some(format!("{group} {started}\n"))
    });
    let text: String = lines.collect();
    fs::write(file, text).with_context(|| format!("{} cannot be written", file.display()))
}

/// Ends the groups of processes in a record that still run, and takes the record away. Returns how many there
/// were.
///
/// # Errors
/// When the record cannot be removed.
pub fn end_left_behind(file: &Path) -> Result<usize> {
    let Ok(text) = fs::read_to_string(file) else {
        return Ok(0);
    };
    let recorded = text.lines().filter_map(|line| {
        let (group, started) = line.split_once(' ')?;
        Some((group.parse().ok()?, started.parse().ok()?))
    });
    let recorded: Vec<(u32, u64)> = recorded.collect();
    // A number is given again only when nobody has it any more: then its first process started later, by much
    // more than what a program takes to start another.
    let running = || {
        let processes = Processes::now();
        let is_running = |&&(group, started): &&(u32, u64)| {
            let first = processes.first_of(group);
            match processes.0.get(&group) {
                Some(leader) => leader.started == started,
                None => first.is_some_and(|first| first >= started),
            }
        };
        recorded
            .iter()
            .filter(is_running)
            .copied()
            .collect::<Vec<_>>()
    };
    let left = running();
    let all = |signal| {
        for (group, _) in running() {
            if let Some(group) = i32::try_from(group).ok().and_then(Pid::from_raw) {
                // It may have ended just now.
                let _ = kill_process_group(group, signal);
            }
        }
    };
    all(Signal::INT);
    // One that was stopped to wait for its turn ends when it goes on.
    all(Signal::CONT);
    let asked = Instant::now();
    while !running().is_empty() && asked.elapsed() < GRACE {
        sleep(Duration::from_millis(50));
    }
    all(Signal::KILL);
    fs::remove_file(file).with_context(|| format!("{} cannot be removed", file.display()))?;
    Ok(left.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    #[test]
    fn a_line_of_the_system_is_read_whatever_the_program_is_called() {
        let line = "17 (a (b) c) S 3 17 17 0 -1 0 0 0 0 0 5 6 7 8 20 0 1 0 999 1 2";
        let expected = Stat {
            parent: 3,
            group: 17,
            ticks: 26,
            started: 999,
        };
        assert_eq!(Stat::parse(line), Some(expected));
        assert_eq!(Stat::parse("17 (a"), None);
    }

    #[test]
    fn time_is_added_up_over_a_family() {
        let stat = |parent, ticks| Stat {
            parent,
            group: 0,
            ticks,
            started: 0,
        };
        let family = [
            (1, stat(0, 1000)),
            (5, stat(1, 10)),
            (6, stat(5, 20)),
            (7, stat(6, 30)),
        ];
        let processes = Processes(family.into());
        let second = rustix::param::clock_ticks_per_second();
        let time = |ticks: u64| Duration::from_millis(ticks * 1000 / second);
        assert_eq!(processes.time_below(5), time(60));
        assert_eq!(processes.time_below(7), time(30));
        assert_eq!(processes.time_below(8), Duration::ZERO);
    }

    #[test]
    fn a_process_that_was_left_behind_is_ended_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("processes");
        let start = || {
            Command::new("sleep")
                .arg("60")
                .process_group(0)
                .spawn()
                .unwrap()
        };
        let (mut left, mut other) = (start(), start());
        record(&file, &[left.id()]).unwrap();
        // The other's number with another time of start: a number that was given again.
        let mut text = fs::read_to_string(&file).unwrap();
        text.push_str(&format!("{} 1\n", other.id()));
        fs::write(&file, text).unwrap();
        // A child that has ended is there until somebody waits for it.
        let waiting = std::thread::spawn(move || left.wait().unwrap());
        assert_eq!(end_left_behind(&file).unwrap(), 1);
        assert!(!waiting.join().unwrap().success());
        assert!(other.try_wait().unwrap().is_none());
        other.kill().unwrap();
        other.wait().unwrap();
        assert!(!file.exists());
        assert_eq!(end_left_behind(&file).unwrap(), 0);
    }
}
