//! `fuzz_measure_image` on this library, under honggfuzz.
#![forbid(unsafe_code)]

harness_core::count_memory!();

fn main() {
    loop {
        honggfuzz::fuzz!(|data: &[u8]| {
            harness_core::fuzz(&subject::SUBJECT, "fuzz_measure_image", data);
        });
    }
}
