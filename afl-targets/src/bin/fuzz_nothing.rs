//! `fuzz_nothing` under AFL++.
#![forbid(unsafe_code)]

fn main() {
    afl::fuzz!(|data: &[u8]| harness_core::fuzz_nothing(data));
}
