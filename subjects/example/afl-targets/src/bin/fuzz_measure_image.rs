//! `fuzz_measure_image` on this library, under AFL++.
#![forbid(unsafe_code)]

fn main() {
    afl::fuzz!(|data: &[u8]| {
        harness_core::image::run(&subject::SmallLibrary, &subject::SmallLibrary, data);
    });
}
