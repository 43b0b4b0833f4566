//! `fuzz_runs` under AFL++.
#![forbid(unsafe_code)]

fn main() {
    afl::fuzz!(|data: &[u8]| toy::fuzz_runs(data));
}
