//! `fuzz_measure_image` under AFL++.
#![forbid(unsafe_code)]

fn main() {
    afl::fuzz!(|data: &[u8]| harness_core::fuzz_measure_image(data));
}
