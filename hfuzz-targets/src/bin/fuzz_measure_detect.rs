//! `fuzz_measure_detect` under honggfuzz.
#![forbid(unsafe_code)]

fn main() {
    loop {
        honggfuzz::fuzz!(|data: &[u8]| {
            built_in::fuzz_measure_detect(data);
        });
    }
}
