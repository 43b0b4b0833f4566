//! Processor time of processes and of all below them, as the system counts it.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

/// What the system counts of a process (`proc_pid_stat(5)`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    parent: u32,
    /// Its own time and that of its ended children, in ticks.
    ticks: u64,
}

impl Stat {
    fn parse(text: &str) -> Option<Self> {
        // The second field is the program's name in parentheses, and may itself have blanks and parentheses.
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        // The manual counts from 1, and the first field here is the third.
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        Some(Self {
            parent: u32::try_from(number(4)?).ok()?,
            ticks: number(14)? + number(15)? + number(16)? + number(17)?,
        })
    }
}

/// The numbers of all processes; none on a system without `/proc`.
pub(super) fn pids() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The processor time of all processes at a moment.
#[derive(Debug)]
pub struct Times(BTreeMap<u32, Stat>);

impl Times {
    /// Those of now; none on a system without `/proc`.
    #[must_use]
    pub fn now() -> Self {
        let stat = |pid: u32| {
            let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            Some((pid, Stat::parse(&text)?))
        };
        Self(pids().filter_map(stat).collect())
    }

    /// The processor time of `root` and all below it, ended ones included.
    pub(super) fn below(&self, root: u32) -> Duration {
        let ticks_a_second = rustix::param::clock_ticks_per_second().max(1);
        let ticks: u64 = self
            .0
            .iter()
            .filter(|(process, _)| self.is_below(**process, root))
            .map(|(_, stat)| stat.ticks)
            .sum();
        Duration::from_millis(ticks * 1000 / ticks_a_second)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_system_is_read_whatever_the_program_is_called() {
        let line = "17 (a (b) c) S 3 17 17 0 -1 0 0 0 0 0 5 6 7 8 20 0 1 0 999 1 2";
        let (parent, ticks) = (3, 26);
        assert_eq!(Stat::parse(line), Some(Stat { parent, ticks }));
        assert_eq!(Stat::parse("17 (a"), None);
    }

    #[test]
    fn time_is_added_up_over_a_family() {
        let stat = |parent, ticks| Stat { parent, ticks };
        let family = [(1, 0, 1000), (5, 1, 10), (6, 5, 20), (7, 6, 30)];
        let family = family.map(|(pid, parent, ticks)| (pid, stat(parent, ticks)));
        let times = Times(family.into());
        let second = rustix::param::clock_ticks_per_second();
        let time = |ticks: u64| Duration::from_millis(ticks * 1000 / second);
        assert_eq!(times.below(5), time(60));
        assert_eq!(times.below(7), time(30));
        assert_eq!(times.below(8), Duration::ZERO);
    }
}
