//! A process that reads, and sets back, its own coverage counters.
//!
//! A binary built with `-C instrument-coverage` has a counter for (nearly) every branch of its source.
//! Built with `-C llvm-args=-runtime-counter-relocation` as well, and started with a `%c` in
//! `LLVM_PROFILE_FILE`, LLVM's runtime maps the profile file and keeps the counters *in it* (continuous
//! mode, `compiler-rt/lib/profile/InstrProfilingFile.c`). Plain reads of that file then see what has
//! just been executed, and zeros written to it set the counters back: no linking against the runtime,
//! and a crash or a kill loses nothing.
//!
//! - [`Profile`] is such a file: where its counters are, and whose.
//! - [`Probes`] are sums of counters, each of which is positive exactly when some source region was
//!   executed. They are computed elsewhere: this module knows nothing of source code. Counters alone
//!   would not do, for the compiler leaves out those that follow from others: an `else` is often counted
//!   as "entered, less those who took the `if`".
//! - [`Watch`] is what a replaying process holds: after each input it says which probes the input reached,
//!   from what the counters have grown by.
//!
//! The layout read here is that of raw profiles of version 10 (rustc 1.95, LLVM 22), little-endian, 64 bits:
//! `INSTR_PROF_RAW_HEADER` and `INSTR_PROF_DATA` in LLVM's `compiler-rt/include/profile/InstrProfData.inc`,
//! and `RawInstrProfReader` in its `llvm/lib/ProfileData/InstrProfReader.cpp`. Another version is an error.

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

mod watch;

pub use watch::{Ended, Report, Watch};

/// Environment variable: the profile file that LLVM's runtime keeps the counters in. Set together with
/// [`PROBES_VARIABLE`]; `LLVM_PROFILE_FILE` must name the same file, with a `%c` that disappears.
pub const PROFILE_VARIABLE: &str = "REPLAY_PROFILE";
/// Environment variable: the file of probes, as [`Probes::parse`] reads it.
pub const PROBES_VARIABLE: &str = "REPLAY_PROBES";
/// Environment variable: [`Report::New`] when it is `new` or not set, [`Report::All`] when it is `all`,
/// [`Report::Counts`] when it is `counts`.
pub const REPORT_VARIABLE: &str = "REPLAY_REPORT";

/// The first field of the header: 0xff, `lprofr`, 0x81 (a 64-bit profile).
const MAGIC: u64 = 0xff6c_7072_6f66_7281;
/// The format's version; the upper bits of the field are flags, and one of them makes counters bytes.
const VERSION: u64 = 10;
/// The header's length in bytes: 16 fields.
const HEADER_BYTES: usize = 16 * 8;
/// The length in bytes of one function's record.
const RECORD_BYTES: usize = 64;
/// The length of a counter in bytes.
const COUNTER_BYTES: usize = 8;
/// How many counters are compared at once.
const BLOCK: usize = 16;

/// The profile file in which a running (or dead) process keeps its counters.
#[derive(Debug)]
pub struct Profile {
    file: File,
    records_at: u64,
    records: usize,
    counters_at: u64,
    counters: usize,
    /// Distance in the process's memory from the first function record to the first counter.
    counters_delta: u64,
}

/// Which counters are one function's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionCounters {
    /// The first half of the MD5 of the function's name, as coverage maps have it. A name can occur more than
    /// once: every copy that the linker kept has counters of its own.
    pub name_hash: u64,
    /// Tells versions of the function apart, as coverage maps do.
    pub structure_hash: u64,
    /// The function's counters, by their place in the profile.
    pub counters: Range<usize>,
}

