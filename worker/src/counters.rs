//! A process that reads and resets its own coverage counters.
//!
//! A binary built with `-C instrument-coverage` counts how often most branches of its source are executed.
//! Built with `-C llvm-args=-runtime-counter-relocation` as well, and started with a `%c` in
//! `LLVM_PROFILE_FILE`, it keeps the counters in the profile file: LLVM's runtime maps that file (continuous
//! mode, `compiler-rt/lib/profile/InstrProfilingFile.c`). Ordinary reads of the file show what was just
//! executed, and zeros written to it reset the counters. This needs no link to the runtime. A crash or a kill
//! loses nothing, because the file stays.
//!
//! - [`Layout`] finds the sections of such a file.
//! - [`Watch`] reports, after each input, which counters grew and by how much.
//!
//! Which source regions the counters stand for is not known here: the campaign tool works that out.
//!
//! The layout is that of raw profiles of version 10 (rustc 1.95, LLVM 22), little-endian, 64 bits:
//! `INSTR_PROF_RAW_HEADER` in LLVM's `compiler-rt/include/profile/InstrProfData.inc`. Another version is an
//! error.

use std::fs::{File, OpenOptions};
use std::io;
use std::io::Write;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Environment variable: the profile file that LLVM's runtime keeps the counters in. Set together with
/// [`COUNTERS_VARIABLE`]; `LLVM_PROFILE_FILE` must name the same file, with a `%c` at its end.
pub const PROFILE_VARIABLE: &str = "REPLAY_PROFILE";
/// Environment variable: the file that lists the counters to watch, as [`parse_ranges`] reads it.
pub const COUNTERS_VARIABLE: &str = "REPLAY_COUNTERS";

/// The length of the header in bytes: 16 fields of 8.
pub const HEADER_BYTES: usize = 16 * 8;
/// The length of a function's record in bytes.
pub const RECORD_BYTES: usize = 64;
/// The length of a counter in bytes.
pub const COUNTER_BYTES: usize = 8;
/// The first field of the header: 0xff, `lprofr`, 0x81 (a 64-bit profile).
const MAGIC: u64 = 0xff6c_7072_6f66_7281;
/// The format's version. The upper bits of the field are flags, one of which makes counters bytes.
const VERSION: u64 = 10;
/// How many counters are compared at once.
const BLOCK: usize = 16;

/// Where the sections of a raw profile are: offsets in bytes from the start of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The functions' records, [`RECORD_BYTES`] each.
    pub records: Range<u64>,
    /// The counters, [`COUNTER_BYTES`] each.
    pub counters: Range<u64>,
    /// The distance in the process's memory from the first record to the first counter, in bytes; negative
    /// when it wraps around.
    pub counters_delta: u64,
}

impl Layout {
    /// Reads the header: the first [`HEADER_BYTES`] of a profile that is `length` bytes long.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] when this is no raw profile of the known version, or it is too short
    /// for its sections. A process that was not built for continuous mode leaves an empty file.
    pub fn parse(header: &[u8], length: u64) -> io::Result<Self> {
        if length == 0 {
            return Err(invalid(
                "the profile is empty: the process was not built for, or not started in, continuous mode",
            ));
        }
        if header.len() < HEADER_BYTES {
            return Err(invalid("the profile is shorter than its header"));
        }
        let field = |index| word(header, index);
        if field(0) != MAGIC {
            return Err(invalid("not a raw profile of 64 bits, little-endian"));
        }
        if field(1) != VERSION {
            return Err(invalid(format!(
                "raw profile of version {:#x}, expected {VERSION:#x}",
                field(1)
            )));
        }
        let (binary_ids, records, padding, counters) = (field(2), field(3), field(4), field(5));
        let section = |start: u64, count: u64, bytes: usize| {
            Some(start..count.checked_mul(bytes as u64)?.checked_add(start)?)
        };
        let layout = || {
            let start = binary_ids.checked_add(HEADER_BYTES as u64)?;
            let records = section(start, records, RECORD_BYTES)?;
            let start = records.end.checked_add(padding)?;
            Some(Self {
                records,
                counters: section(start, counters, COUNTER_BYTES)?,
                counters_delta: field(10),
            })
        };
        let layout = layout().ok_or_else(|| invalid("the profile's header does not add up"))?;
        if layout.counters.end > length {
            return Err(invalid("the profile is shorter than its header requires"));
        }
        Ok(layout)
    }

    /// The number of counters.
    pub const fn counter_count(&self) -> u64 {
        (self.counters.end - self.counters.start) / COUNTER_BYTES as u64
    }
}

/// The text that [`parse_ranges`] reads: `first..end`, a range a line.
pub fn ranges_to_text(ranges: &[Range<usize>]) -> String {
    let lines = ranges.iter().map(|range| format!("{range:?}\n"));
    lines.collect()
}

/// Ranges of counters by index, ascending and apart from each other.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] with the line that is wrong.
pub fn parse_ranges(text: &str) -> io::Result<Vec<Range<usize>>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for line in text.lines() {
        let range = line.split_once("..").and_then(|(first, end)| {
            let range = first.parse().ok()?..end.parse().ok()?;
            let earliest = ranges.last().map_or(0, |before| before.end);
            (earliest <= range.start && range.start < range.end).then_some(range)
        });
        ranges.push(range.ok_or_else(|| invalid(format!("no range of counters: {line:?}")))?);
    }
    Ok(ranges)
}

