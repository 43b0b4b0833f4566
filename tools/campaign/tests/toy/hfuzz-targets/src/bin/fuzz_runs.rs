//! `fuzz_runs` under honggfuzz.
#![forbid(unsafe_code)]

fn main() {
    loop {
        honggfuzz::fuzz!(|data: &[u8]| {
            toy::fuzz_runs(data);
        });
    }
}