impl Profile {
    /// Opens a profile for reading and resetting, and checks its header.
    ///
    /// # Errors
    /// I/O errors; [`io::ErrorKind::InvalidData`] when the file is not a raw profile of the known version
    /// or too short for what its header says. An empty file is what a process leaves that was not built
    /// for continuous mode.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let length = file.metadata()?.len();
        if length == 0 {
            return Err(invalid(
                "the profile is empty: the process was not built for, or not started in, continuous mode",
            ));
        }
        if length < HEADER_BYTES as u64 {
            return Err(invalid("the profile is shorter than its header"));
        }
        let mut header = [0; HEADER_BYTES];
        file.read_exact_at(&mut header, 0)?;
        let field = |index| word(&header, index);
        if field(0) != MAGIC {
            return Err(invalid("not a raw profile of 64 bits, little-endian"));
        }
        if field(1) != VERSION {
            return Err(invalid(format!(
                "raw profile of version {:#x}, where {VERSION:#x} was expected",
                field(1)
            )));
        }
        let (binary_ids, records, padding, counters) = (field(2), field(3), field(4), field(5));
        let layout = || -> Option<(u64, u64, u64)> {
            let records_at = binary_ids.checked_add(HEADER_BYTES as u64)?;
            let counters_at = records
                .checked_mul(RECORD_BYTES as u64)?
                .checked_add(records_at)?
                .checked_add(padding)?;
            let end = counters
                .checked_mul(COUNTER_BYTES as u64)?
                .checked_add(counters_at)?;
            Some((records_at, counters_at, end))
        };
        let (records_at, counters_at, end) =
            layout().ok_or_else(|| invalid("the profile's header does not add up"))?;
        if end > length {
            return Err(invalid("the profile is shorter than its header says"));
        }
        Ok(Self {
            file,
            records_at,
            records: to_usize(records)?,
            counters_at,
            counters: to_usize(counters)?,
            counters_delta: field(10),
        })
    }

    /// How many counters the process has.
    #[must_use]
    pub const fn counters(&self) -> usize {
        self.counters
    }

    /// Whose counters are where.
    ///
    /// # Errors
    /// I/O errors; [`io::ErrorKind::InvalidData`] when a function's counters are not in the file.
    pub fn functions(&self) -> io::Result<Vec<FunctionCounters>> {
        let mut bytes = vec![0; self.records * RECORD_BYTES];
        self.file.read_exact_at(&mut bytes, self.records_at)?;
        let records = bytes.chunks_exact(RECORD_BYTES).enumerate();
        records
            .map(|(index, record)| {
                // The pointer is relative to the record that holds it, the delta to the first record.
                let from_record = word(record, 2).wrapping_add((index * RECORD_BYTES) as u64);
                let start = to_usize(from_record.wrapping_sub(self.counters_delta))?;
                let first = start / COUNTER_BYTES;
                let count = (word(record, 6) & u64::from(u32::MAX)) as usize;
                let outside = count > self.counters || first > self.counters - count;
                if !start.is_multiple_of(COUNTER_BYTES) || outside {
                    return Err(invalid("a function's counters are outside the profile"));
                }
                Ok(FunctionCounters {
                    name_hash: word(record, 0),
                    structure_hash: word(record, 1),
                    counters: first..first + count,
                })
            })
            .collect()
    }

    /// Reads the counters of the snapshot's range as they are now.
    ///
    /// # Errors
    /// I/O errors, as when the range reaches past the end of the file.
    pub fn read(&self, snapshot: &mut Snapshot) -> io::Result<()> {
        let position = self.position(&snapshot.range);
        self.file.read_exact_at(&mut snapshot.bytes, position)
    }

    /// Sets the counters of the snapshot's range to zero, and the snapshot as well.
    ///
    /// # Errors
    /// I/O errors; [`io::ErrorKind::InvalidInput`] when the range is not inside [`counters`](Self::counters):
    /// something else would be overwritten.
    pub fn reset(&self, snapshot: &mut Snapshot) -> io::Result<()> {
        if snapshot.range.end > self.counters {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        snapshot.bytes.fill(0);
        let position = self.position(&snapshot.range);
        self.file.write_all_at(&snapshot.bytes, position)
    }

    const fn position(&self, range: &Range<usize>) -> u64 {
        self.counters_at + (range.start * COUNTER_BYTES) as u64
    }
}

/// The values that a range of counters had at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    range: Range<usize>,
    /// The counters as they are in the file.
    bytes: Vec<u8>,
}

impl Snapshot {
    /// Zeros, for the counters of `range`.
    #[must_use]
    pub fn new(range: Range<usize>) -> Self {
        Self {
            bytes: vec![0; range.len() * COUNTER_BYTES],
            range,
        }
    }

    /// The value of the counter at `place`.
    ///
    /// # Panics
    /// When the place is outside the range.
    #[must_use]
    pub fn value(&self, place: usize) -> u64 {
        word(&self.bytes, place - self.range.start)
    }

    /// Puts the places of all counters that are not what they were in `earlier`, a snapshot of the same range,
    /// into `places`, in ascending order. Blocks of [`BLOCK`] counters for which `open` has 0 are passed over.
    ///
    /// Few counters change; a block of others costs a comparison. That matters because this code, being in the
    /// process that is measured, is itself slowed down by a counter for each of its branches.
    fn changed_since(&self, earlier: &Self, open: &[usize], places: &mut Vec<usize>) {
        const BLOCK_BYTES: usize = BLOCK * COUNTER_BYTES;
        places.clear();
        let now = self.bytes.chunks(BLOCK_BYTES);
        let blocks = now.zip(earlier.bytes.chunks(BLOCK_BYTES)).zip(open);
        for (number, ((now, before), &open)) in blocks.enumerate() {
            if open == 0 || now == before {
                continue;
            }
            let first = self.range.start + number * BLOCK;
            for index in 0..now.len() / COUNTER_BYTES {
                if word(now, index) != word(before, index) {
                    places.push(first + index);
                }
            }
        }
    }
}

