//! `fuzz_measure_image` on this library, under libFuzzer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    harness_core::image::run(&subject::SmallLibrary, &subject::SmallLibrary, data);
});
