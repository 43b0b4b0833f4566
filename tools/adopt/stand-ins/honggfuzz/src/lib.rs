//! `fuzz_target!` under honggfuzz.

include!("../../fuzz_target.rs");
include!("../../main.rs");

/// Runs inputs until honggfuzz ends the process.
#[doc(hidden)]
pub fn fuzz(init: fn(), run: fn(&[u8]) -> Result<Corpus, &'static str>) {
    init();
    loop {
        honggfuzz::fuzz(|data| drop(run(data)));
    }
}