/// A sum of counters, each with its factor, that is positive exactly when something was executed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Probe {
    /// Counters by their place in the profile, each with its factor, which is not 0.
    pub terms: Vec<(u32, i32)>,
}

impl Probe {
    /// Whether the sum has no negative factor. Such a probe is right at any moment; one with a difference
    /// in it is right only when every function that was entered has been left the ordinary way.
    #[must_use]
    pub fn is_additive(&self) -> bool {
        self.terms.iter().all(|&(_, factor)| factor > 0)
    }
}

/// Numbered [`Probe`]s, laid out to be evaluated tens of thousands of times a second.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Probes {
    terms: Vec<(u32, i32)>,
    /// Each probe's end in `terms`, and whether it is additive.
    probes: Vec<(usize, bool)>,
}

impl FromIterator<Probe> for Probes {
    fn from_iter<I: IntoIterator<Item = Probe>>(probes: I) -> Self {
        let mut all = Self::default();
        for probe in probes {
            all.terms.extend_from_slice(&probe.terms);
            all.probes.push((all.terms.len(), probe.is_additive()));
        }
        all
    }
}

impl Probes {
    /// Reads probes, one a line and numbered from 0: `counter:factor` with a blank between terms.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] naming the line that is not so.
    pub fn parse(text: &str) -> io::Result<Self> {
        let term = |term: &str| -> Option<(u32, i32)> {
            let (counter, factor) = term.split_once(':')?;
            Some((counter.parse().ok()?, factor.parse().ok()?))
        };
        let lines = text.lines().enumerate();
        lines
            .map(|(index, line)| {
                let terms: Option<Vec<_>> = line.split(' ').map(term).collect();
                let terms =
                    terms.ok_or_else(|| invalid(format!("probe {index} is not one: {line:?}")))?;
                Ok(Probe { terms })
            })
            .collect()
    }

    /// The text that [`parse`](Self::parse) reads.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for probe in 0..self.len() {
            let terms: Vec<_> = self
                .terms(probe)
                .iter()
                .map(|(counter, factor)| format!("{counter}:{factor}"))
                .collect();
            text.push_str(&terms.join(" "));
            text.push('\n');
        }
        text
    }

    /// How many probes there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.probes.len()
    }

    /// Whether there is no probe.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.probes.is_empty()
    }

    /// The smallest range of counters that holds all those that probes use.
    #[must_use]
    pub fn counters(&self) -> Range<usize> {
        let places = || self.terms.iter().map(|&(counter, _)| counter as usize);
        places().min().unwrap_or(0)..places().max().map_or(0, |last| last + 1)
    }

    /// Whether `probe` is additive, see [`Probe::is_additive`].
    #[must_use]
    pub fn is_additive(&self, probe: usize) -> bool {
        self.probes[probe].1
    }

    /// Whether `probe`'s sum is positive over `snapshot`, which covers [`counters`](Self::counters).
    #[must_use]
    pub fn is_positive(&self, probe: usize, snapshot: &Snapshot) -> bool {
        self.sum(probe, |place| snapshot.value(place)) > 0
    }

    fn sum(&self, probe: usize, value: impl Fn(usize) -> u64) -> i64 {
        let mut sum: i64 = 0;
        for &(counter, factor) in self.terms(probe) {
            // Counts of one input are far below 2^63: a sum that wraps would need 10^18 steps.
            let value = value(counter as usize) as i64;
            sum = sum.wrapping_add(value.wrapping_mul(i64::from(factor)));
        }
        sum
    }

    /// The counters with which `probe`'s sum grows.
    fn growing_with(&self, probe: usize) -> impl Iterator<Item = usize> {
        let growing = self.terms(probe).iter().filter(|&&(_, factor)| factor > 0);
        growing.map(|&(counter, _)| counter as usize)
    }

    fn terms(&self, probe: usize) -> &[(u32, i32)] {
        let start = if probe == 0 {
            0
        } else {
            self.probes[probe - 1].0
        };
        &self.terms[start..self.probes[probe].0]
    }
}

/// The `index`-th little-endian u64 of `bytes`.
fn word(bytes: &[u8], index: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[index * 8..][..8]);
    u64::from_le_bytes(word)
}

fn to_usize(value: u64) -> io::Result<usize> {
    usize::try_from(value).map_err(|_| invalid("the profile's header does not add up"))
}

fn invalid(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

#[cfg(test)]
mod tests;
