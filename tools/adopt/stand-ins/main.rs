// A target as a program, for the stand-ins of engines.

/// The target's `main`.
#[doc(hidden)]
#[macro_export]
macro_rules! __entry {
    () => {
        #[doc(hidden)]
        #[no_mangle]
        pub extern "C" fn main() -> i32 {
            $crate::fuzz(__adopted_init, __adopted_run);
            0
        }
    };
}
