// The form of old templates, with a mutator of its own.
#![no_main]
#[macro_use]
extern crate libfuzzer_sys;

fuzz_target!(|data| {
    pairs::count(data);
});

fuzz_mutator!(
    |data: &mut [u8], size: usize, max_size: usize, _seed: u32| {
        libfuzzer_sys::fuzzer_mutate(data, size, max_size)
    }
);

fuzz_crossover!(|first: &[u8], _second: &[u8], out: &mut [u8], _seed: u32| {
    let length = first.len().min(out.len());
    out[..length].copy_from_slice(&first[..length]);
    length
});
