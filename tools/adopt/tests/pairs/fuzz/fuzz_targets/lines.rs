#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = pairs::find(data, pairs_fuzz::NAME);
});
