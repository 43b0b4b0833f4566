//! `fuzz_nothing` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| built_in::fuzz_nothing(data));
