//! `fuzz_measure_scan` on this library, under honggfuzz.
#![forbid(unsafe_code)]

fn main() {
    loop {
        honggfuzz::fuzz!(|data: &[u8]| {
            harness_core::scan::run(&subject::SmallLibrary, data);
        });
    }
}
