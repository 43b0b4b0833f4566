//! A worker's raw profile: which counters belong to which function, and their values.
//!
//! [`Layout`] finds the sections. A function's record is `INSTR_PROF_DATA` in LLVM's
//! `compiler-rt/include/profile/InstrProfData.inc`; `RawInstrProfReader` in its
//! `llvm/lib/ProfileData/InstrProfReader.cpp` reads it in the same way.

use std::ops::Range;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use fs_err as fs;
use worker::counters::{COUNTER_BYTES, HEADER_BYTES, Layout, RECORD_BYTES, word};

/// The profile that a running or dead process keeps its counters in, as it was when it was read.
#[derive(Debug)]
pub(super) struct Profile {
    bytes: Vec<u8>,
    layout: Layout,
}

/// The counters of one function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FunctionCounters {
    /// The first half of the MD5 of the function's name, as coverage maps have it. A name can occur more than
    /// once: every copy that the linker kept has counters of its own.
    pub(super) name_hash: u64,
    /// Distinguishes versions of the function, as coverage maps do.
    pub(super) structure_hash: u64,
    /// The function's counters, by their index in the profile.
    pub(super) counters: Range<usize>,
}

/// The binary as a command, with LLVM's runtime set to keep the counters in the file `profile`.
pub(super) fn command(binary: &Path, profile: &Path) -> Command {
    let mut command = Command::new(binary);
    command.env("LLVM_PROFILE_FILE", format!("{}%c", profile.display()));
    command
}

impl Profile {
    /// Runs a worker that is asked nothing. The profile that it leaves has a place for every counter.
    pub(super) fn of_empty_run(binary: &Path) -> Result<Self> {
        let name = binary.display();
        let folder = tempfile::tempdir().context("no temporary folder")?;
        let profile = folder.path().join("profraw");
        let status = command(binary, &profile)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()
            .with_context(|| format!("{name} could not be started"))?;
        ensure!(status.success(), "{name} failed: {status}");
        ensure!(
            profile.exists(),
            "{name} leaves no profile: it was not built for coverage"
        );
        Self::read(&profile).with_context(|| format!("the profile of {name}"))
    }

    pub(super) fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path)?;
        let header = &bytes[..HEADER_BYTES.min(bytes.len())];
        let layout = Layout::parse(header, bytes.len() as u64)?;
        Ok(Self { bytes, layout })
    }

    /// The counters that are not 0, by ascending index, with their values.
    pub(super) fn counters(&self) -> Vec<(usize, u64)> {
        let counters = self.section(&self.layout.counters);
        (0..counters.len() / COUNTER_BYTES)
            .map(|index| (index, word(counters, index)))
            .filter(|&(_, value)| value > 0)
            .collect()
    }

    pub(super) fn functions(&self) -> Result<Vec<FunctionCounters>> {
        let records = self.section(&self.layout.records);
        let records = records.chunks_exact(RECORD_BYTES).enumerate();
        records
            .map(|(index, record)| {
                // The pointer is relative to its own record, the delta to the first record.
                let from_first_record = word(record, 2).wrapping_add((index * RECORD_BYTES) as u64);
                let offset = from_first_record.wrapping_sub(self.layout.counters_delta);
                let (first, rest) = (offset / COUNTER_BYTES as u64, offset % COUNTER_BYTES as u64);
                let count = word(record, 6) & u64::from(u32::MAX);
                let end = first.saturating_add(count);
                ensure!(
                    rest == 0 && end <= self.layout.counter_count(),
                    "a function's counters are outside the profile"
                );
                Ok(FunctionCounters {
                    name_hash: word(record, 0),
                    structure_hash: word(record, 1),
                    counters: usize::try_from(first)?..usize::try_from(end)?,
                })
            })
            .collect()
    }

    /// The layout was checked against the length of the file, which is in memory.
    fn section(&self, section: &Range<u64>) -> &[u8] {
        &self.bytes[section.start as usize..section.end as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two functions: the first has 2 counters, and the second 1, which is before the first function's. In
    /// memory the counters lie 64 bytes before the records.
    fn profile(pointer: u64) -> Profile {
        let delta = 64_u64.wrapping_neg();
        let record =
            |name: u64, pointer: u64, count: u64| [name, name + 1, pointer, 0, 0, 0, count, 0];
        let words = [
            record(70, pointer, 2),
            record(80, delta.wrapping_sub(64), 1),
            [7, 0, 9, 0, 0, 0, 0, 0],
        ];
        Profile {
            bytes: words
                .as_flattened()
                .iter()
                .flat_map(|word| word.to_le_bytes())
                .collect(),
            layout: Layout {
                records: 0..128,
                counters: 128..152,
                counters_delta: delta,
            },
        }
    }

    #[test]
    fn functions_are_found_by_their_pointers_not_by_their_order() {
        let sound = profile(64_u64.wrapping_neg() + 8);
        let functions = sound.functions().unwrap();
        let found: Vec<_> = functions
            .into_iter()
            .map(|function| {
                (
                    function.name_hash,
                    function.structure_hash,
                    function.counters,
                )
            })
            .collect();
        assert_eq!(found, [(70, 71, 1..3), (80, 81, 0..1)]);
        assert_eq!(sound.counters(), [(0, 7), (2, 9)]);
        for pointer in [0, 1, u64::MAX, 64_u64.wrapping_neg() + 16] {
            let error = profile(pointer).functions().unwrap_err().to_string();
            assert_eq!(error, "a function's counters are outside the profile");
        }
    }
}
