//! What each input reached, from how the counters grew.

use std::io;
use std::path::Path;

use super::{
    BLOCK, PROBES_VARIABLE, PROFILE_VARIABLE, Probes, Profile, REPORT_VARIABLE, Snapshot, invalid,
};

/// What is told about an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    /// The probes that no earlier input reached.
    New,
    /// Every probe that the input reached.
    All,
    /// Every probe that the input reached, and how often it was executed.
    Counts,
}

/// How an input's run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Every function was left the ordinary way: all probes count.
    Returned,
    /// By unwinding or in the middle of things: only additive probes count, because a function that was
    /// entered and not left looks as if it had taken the branch that has no counter of its own.
    Midway,
}

/// Watches, input by input, which probes are reached.
///
/// Counters are not set back after an input: what it did is what they have grown by, which costs one read of
/// them and no write. Only before an input that may be the last, [`start_again`](Self::start_again) makes them
/// zero, so that the profile of a process that dies holds what its last input reached and nothing else.
#[derive(Debug)]
pub struct Watch {
    profile: Profile,
    probes: Probes,
    report: Report,
    /// The counters after the latest input.
    now: Snapshot,
    /// The counters before it.
    before: Snapshot,
    /// For each counter from the snapshots' first on, the probes to look at when it grew: those whose sum
    /// grows with it. A probe without such a counter cannot be positive.
    candidates: Vec<Vec<usize>>,
    /// How many candidates the counters of each block have; a block without any need not be looked at.
    open: Vec<usize>,
    /// For each probe, the last input for which it was looked at.
    looked_at: Vec<u64>,
    /// Each probe's sum when it was last looked at.
    sums: Vec<i64>,
    input: u64,
    grown: Vec<usize>,
    reached: Vec<usize>,
}

impl Watch {
    /// Starts watching this process with all watched counters at zero; `profile` is the file that the
    /// runtime keeps this process's counters in.
    ///
    /// # Errors
    /// As [`Profile::open`]; [`io::ErrorKind::InvalidData`] when a probe uses a counter that is not there.
    pub fn start(profile: &Path, probes: Probes, report: Report) -> io::Result<Self> {
        let profile = Profile::open(profile)?;
        let range = probes.counters();
        if range.end > profile.counters() {
            return Err(invalid("the probes were made for another binary"));
        }
        let mut candidates = vec![Vec::new(); range.len()];
        let mut open = vec![0; range.len().div_ceil(BLOCK)];
        for probe in 0..probes.len() {
            for counter in probes.growing_with(probe) {
                let index = counter - range.start;
                candidates[index].push(probe);
                open[index / BLOCK] += 1;
            }
        }
        let mut watch = Self {
            looked_at: vec![0; probes.len()],
            sums: vec![0; probes.len()],
            profile,
            probes,
            report,
            now: Snapshot::new(range.clone()),
            before: Snapshot::new(range),
            candidates,
            open,
            input: 0,
            grown: Vec::new(),
            reached: Vec::new(),
        };
        watch.start_again()?;
        Ok(watch)
    }

    /// As [`start`](Self::start), with what the environment says; `None` when [`PROFILE_VARIABLE`] is not set.
    ///
    /// # Errors
    /// As [`start`](Self::start) and [`Probes::parse`]; [`io::ErrorKind::InvalidInput`] when another variable
    /// is missing or wrong; I/O errors.
    pub fn from_environment() -> io::Result<Option<Self>> {
        let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, what.to_owned());
        let Some(profile) = std::env::var_os(PROFILE_VARIABLE) else {
            return Ok(None);
        };
        let probes = std::env::var_os(PROBES_VARIABLE)
            .ok_or_else(|| wrong("REPLAY_PROFILE is set and REPLAY_PROBES is not"))?;
        let report = match std::env::var(REPORT_VARIABLE).as_deref() {
            Err(std::env::VarError::NotPresent) | Ok("new") => Report::New,
            Ok("all") => Report::All,
            Ok("counts") => Report::Counts,
            _ => return Err(wrong("REPLAY_REPORT is none of `new`, `all` and `counts`")),
        };
        let probes = Probes::parse(&std::fs::read_to_string(probes)?)?;
        Self::start(Path::new(&profile), probes, report).map(Some)
    }

    /// Sets the counters back to zero.
    ///
    /// # Errors
    /// I/O errors.
    pub fn start_again(&mut self) -> io::Result<()> {
        self.profile.reset(&mut self.now)
    }

    /// The probes to report for the input that just ended, in ascending order.
    ///
    /// # Errors
    /// I/O errors.
    pub fn after_input(&mut self, ended: Ended) -> io::Result<&[usize]> {
        std::mem::swap(&mut self.now, &mut self.before);
        self.profile.read(&mut self.now)?;
        self.now
            .changed_since(&self.before, &self.open, &mut self.grown);
        self.input += 1;
        self.reached.clear();
        let first = self.now.range.start;
        let grown_by = |place| self.now.value(place).wrapping_sub(self.before.value(place));
        for &counter in &self.grown {
            for &probe in &self.candidates[counter - first] {
                if self.looked_at[probe] == self.input {
                    continue;
                }
                self.looked_at[probe] = self.input;
                let counts = ended == Ended::Returned || self.probes.is_additive(probe);
                self.sums[probe] = self.probes.sum(probe, grown_by);
                if counts && self.sums[probe] > 0 {
                    self.reached.push(probe);
                }
            }
        }
        self.reached.sort_unstable();
        if self.report == Report::New {
            self.close_reached();
        }
        Ok(&self.reached)
    }

    /// From now on, looks no more at the probes that are reached.
    fn close_reached(&mut self) {
        for &probe in &self.reached {
            for counter in self.probes.growing_with(probe) {
                let index = counter - self.now.range.start;
                self.candidates[index].retain(|&candidate| candidate != probe);
                self.open[index / BLOCK] -= 1;
            }
        }
    }

    /// [`after_input`](Self::after_input) as text, at the end of `line`: the numbers with a blank between them,
    /// and with [`Report::Counts`] each with a colon and how often it was executed.
    ///
    /// # Errors
    /// I/O errors.
    pub fn tell_after_input(&mut self, ended: Ended, line: &mut Vec<u8>) -> io::Result<()> {
        self.after_input(ended)?;
        for (index, &probe) in self.reached.iter().enumerate() {
            if index > 0 {
                line.push(b' ');
            }
            push_number(line, probe as u64);
            if self.report == Report::Counts {
                line.push(b':');
                push_number(line, self.sums[probe].unsigned_abs());
            }
        }
        Ok(())
    }
}

/// Appends `number` in decimal. A worker writes hundreds of them an input, which the formatting of the standard
/// library makes the larger part of its time.
fn push_number(line: &mut Vec<u8>, number: u64) {
    let start = line.len();
    let mut rest = number;
    loop {
        line.push(b'0' + (rest % 10) as u8);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    line[start..].reverse();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_decimal() {
        for number in [0, 7, 10, 1060, u64::MAX] {
            let mut line = b"x".to_vec();
            push_number(&mut line, number);
            assert_eq!(line, format!("x{number}").into_bytes());
        }
    }
}
