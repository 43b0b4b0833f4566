//! The calculators and scanners of `crates/` as a subject of the harness, and the targets on them.
//!
//! The engine crates and the replay worker use it; a test of the harness may replace some of it.
#![forbid(unsafe_code)]

mod detect;
mod qcow2;
mod vhd;
mod vhdx;
mod vmdk;

use std::num::NonZeroU64;

use harness_core::subject::{
    AllocationSummary, Calculators, CallTable, Facts, Judgement, Measured, Options, Refusal,
    ScanAnswer, ScanError, ScanFormat, ScanRequest, Scanner, Subject,
};

/// This workspace's own code, held to everything: `crates/measure` and the scanners beside it.
pub static SUBJECT: Subject<'static> = Subject::new("built_in::SUBJECT")
    .with_calculators(&BuiltIn)
    .with_scanner(&BuiltIn)
    .with_detector(&BuiltIn)
    .held_to(Judgement::ALL);

/// The target `fuzz_measure_calc`: see [`harness_core::calc`]. A finding is a panic.
pub fn fuzz_measure_calc(data: &[u8]) {
    harness_core::calc::run(&BuiltIn, Judgement::ALL, data);
}

/// The target `fuzz_measure_scan`: see [`harness_core::scan`]. A finding is a panic.
pub fn fuzz_measure_scan(data: &[u8]) {
    harness_core::scan::run(&BuiltIn, Judgement::ALL, data);
}

/// The target `fuzz_measure_image`: see [`harness_core::image`]. A finding is a panic.
pub fn fuzz_measure_image(data: &[u8]) {
    harness_core::image::run(&BuiltIn, &BuiltIn, Judgement::ALL, data);
}

/// The target `fuzz_measure_detect`: see [`harness_core::detect`]. A finding is a panic.
pub fn fuzz_measure_detect(data: &[u8]) {
    harness_core::detect::run(&BuiltIn, &BuiltIn, Judgement::ALL, data);
}

/// The target `fuzz_nothing`: an engine's own cost, the baseline of every speed figure.
pub fn fuzz_nothing(data: &[u8]) {
    harness_core::fuzz_nothing(data);
}

/// This workspace's own calculators and scanners, for a subject that replaces some of them.
#[derive(Debug, Clone, Copy)]
pub struct BuiltIn;

impl Calculators for BuiltIn {
    fn measure(&self, summary: &AllocationSummary, options: &Options) -> Measured {
        measure::measure(summary, options)
    }
    fn unit(&self, options: &Options, virtual_size: u64) -> Option<u64> {
        measure::unit(options, virtual_size)
    }
    fn luks_payload(&self, key_bytes: u32, xts: bool) -> Option<u64> {
        Some(measure::luks_payload(key_bytes, xts))
    }
}

impl Scanner for BuiltIn {
    fn scan(&self, request: ScanRequest<'_>) -> ScanAnswer {
        (FORMATS[request.format as usize].scan)(request)
    }

    fn facts(&self, request: ScanRequest<'_>) -> Result<Option<Facts>, Refusal> {
        Ok(Some((FORMATS[request.format as usize].facts)(request)?))
    }
}

/// A format's scanner.
struct Row {
    scan: fn(ScanRequest<'_>) -> ScanAnswer,
    facts: fn(ScanRequest<'_>) -> Result<Facts, ScanError>,
}

macro_rules! rows {
    ($($format:ident),*) => {
        [$(Row { scan: $format::scan, facts: $format::facts }),*]
    };
}

/// In the order of [`ScanFormat::ALL`].
static FORMATS: [Row; ScanFormat::COUNT] = rows![qcow2, vmdk, vhd, vhdx];

/// Initialises a state.
fn open<'a, State>(
    request: ScanRequest<'a>,
    init: impl FnOnce(CallTable<'a>, u32, &'a mut [u8], &'a mut [u8]) -> Result<State, ScanError>,
) -> Result<State, ScanError> {
    let [first, second] = request.caches;
    init(request.calls, request.device, first, second)
}

/// Initialises a state and scans with it, once or twice.
fn scan_with<'a, State>(
    request: ScanRequest<'a>,
    init: impl FnOnce(CallTable<'a>, u32, &'a mut [u8], &'a mut [u8]) -> Result<State, ScanError>,
    scan: impl Fn(&mut State, Option<NonZeroU64>) -> Result<AllocationSummary, ScanError>,
    bytes_read: impl Fn(&State) -> u64,
) -> ScanAnswer {
    let (unit, twice) = (request.unit, request.twice);
    match open(request, init) {
        Ok(mut state) => {
            let mut scan = || scan(&mut state, unit).map_err(Refusal::Error);
            ScanAnswer {
                result: scan(),
                again: twice.then(scan),
                bytes_read: Some(bytes_read(&state)),
            }
        }
        Err(error) => Refusal::Error(error).into(),
    }
}
