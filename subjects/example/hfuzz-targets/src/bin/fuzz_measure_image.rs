//! `fuzz_measure_image` on this library, under honggfuzz.
#![forbid(unsafe_code)]

fn main() {
    loop {
        honggfuzz::fuzz!(|data: &[u8]| {
            harness_core::image::run(&subject::SmallLibrary, &subject::SmallLibrary, data);
        });
    }
}
