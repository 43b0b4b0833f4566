//! Checks: what must hold, how a violation is reported, and how often each was evaluated.
//!
//! A check has a stable id (reports, triage and regressions name it), a sentence that says what must
//! hold, and a count of its evaluations: a campaign in which a check was never evaluated has not
//! shown what it claims.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use crate::describe::Describe;

/// How strong a check is: the layers of the oracle, from weak to strong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// What holds for every answer, right or wrong ones by little; and that work is bounded.
    Invariant,
    /// The answer is the reference model's, in value and in kind of error.
    Exact,
    /// The answer is what the recipe of the image says.
    Truth,
    /// Two related questions have related answers.
    Metamorphic,
    /// A device that fails is never turned into a number.
    Fault,
    /// What a scan answers is what the calculators take.
    Composition,
}

/// Something that must hold for every case.
#[derive(Debug)]
pub struct Check {
    /// The stable id: `calc.`, `scan.` or `image.` and what holds.
    pub id: &'static str,
    /// How strong it is.
    pub layer: Layer,
    /// What must hold, as a sentence.
    pub meaning: &'static str,
    evaluations: AtomicU64,
    /// Whether it is counted, and never fails: see [`only_invariants`].
    muted: AtomicBool,
}

/// The line with which every report of a failed check begins, before the check's id.
pub const FAILURE_PREFIX: &str = "check failed: ";

/// The id under which a panic, an overflow or a failed assertion of the code under test is reported.
pub const NO_PANIC: &str = "subject.no_panic";

impl Check {
    const fn new(id: &'static str, layer: Layer, meaning: &'static str) -> Self {
        Self {
            id,
            layer,
            meaning,
            evaluations: AtomicU64::new(0),
            muted: AtomicBool::new(false),
        }
    }

