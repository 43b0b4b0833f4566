//! `fuzz_runs` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| toy::fuzz_runs(data));
