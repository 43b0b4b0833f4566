#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::{fuzz_target, Corpus};

static LIMIT: OnceLock<usize> = OnceLock::new();

fuzz_target!(init: LIMIT.set(64).unwrap(), |data: &[u8]| -> Corpus {
    if data.len() > *LIMIT.get().expect("init was called") {
        return Corpus::Reject;
    }
    assert!(pairs::count(data) <= data.len());
    Corpus::Keep
});
