#![no_main]

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::{fuzz_target, Corpus};

#[derive(Arbitrary, Debug)]
struct Question {
    names: Vec<u8>,
    is_read: bool,
}

fuzz_target!(|question: Question| -> Corpus {
    if !question.is_read {
        return Corpus::Reject;
    }
    assert!(pairs::count(&question.names) <= question.names.len());
    Corpus::Keep
});
