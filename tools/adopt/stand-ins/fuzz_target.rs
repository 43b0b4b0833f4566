// The public face of libfuzzer-sys 0.4, for another engine. Each stand-in is a package of that name which includes
// this file and says with `entry!` what a target becomes.

pub use arbitrary;

/// What a target says of an input.
#[derive(Debug)]
pub enum Corpus {
    /// It may be kept.
    Keep,
    /// It is none of the target's: libFuzzer does not keep it. Other engines know no such answer.
    Reject,
}

impl From<()> for Corpus {
    fn from((): ()) -> Self {
        Self::Keep
    }
}

/// Reads an input as libfuzzer-sys does: one that is too short for the type, or is no value of it, is rejected.
#[doc(hidden)]
pub fn value_of<'a, T: arbitrary::Arbitrary<'a>>(bytes: &'a [u8]) -> Result<T, &'static str> {
    if bytes.len() < T::size_hint(0).0 {
        return Err("too short for the target's type");
    }
    T::arbitrary_take_rest(arbitrary::Unstructured::new(bytes))
        .map_err(|_| "no value of the target's type")
}

/// A fuzz target, in every form that libfuzzer-sys has: bytes or an [`arbitrary::Arbitrary`] type, with or without
/// `init:`, with or without an answer that a [`Corpus`] can be made of.
#[macro_export]
macro_rules! fuzz_target {
    (|$data:ident| $body:expr) => {
        $crate::fuzz_target!(init: (), |$data: &[u8]| -> () { $body });
    };
    (init: $init:expr, |$data:ident| $body:expr) => {
        $crate::fuzz_target!(init: $init, |$data: &[u8]| -> () { $body });
    };
    (|$data:ident: &[u8]| $body:expr) => {
        $crate::fuzz_target!(init: (), |$data: &[u8]| -> () { $body });
    };
    (|$data:ident: &[u8]| -> $answer:ty $body:block) => {
        $crate::fuzz_target!(init: (), |$data: &[u8]| -> $answer { $body });
    };
    (init: $init:expr, |$data:ident: &[u8]| $body:expr) => {
        $crate::fuzz_target!(init: $init, |$data: &[u8]| -> () { $body });
    };
    (init: $init:expr, |$data:ident: &[u8]| -> $answer:ty $body:block) => {
        #[doc(hidden)]
        pub fn __adopted_run(bytes: &[u8]) -> Result<$crate::Corpus, &'static str> {
            #[inline(never)]
            fn run($data: &[u8]) -> $answer {
                $body
            }
            Ok($crate::Corpus::from(run(bytes)))
        }
        #[doc(hidden)]
        pub fn __adopted_value(_bytes: &[u8]) -> Result<Option<String>, &'static str> {
            Ok(None)
        }
        $crate::__adopted!($init);
    };
    (|$data:ident: $type:ty| $body:expr) => {
        $crate::fuzz_target!(init: (), |$data: $type| -> () { $body });
    };
    (|$data:ident: $type:ty| -> $answer:ty $body:block) => {
        $crate::fuzz_target!(init: (), |$data: $type| -> $answer { $body });
    };
    (init: $init:expr, |$data:ident: $type:ty| $body:expr) => {
        $crate::fuzz_target!(init: $init, |$data: $type| -> () { $body });
    };
    (init: $init:expr, |$data:ident: $type:ty| -> $answer:ty $body:block) => {
        #[doc(hidden)]
        pub fn __adopted_run(bytes: &[u8]) -> Result<$crate::Corpus, &'static str> {
            #[inline(never)]
            fn run($data: $type) -> $answer {
                $body
            }
            $crate::value_of(bytes).map(|value| $crate::Corpus::from(run(value)))
        }
        #[doc(hidden)]
        pub fn __adopted_value(bytes: &[u8]) -> Result<Option<String>, &'static str> {
            $crate::value_of::<$type>(bytes).map(|value| Some(format!("{value:#?}")))
        }
        $crate::__adopted!($init);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __adopted {
    ($init:expr) => {
        #[doc(hidden)]
        pub fn __adopted_init() {
            $init;
        }
        $crate::__entry!();
    };
}

/// A mutator of the project's own, which only libFuzzer calls: here it is left out.
#[macro_export]
macro_rules! fuzz_mutator {
    ($($mutator:tt)*) => {};
}

/// A crossover of the project's own, which only libFuzzer calls: here it is left out.
#[macro_export]
macro_rules! fuzz_crossover {
    ($($crossover:tt)*) => {};
}

/// libFuzzer's own mutation, which a mutator may ask for: here nothing calls one.
pub fn fuzzer_mutate(_data: &mut [u8], size: usize, _max_size: usize) -> usize {
    size
}
