//! `fuzz_measure_scan` on this library, under libFuzzer.
#![no_main]

harness_core::count_memory!();

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    harness_core::fuzz(&subject::SUBJECT, "fuzz_measure_scan", data);
});
