//! `fuzz_measure_image` under honggfuzz.
#![forbid(unsafe_code)]

fn main() {
    loop {
        honggfuzz::fuzz!(|data: &[u8]| {
            harness_core::fuzz_measure_image(data);
        });
    }
}
