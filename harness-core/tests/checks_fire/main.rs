//! Every check is shown to fire: on a subject with the fault that it is there to catch. That each is evaluated, and
//! holds, on the subject of this workspace is shown by the seeds: `subjects/built-in/tests/corpora.rs`.

mod calculators;
mod detection;
mod images;

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use built_in::{BuiltIn, SUBJECT};
use harness_core::calc::CalcCase;
use harness_core::check;
use harness_core::image;
use harness_core::project::replay;
use harness_core::scan::encode_input;
use harness_core::subject::{
    Calculators, Facts, Measured, Scan, ScanAnswer, ScanFormat, ScanRequest, Scanner, Subject,
};
use harness_core::{Describe, Judgement, Outcome, Refusal, targets};
use recipes::{self, at};
use types::{
    AllocationSummary, MeasureError, MeasureOutput, Options, Qcow2Opts, ScanError, VhdOpts,
    VmdkOpts,
};
use worker::violation::NO_PANIC;
use worker::{Crash, Part, Verdict, Violation};

/// Calculators made of a function, which gets how often one was asked before, the question, and
/// the right answer.
struct CalculatesWith<F>(F, AtomicUsize);

impl<F: Fn(usize, &AllocationSummary, Measured) -> Measured + Sync> CalculatesWith<F> {
    fn new(answer: F) -> Self {
        Self(answer, AtomicUsize::new(0))
    }

    fn answer(&self, summary: &AllocationSummary, right: Measured) -> Measured {
        (self.0)(self.1.fetch_add(1, Ordering::Relaxed), summary, right)
    }
}

impl<F: Fn(usize, &AllocationSummary, Measured) -> Measured + Sync> Calculators
    for CalculatesWith<F>
{
    fn measure(&self, summary: &AllocationSummary, options: &Options) -> Measured {
        self.answer(summary, BuiltIn.measure(summary, options))
    }
}

const fn sizes(required: u64, fully_allocated: u64) -> Measured {
    Ok(MeasureOutput {
        required,
        fully_allocated,
    })
}

/// A scanner made of a function.
struct ScansWith<F>(F);

impl<F: Fn(ScanRequest<'_>) -> ScanAnswer + Sync> Scanner for ScansWith<F> {
    fn scan(&self, request: ScanRequest<'_>) -> ScanAnswer {
        (self.0)(request)
    }
}

fn answer(result: Scan, bytes_read: Option<u64>) -> ScanAnswer {
    ScanAnswer {
        result,
        again: None,
        bytes_read,
    }
}

/// Runs a target and returns what it violates.
fn failure(subject: &Subject<'_>, target: &str, input: &[u8]) -> Option<Violation> {
    let target = targets::find(target).expect("a target of that name");
    match replay(subject, target, input) {
        Verdict::Fail(violation) => Some(*violation),
        _ => None,
    }
}

/// A 59-byte input of `fuzz_measure_calc`: format, preallocation, sizes, and touched units.
fn calc_input(
    format: u8,
    preallocation: u8,
    (virtual_size, allocated_bytes): (u64, u64),
    touched: Option<u64>,
) -> Vec<u8> {
    let mut input = vec![format, 4, 4, preallocation, 0, 0];
    input.extend(virtual_size.to_le_bytes());
    input.extend(allocated_bytes.to_le_bytes());
    input.extend(65536_u32.to_le_bytes());
    input.extend(65536_u32.to_le_bytes());
    input.extend((2_u32 << 20).to_le_bytes());
    input.extend(0_u64.to_le_bytes());
    input.push(if touched.is_some() { 1 << 4 } else { 0 });
    input.extend(touched.unwrap_or(0).to_le_bytes());
    input.extend(0_u64.to_le_bytes());
    input
}

const RAW: u8 = 0;
const QCOW2: u8 = 1;
const VHDX: u8 = 4;
const DISK: (u64, u64) = (1 << 20, 1 << 16);

/// The ids that have a test in which they fire; compared with all ids there are at the end.
static FIRED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

