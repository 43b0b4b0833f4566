//! `fuzz_measure_image` on this library, under AFL++.
#![forbid(unsafe_code)]

harness_core::count_memory!();

fn main() {
    afl::fuzz!(|data: &[u8]| harness_core::fuzz(&subject::SUBJECT, "fuzz_measure_image", data));
}
