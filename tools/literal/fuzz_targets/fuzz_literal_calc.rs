//! `fuzz_literal_calc` under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| literal::fuzz_literal_calc(data));
