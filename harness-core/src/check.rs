//! Checks: what must hold, how a violation is reported, and how often each was evaluated.
//!
//! A check has a stable id (reports, triage and regressions name it), a sentence that says what must
//! hold, and a count of its evaluations: a campaign in which a check was never evaluated has not
//! shown what it claims.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::describe::Describe;

/// Something that must hold for every case.
#[derive(Debug)]
pub struct Check {
    /// The stable id: `calc.` or `scan.` and what holds.
    pub id: &'static str,
    /// What must hold, as a sentence.
    pub meaning: &'static str,
    evaluations: AtomicU64,
}

/// The line with which every report of a failed check begins, before the check's id.
pub const FAILURE_PREFIX: &str = "check failed: ";

/// The id under which a panic, an overflow or a failed assertion of the code under test is reported.
pub const NO_PANIC: &str = "subject.no_panic";

impl Check {
    const fn new(id: &'static str, meaning: &'static str) -> Self {
        Self {
            id,
            meaning,
            evaluations: AtomicU64::new(0),
        }
    }

    #[cold]
    #[inline(never)]
    fn fail(&self, found: &str, case: &dyn Describe) -> ! {
        panic!(
            "{FAILURE_PREFIX}{}\n  must hold: {}\n  found: {found}\n  case: {}\n  as Rust:\n{}",
            self.id,
            self.meaning,
            case.in_words(),
            indent(&case.as_rust()),
        );
    }

    /// How often this check was evaluated in this process.
    #[must_use]
    pub fn evaluations(&self) -> u64 {
        self.evaluations.load(Relaxed)
    }
}

/// The checks of one case, evaluated one after the other and asserted together.
///
/// Evaluating is straight-line code, because a branch for each check would cost an engine more than
/// the check: it counts, compares and stores every edge and every comparison of every execution.
#[derive(Debug, Default)]
pub struct Checks {
    first_failed: Option<&'static Check>,
}

impl Checks {
    /// Evaluates a check.
    #[inline(always)]
    pub fn evaluate(&mut self, check: &'static Check, holds: bool) {
        self.evaluate_if(true, check, holds);
    }

    /// Evaluates a check that says something about some cases only.
    #[inline(always)]
    pub fn evaluate_if(&mut self, applies: bool, check: &'static Check, holds: bool) {
        // Not one atomic operation, which costs more than a check: targets run on one thread.
        let count = check.evaluations.load(Relaxed);
        let count = count.wrapping_add(u64::from(applies));
        check.evaluations.store(count, Relaxed);
        let failed = (applies & !holds).then_some(check);
        self.first_failed = self.first_failed.or(failed);
    }

    /// Asserts what was evaluated. `found` says what was found, `case` is the decoded input.
    ///
    /// # Panics
    /// When a check did not hold, in every build: with the first one's id and meaning, what was found,
    /// and the case in words and as runnable Rust.
    #[inline(always)]
    pub fn conclude(self, case: &dyn Describe, found: impl FnOnce() -> String) {
        if let Some(check) = self.first_failed {
            check.fail(&found(), case);
        }
    }
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}

/// The id of the check that a panic's message reports; [`NO_PANIC`] for any other panic.
#[must_use]
pub fn id_of_panic(message: &str) -> &str {
    message
        .strip_prefix(FAILURE_PREFIX)
        .and_then(|rest| rest.lines().next())
        .unwrap_or(NO_PANIC)
}

macro_rules! checks {
    ($($name:ident = $id:literal: $meaning:literal;)*) => {
        $(#[doc = $meaning] pub static $name: Check = Check::new($id, $meaning);)*
        /// Every check there is.
        pub static ALL: &[&Check] = &[$(&$name),*];
    };
}

checks! {
    CALC_REQUIRED_LE_FULLY_ALLOCATED = "calc.required_le_fully_allocated":
        "required is at most fully_allocated";
    CALC_RAW_COVERS_VIRTUAL_SIZE = "calc.raw_covers_virtual_size":
        "a raw image takes at least virtual_size bytes, whatever it holds";
    CALC_NON_RAW_HAS_OVERHEAD = "calc.non_raw_has_overhead":
        "a fully allocated image that carries its own metadata is larger than its disk, and even an empty one is not empty";
    CALC_SUM_FITS_U64 = "calc.sum_fits_u64":
        "required + fully_allocated fits 64 bits; otherwise the answer is the error Overflow";
    CALC_QCOW2_PREALLOCATED_IS_FULL = "calc.qcow2_preallocated_is_full":
        "with preallocation falloc or full, a qcow2 image requires what it takes when fully allocated";
    CALC_IMPOSSIBLE_DATA_REFUSED = "calc.impossible_data_refused":
        "an answer is only given when allocated_bytes is at most virtual_size";
    CALC_IMPOSSIBLE_UNITS_REFUSED = "calc.impossible_units_refused":
        "an answer is only given when the touched units are no more than the disk has";
    SCAN_ALLOCATED_LE_VIRTUAL_SIZE = "scan.allocated_le_virtual_size":
        "no more bytes hold data than the virtual disk has";
    SCAN_TOUCHED_LE_UNITS_OF_DISK = "scan.touched_le_units_of_disk":
        "no more units are touched than the virtual disk has, and none without data";
    SCAN_UNIT_IS_THE_ONE_ASKED_FOR = "scan.unit_is_the_one_asked_for":
        "touched units are counted when a unit is given, for that unit, and not otherwise";
    SCAN_READS_BOUNDED = "scan.reads_bounded":
        "sector reads are at most four times the image's sectors of 512 bytes, plus 64";
    SCAN_READS_INSIDE_THE_DEVICE = "scan.reads_inside_the_device":
        "every read is of the device given, below its capacity, and exactly one sector long";
    SCAN_BYTES_READ_IS_WHAT_WAS_SERVED = "scan.bytes_read_is_what_was_served":
        "bytes_read is what the device served";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn ids_are_unique_and_say_their_target() {
        let ids: BTreeSet<_> = ALL.iter().map(|check| check.id).collect();
        assert_eq!(ids.len(), ALL.len());
        for id in ids {
            let (family, name) = id.split_once('.').expect("an id has a family");
            assert!(["calc", "scan"].contains(&family), "{id}");
            assert!(
                name.bytes()
                    .all(|byte| byte == b'_' || byte.is_ascii_alphanumeric()),
                "{id}"
            );
        }
    }

    #[test]
    fn a_panic_that_is_no_failed_check_has_an_id_too() {
        assert_eq!(id_of_panic("check failed: calc.x\n  must hold"), "calc.x");
        assert_eq!(id_of_panic("attempt to add with overflow"), NO_PANIC);
    }
}
