//! `fuzz_measure_detect` under AFL++.
#![forbid(unsafe_code)]

fn main() {
    afl::fuzz!(|data: &[u8]| built_in::fuzz_measure_detect(data));
}
