//! `fuzz_measure_calc` on this library, under honggfuzz.
#![forbid(unsafe_code)]

fn main() {
    loop {
        honggfuzz::fuzz!(|data: &[u8]| {
            harness_core::calc::run(&subject::SmallLibrary, data);
        });
    }
}
