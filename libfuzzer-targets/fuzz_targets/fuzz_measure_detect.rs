//! `fuzz_measure_detect` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| built_in::fuzz_measure_detect(data));
