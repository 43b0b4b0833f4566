//! `fuzz_target!` under honggfuzz.

include!("../../fuzz_target.rs");

/// The target's `main`.
#[doc(hidden)]
#[macro_export]
macro_rules! __entry {
    () => {
        #[doc(hidden)]
        #[no_mangle]
        pub extern "C" fn main() -> i32 {
            $crate::fuzz(__adopted_init, __adopted_run)
        }
    };
}

/// Runs inputs until honggfuzz ends the process.
#[doc(hidden)]
pub fn fuzz(init: fn(), run: fn(&[u8]) -> Result<Corpus, &'static str>) -> ! {
    init();
    loop {
        honggfuzz::fuzz(|data| drop(run(data)));
    }
}