/// Reports, input by input, which of the watched counters grew.
///
/// The counters are not reset after each input: their growth costs one read and no write. A
/// [`reset`](Self::reset) before an input that may be the last leaves a profile that holds what this input
/// reached and nothing else, even when the process dies.
#[derive(Debug)]
pub struct Watch {
    profile: File,
    /// Where counter 0 is in the file, in bytes.
    start: u64,
    /// The index of the first counter in the snapshots.
    first: usize,
    /// The watched counters, at most [`BLOCK`] at a time.
    blocks: Vec<Range<usize>>,
    /// The counters after the latest input, as they are in the file.
    now: Vec<u8>,
    /// The counters before it.
    before: Vec<u8>,
    grown: Vec<(usize, u64)>,
}

impl Watch {
    /// Watches `ranges` of this process's counters, which are reset. `profile` is the file in which the
    /// runtime keeps them.
    ///
    /// # Errors
    /// As [`Layout::parse`]; [`io::ErrorKind::InvalidData`] when the profile has no such counters; I/O errors.
    pub fn start(profile: &Path, ranges: &[Range<usize>]) -> io::Result<Self> {
        let profile = OpenOptions::new().read(true).write(true).open(profile)?;
        let length = profile.metadata()?.len();
        let mut header = vec![0; HEADER_BYTES.min(usize::try_from(length).unwrap_or(usize::MAX))];
        profile.read_exact_at(&mut header, 0)?;
        let layout = Layout::parse(&header, length)?;
        let first = ranges.first().map_or(0, |range| range.start);
        let end = ranges.last().map_or(0, |range| range.end);
        if end as u64 > layout.counter_count() {
            return Err(invalid("the counters to watch are those of another binary"));
        }
        let blocks = ranges.iter().flat_map(|range| {
            let starts = range.clone().step_by(BLOCK);
            starts.map(|start| start..range.end.min(start + BLOCK))
        });
        let mut watch = Self {
            profile,
            start: layout.counters.start,
            first,
            blocks: blocks.collect(),
            now: vec![0; (end - first) * COUNTER_BYTES],
            before: vec![0; (end - first) * COUNTER_BYTES],
            grown: Vec::new(),
        };
        watch.reset()?;
        Ok(watch)
    }

    /// As [`start`](Self::start), with what the environment names; `None` when [`PROFILE_VARIABLE`] is not set.
    ///
    /// # Errors
    /// As [`start`](Self::start) and [`parse_ranges`]; [`io::ErrorKind::InvalidInput`] when the other variable
    /// is missing.
    pub fn from_environment() -> io::Result<Option<Self>> {
        let Some(profile) = std::env::var_os(PROFILE_VARIABLE) else {
            return Ok(None);
        };
        let counters = std::env::var_os(COUNTERS_VARIABLE).ok_or_else(|| {
            let missing = format!("{PROFILE_VARIABLE} is set and {COUNTERS_VARIABLE} is not");
            io::Error::new(io::ErrorKind::InvalidInput, missing)
        })?;
        let ranges = parse_ranges(&std::fs::read_to_string(counters)?)?;
        Self::start(Path::new(&profile), &ranges).map(Some)
    }

    /// Sets the watched counters to zero.
    ///
    /// # Errors
    /// I/O errors.
    pub fn reset(&mut self) -> io::Result<()> {
        self.now.fill(0);
        self.profile.write_all_at(&self.now, self.position())
    }

    /// The counters that grew during the input that just ended, by ascending index, and by how much.
    ///
    /// # Errors
    /// I/O errors.
    pub fn after_input(&mut self) -> io::Result<&[(usize, u64)]> {
        std::mem::swap(&mut self.now, &mut self.before);
        let position = self.position();
        self.profile.read_exact_at(&mut self.now, position)?;
        self.grown.clear();
        // Few counters grow, and a block of others costs one comparison. That matters: this code has counters
        // of its own, which slow it down.
        for block in &self.blocks {
            let (start, end) = (block.start - self.first, block.end - self.first);
            let bytes = start * COUNTER_BYTES..end * COUNTER_BYTES;
            let (now, before) = (&self.now[bytes.clone()], &self.before[bytes]);
            if now == before {
                continue;
            }
            for (index, counter) in block.clone().enumerate() {
                let grown_by = word(now, index).wrapping_sub(word(before, index));
                if grown_by > 0 {
                    self.grown.push((counter, grown_by));
                }
            }
        }
        Ok(&self.grown)
    }

    /// Appends [`after_input`](Self::after_input) to `line`: `index:growth`, with a blank between them.
    ///
    /// # Errors
    /// I/O errors; those of `line`.
    pub fn put_after_input(&mut self, line: &mut Vec<u8>) -> io::Result<()> {
        for (number, (counter, grown_by)) in self.after_input()?.iter().enumerate() {
            let blank = if number == 0 { "" } else { " " };
            write!(line, "{blank}{counter}:{grown_by}")?;
        }
        Ok(())
    }

    const fn position(&self) -> u64 {
        self.start + (self.first * COUNTER_BYTES) as u64
    }
}

/// The `index`-th little-endian u64 of `bytes`.
///
/// # Panics
/// When `bytes` is too short.
pub fn word(bytes: &[u8], index: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[index * 8..][..8]);
    u64::from_le_bytes(word)
}

fn invalid(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

#[cfg(test)]
mod tests;
