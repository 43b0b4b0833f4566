//! `fuzz_measure_calc` on this library, under AFL++.
#![forbid(unsafe_code)]

fn main() {
    afl::fuzz!(|data: &[u8]| harness_core::fuzz(&subject::SUBJECT, "fuzz_measure_calc", data));
}
