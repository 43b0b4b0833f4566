//! `fuzz_target!` under AFL++.

include!("../../fuzz_target.rs");
include!("../../main.rs");

/// Runs inputs until AFL++ has had enough of this process.
#[doc(hidden)]
pub fn fuzz(init: fn(), run: fn(&[u8]) -> Result<Corpus, &'static str>) {
    init();
    // What is made at the first call would look unstable within the loop. libFuzzer begins with the same input.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let _ = std::panic::catch_unwind(|| run(&[]));
    std::panic::set_hook(hook);
    afl::fuzz(true, |data: &[u8]| drop(run(data)));
}