fn assert_fires(subject: &Subject<'_>, target: &str, input: &[u8], id: &str) -> Violation {
    let violation = failure(subject, target, input).unwrap_or_else(|| panic!("{id} held"));
    assert_eq!(violation.check, id, "{violation}");
    let is_described = |case: &worker::Case| !case.words.is_empty() && !case.rust.is_empty();
    assert!(violation.case.as_ref().is_some_and(is_described));
    assert!(!violation.facts().is_empty());
    FIRED.lock().unwrap().insert(violation.check.clone());
    violation
}

/// Who is held responsible for a violation, and for what: where its finding is filed.
fn blame(violation: &Violation) -> String {
    let difference = violation.difference();
    let what = difference.map_or_else(String::new, |difference| difference.to_string());
    format!("{}: {what}", violation.part)
}

/// A summary of a small disk that a scanner without a fault may give.
const SOUND: AllocationSummary = AllocationSummary::new(1 << 20, 1024);

fn scanner_checks_fire() {
    fn fires(id: &str, counts_units: bool, scan: impl Fn(ScanRequest<'_>) -> ScanAnswer + Sync) {
        let scanner = ScansWith(scan);
        let subject = SUBJECT.with_scanner(&scanner);
        let unit = std::num::NonZeroU64::new(512).filter(|_| counts_units);
        let input = encode_input(ScanFormat::Qcow2, unit, &[0; 1024]).unwrap();
        assert_fires(&subject, "fuzz_measure_scan", &input, id);
    }
    let answers = |summary| move |_: ScanRequest<'_>| answer(Ok(summary), Some(0));
    fn reads(
        device: Option<u32>,
        sector: u64,
        length: usize,
        times: u64,
    ) -> impl Fn(ScanRequest<'_>) -> ScanAnswer + Sync {
        move |request| {
            let mut buffer = vec![0; length];
            for _ in 0..times {
                let device = device.unwrap_or(request.device);
                let _ = request.calls.read_input_sector(device, sector, &mut buffer);
            }
            answer(Err(ScanError::NotThisFormat.into()), None)
        }
    }
    let id = "scan.allocated_le_virtual_size";
    fires(id, false, answers(AllocationSummary::new(1023, 1024)));
    for count in [0, 2049] {
        let id = "scan.touched_le_units_of_disk";
        fires(id, true, answers(SOUND.with_touched(512, count)));
    }
    let id = "scan.unit_is_the_one_asked_for";
    fires(id, true, answers(SOUND));
    fires(id, true, answers(SOUND.with_touched(1024, 1)));
    fires(id, false, answers(SOUND.with_touched(512, 2)));
    fires("scan.reads_bounded", false, reads(None, 0, 512, 73));
    for (device, sector, length) in [(Some(0), 0, 512), (None, 2, 512), (None, 0, 256)] {
        let id = "scan.reads_inside_the_device";
        fires(id, false, reads(device, sector, length, 1));
    }
    fires("scan.bytes_read_is_what_was_served", false, |request| {
        let calls = request.calls;
        let read = calls.read_input_sector(request.device, 0, &mut [0; 512]);
        assert!(read.is_ok());
        answer(Ok(SOUND), Some(0))
    });
    fires("scan.answer_is_exact", false, answers(SOUND));
    fires("scan.answer_is_exact", false, |_| {
        let damage = ScanError::Corrupt("not even the magic number");
        answer(Err(damage.into()), None)
    });
}

/// A subject that is right but for what it states beside its answers.
struct Talks;

impl Calculators for Talks {
    fn measure(&self, summary: &AllocationSummary, options: &Options) -> Measured {
        BuiltIn.measure(summary, options)
    }
    fn unit(&self, options: &Options, virtual_size: u64) -> Option<u64> {
        let unit = BuiltIn.unit(options, virtual_size)?;
        Some(if unit == 65536 { 512 } else { unit })
    }
    fn luks_payload(&self, key_bytes: u32, xts: bool) -> Option<u64> {
        BuiltIn.luks_payload(key_bytes, !xts)
    }
}

impl Scanner for Talks {
    fn scan(&self, request: ScanRequest<'_>) -> ScanAnswer {
        BuiltIn.scan(request)
    }
    fn facts(&self, request: ScanRequest<'_>) -> Result<Option<Facts>, Refusal> {
        let format = request.format;
        let facts = BuiltIn.facts(request)?.unwrap_or_default();
        if format == ScanFormat::Vhd {
            return Err(Refusal::words("a refusal where there is an answer"));
        }
        let parent = facts.parent.map(|place| place.start..place.end - 1);
        Ok(Some(Facts {
            virtual_size: facts.virtual_size + u64::from(parent.is_none()),
            parent,
            ..facts
        }))
    }
}

/// A sound qcow2 image of an empty disk.
fn small_qcow2() -> Vec<u8> {
    let mut image = vec![0; 1024];
    for (at, value) in [
        (0, *b"QFI\xfb"),
        (4, [0, 0, 0, 2]),
        (20, [0, 0, 0, 16]),
        (56, [0, 0, 0, 1]),
    ] {
        image[at..at + 4].copy_from_slice(&value);
    }
    image
}

/// What a subject states beside its answers is held to the model too. What it does not state is not.
fn talk_fires() {
    let subject = SUBJECT.with_calculators(&Talks).with_scanner(&Talks);
    for (format, id) in [
        (QCOW2, "calc.unit_is_exact"),
        (VHDX, "calc.luks_payload_is_exact"),
    ] {
        let input = calc_input(format, 0, DISK, None);
        assert_fires(&subject, "fuzz_measure_calc", &input, id);
    }
    let scanner = ScansWith(|request: ScanRequest<'_>| BuiltIn.scan(request));
    let silent = SUBJECT.with_scanner(&scanner);
    for image in [
        &encode_input(ScanFormat::Qcow2, None, &small_qcow2()).unwrap()[..],
        include_bytes!("../../../corpus/shipped/kept/fuzz_measure_scan/vhd-differencing"),
        include_bytes!(
            "../../../corpus/shipped/kept/fuzz_measure_scan/vhdx-parent-locator-not-required"
        ),
    ] {
        assert_fires(&subject, "fuzz_measure_scan", image, "scan.facts_are_exact");
        assert_eq!(failure(&SUBJECT, "fuzz_measure_scan", image), None);
        assert_eq!(failure(&silent, "fuzz_measure_scan", image), None);
    }
}

#[test]
fn every_check_fires_on_the_fault_it_is_there_for() {
    calculators::checks_fire();
    calculators::relations_fire();
    scanner_checks_fire();
    images::image_scans_fire();
    images::compositions_fire();
    images::truth_fires();
    talk_fires();
    detection::checks_fire();
    let all: BTreeSet<String> = check::ALL.iter().map(|check| check.id.to_owned()).collect();
    assert_eq!(
        *FIRED.lock().unwrap(),
        all,
        "left: fired; right: all checks there are"
    );
}

#[test]
fn a_panic_of_the_subject_is_a_find_of_its_own() {
    let scanner = ScansWith(|_: ScanRequest<'_>| -> ScanAnswer { panic!("index out of bounds") });
    let subject = SUBJECT.with_scanner(&scanner);
    let violation = failure(&subject, "fuzz_measure_scan", &[0]).unwrap();
    assert_eq!(violation.check, NO_PANIC);
    assert_eq!(violation.part, Part::of("qcow2", "scanner"));
    assert!(violation.case.is_some());
    let Some(Crash::Panic { message, place }) = violation.crash else {
        panic!("no panic");
    };
    assert_eq!(message, "index out of bounds");
    let place = place.expect("a panic has a place");
    assert!(place.file.ends_with("checks_fire/main.rs"), "{place}");
}

#[test]
fn short_inputs_are_rejected_and_every_longer_one_is_a_case() {
    assert!(CalcCase::decode(&[0xff; 41]).is_err());
    for length in 42..=80 {
        for byte in 0..=255 {
            let case = CalcCase::decode(&vec![byte; length]).expect("a case");
            let format = match case.options {
                Options::Raw => 0,
                Options::Qcow2(_) => 1,
                Options::Vmdk(_) => 2,
                Options::Vhd(_) => 3,
                Options::Vhdx(_) => 4,
            };
            assert_eq!(format, byte % 5);
        }
    }
}

#[test]
fn the_first_42_bytes_are_read_as_they_stand() {
    let mut input = vec![1, 7, 0b01011, 2, 0, 0];
    input.extend(0x0102_0304_0506_0708_u64.to_le_bytes());
    input.extend(0x1112_1314_1516_1718_u64.to_le_bytes());
    input.extend(0x2122_2324_u32.to_le_bytes());
    input.extend(0x3132_3334_u32.to_le_bytes());
    input.extend(0x4142_4344_u32.to_le_bytes());
    input.extend(0x5152_5354_5556_5758_u64.to_le_bytes());
    assert_eq!(input.len(), 42);
    let expected = Qcow2Opts {
        cluster_size: 0x2122_2324,
        refcount_bits: 0xff,
        compat_v3: false,
        extended_l2: true,
        lazy_refcounts: true,
        compress: true,
        preallocation: measure::Preallocation::Falloc,
        luks_header_overhead: Some(0x5152_5354_5556_5758),
    };
    let case = CalcCase::decode(&input).unwrap();
    assert_eq!(case.options, Options::Qcow2(expected));
    assert_eq!(
        case.summary,
        AllocationSummary::new(0x0102_0304_0506_0708, 0x1112_1314_1516_1718)
    );
    input[0] = 2;
    input[4] = 4;
    let vmdk = VmdkOpts {
        subformat: measure::VmdkSubformat::StreamOptimized,
        grain_size: 0x3132_3334,
    };
    assert_eq!(
        CalcCase::decode(&input).unwrap().options,
        Options::Vmdk(vmdk)
    );
    input[0] = 3;
    input[5] = 1;
    input[2] = 16;
    let vhd = VhdOpts {
        subformat: measure::VhdSubformat::Fixed,
        block_size: 0x4142_4344,
        force_size: true,
    };
    assert_eq!(CalcCase::decode(&input).unwrap().options, Options::Vhd(vhd));
}

/// The code given, run, and its text.
macro_rules! runs_and_reads {
    ($($code:tt)*) => { ({ $($code)* }, stringify!($($code)*)) };
}

fn without_blanks(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_whitespace())
        .collect()
}

#[test]
#[allow(unused_imports, reason = "the same ones for every format")]
fn the_case_as_rust_is_rust_that_asks_the_same() {
    let (answer, text) = runs_and_reads! {
        use harness_core::types::{*, Options::*, Preallocation::*, VhdSubformat::*, VmdkSubformat::*};
        let summary = AllocationSummary::new(1048576, 65536).with_touched(65536, 1);
        built_in::SUBJECT.calculators.measure(&summary, &Qcow2(Qcow2Opts { cluster_size: 65536, refcount_bits: 16,
            compat_v3: true, extended_l2: false, lazy_refcounts: false, compress: false,
            preallocation: Metadata, luks_header_overhead: None }))
    };
    let case = CalcCase::decode(&calc_input(QCOW2, 1, DISK, Some(1))).unwrap();
    assert_eq!(without_blanks(&case.as_rust()), without_blanks(text));
    assert_eq!(case.ask(SUBJECT.calculators), answer);
    assert!(answer.is_ok());

    let (answer, text) = runs_and_reads! {
        let case = harness_core::image::ImageCase::decode(&[0,0,0,0,2,]).unwrap();
        case.ask(built_in::SUBJECT.scanner)
    };
    let case = image::ImageCase::decode(&[0, 0, 0, 0, 2, 0, 0]).unwrap();
    assert_eq!(without_blanks(&case.as_rust()), without_blanks(text));
    assert_eq!(case.ask(SUBJECT.scanner), answer);
    assert!(answer.result.is_ok());
}