    /// An engine's build has no such switch, and pays nothing for it.
    #[inline(always)]
    fn is_muted(&self) -> bool {
        cfg!(not(fuzzing)) && self.muted.load(Relaxed)
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
        let failed = (applies & !holds & !check.is_muted()).then_some(check);
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

/// From now on no check but those of [`Layer::Invariant`] fails in this process, whatever is found. A
/// panic of the code under test is still one. What planted faults the invariants miss shows what the
/// other layers are for (`cargo lab faults`).
pub fn only_invariants() {
    for check in ALL.iter().filter(|check| check.layer != Layer::Invariant) {
        check.muted.store(true, Relaxed);
    }
}

macro_rules! checks {
    ($($name:ident = $layer:ident $id:literal: $meaning:literal;)*) => {
        $(#[doc = $meaning] pub static $name: Check = Check::new($id, Layer::$layer, $meaning);)*
        /// Every check there is.
        pub static ALL: &[&Check] = &[$(&$name),*];
    };
}

checks! {
    CALC_REQUIRED_LE_FULLY_ALLOCATED = Invariant "calc.required_le_fully_allocated":
        "required is at most fully_allocated";
    CALC_RAW_COVERS_VIRTUAL_SIZE = Invariant "calc.raw_covers_virtual_size":
        "a raw image takes at least virtual_size bytes, whatever it holds";
    CALC_NON_RAW_HAS_OVERHEAD = Invariant "calc.non_raw_has_overhead":
        "a fully allocated image that carries its own metadata is larger than its disk, and even an empty one is not empty";
    CALC_SUM_FITS_U64 = Invariant "calc.sum_fits_u64":
        "required + fully_allocated fits 64 bits; otherwise the answer is the error Overflow";
    CALC_QCOW2_PREALLOCATED_IS_FULL = Invariant "calc.qcow2_preallocated_is_full":
        "with preallocation falloc or full, a qcow2 image requires what it takes when fully allocated";
    CALC_IMPOSSIBLE_DATA_REFUSED = Invariant "calc.impossible_data_refused":
        "an answer is only given when allocated_bytes is at most virtual_size";
    CALC_IMPOSSIBLE_UNITS_REFUSED = Invariant "calc.impossible_units_refused":
        "an answer is only given when the touched units are no more than the disk has";
    CALC_ANSWER_IS_EXACT = Exact "calc.answer_is_exact":
        "the answer is the reference model's, in both values or in the kind of error";
    CALC_UNIT_IS_EXACT = Exact "calc.unit_is_exact":
        "the unit that data are to be counted in is the cluster, grain or block size, as set or by default";
    CALC_LUKS_PAYLOAD_IS_EXACT = Exact "calc.luks_payload_is_exact":
        "the size of a LUKS header is the reference model's";
    CALC_SAME_ANSWER_AGAIN = Metamorphic "calc.same_answer_again":
        "the same question has the same answer";
    CALC_MONOTONE_IN_VIRTUAL_SIZE = Metamorphic "calc.monotone_in_virtual_size":
        "a larger disk with the same data takes no less, full or as it is (but VHDX's default block size grows with the disk, and with it changes what data takes; and a VHDX of no bytes takes more than a small one)";
    CALC_MONOTONE_IN_DATA = Metamorphic "calc.monotone_in_data":
        "more data on the same disk takes no less, and the full image stays as large";

    SCAN_ALLOCATED_LE_VIRTUAL_SIZE = Invariant "scan.allocated_le_virtual_size":
        "no more bytes hold data than the virtual disk has";
    SCAN_TOUCHED_LE_UNITS_OF_DISK = Invariant "scan.touched_le_units_of_disk":
        "no more units are touched than the virtual disk has, and none without data";
    SCAN_UNIT_IS_THE_ONE_ASKED_FOR = Invariant "scan.unit_is_the_one_asked_for":
        "touched units are counted when a unit is given, for that unit, and not otherwise";
    SCAN_READS_BOUNDED = Invariant "scan.reads_bounded":
        "sector reads are at most four times the image's sectors of 512 bytes, plus 64";
    SCAN_READS_INSIDE_THE_DEVICE = Invariant "scan.reads_inside_the_device":
        "every read is of the device given, below its capacity, and exactly one sector long";
    SCAN_BYTES_READ_IS_WHAT_WAS_SERVED = Invariant "scan.bytes_read_is_what_was_served":
        "bytes_read is what the device served";
    SCAN_ANSWER_IS_EXACT = Exact "scan.answer_is_exact":
        "the answer is the reference model's, in all its numbers or in the kind of error";
    SCAN_FACTS_ARE_EXACT = Exact "scan.facts_are_exact":
        "what an opened image says of itself is what the reference model reads in it";

    IMAGE_ALLOCATED_LE_VIRTUAL_SIZE = Invariant "image.allocated_le_virtual_size":
        "no more bytes hold data than the virtual disk has";
    IMAGE_TOUCHED_LE_UNITS_OF_DISK = Invariant "image.touched_le_units_of_disk":
        "no more units are touched than the virtual disk has, and none without data";
    IMAGE_UNIT_IS_THE_ONE_ASKED_FOR = Invariant "image.unit_is_the_one_asked_for":
        "touched units are counted when a unit is given, for that unit, and not otherwise";
    IMAGE_READS_BOUNDED = Invariant "image.reads_bounded":
        "sector reads are at most four times the image's sectors of 512 bytes, plus 64";
    IMAGE_READS_INSIDE_THE_DEVICE = Invariant "image.reads_inside_the_device":
        "every read is of the device given, below its capacity, and exactly one sector long";
    IMAGE_BYTES_READ_IS_WHAT_WAS_SERVED = Invariant "image.bytes_read_is_what_was_served":
        "bytes_read is what the device served";
    IMAGE_ANSWER_IS_EXACT = Exact "image.answer_is_exact":
        "the answer is the reference model's, in all its numbers or in the kind of error";
    IMAGE_ANSWER_IS_THE_TRUTH = Truth "image.answer_is_the_truth":
        "the answer on an undamaged image is what its recipe says";
    IMAGE_SAME_ANSWER_AGAIN = Metamorphic "image.same_answer_again":
        "the same scan of the same image has the same answer, and reads the same";
    IMAGE_SAME_FOR_EVERY_SECTOR_SIZE = Metamorphic "image.same_for_every_sector_size":
        "the answer does not depend on the device's sector size";
    IMAGE_SAME_FOR_EVERY_CACHE = Metamorphic "image.same_for_every_cache":
        "the answer does not depend on the caches' content, nor on their size";
    IMAGE_SAME_ON_A_SECOND_SCAN = Metamorphic "image.same_on_a_second_scan":
        "a second scan with the same state has the same answer";
    IMAGE_SAME_BYTES_FOR_EVERY_UNIT = Metamorphic "image.same_bytes_for_every_unit":
        "bytes and virtual size do not depend on the unit that is counted, nor on whether one is";
    IMAGE_MORE_DATA_COUNTS_MORE = Metamorphic "image.more_data_counts_more":
        "the same image with one run of data more holds no less";
    IMAGE_FAILED_READ_IS_AN_IO_ERROR = Fault "image.failed_read_is_an_io_error":
        "a read that fails is reported as the I/O error of that sector, and never turned into a number";
    IMAGE_CALCULATORS_ACCEPT = Composition "image.calculators_accept":
        "every calculator takes what a scan answers: it refuses at most a disk that it refuses when empty";
    IMAGE_CALCULATORS_ARE_EXACT = Composition "image.calculators_are_exact":
        "every calculator's answer on what a scan answers is the reference model's";
    IMAGE_REQUIRED_FITS_THE_FILE = Composition "image.required_fits_the_file":
        "what the calculator of the image's own format requires relates to the size of its file as the recipe says";
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
            assert!(["calc", "scan", "image"].contains(&family), "{id}");
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
