//! One oracle for every engine: decode, run, assert.
//!
//! A fuzzing engine hands bytes to one of the target functions of this crate. The target *decodes*
//! them into a case, *runs* the code under test on it, and *asserts* what must hold. A check that
//! fails panics, in every build, which is what AFL++, libFuzzer and honggfuzz all take for a find.
//!
//! - [`targets`]: the one list of targets.
//! - [`calc`], [`scan`], [`image`], [`detect`]: one module a target: its input layout and its checks, side by side.
//! - [`recipes`], [`sparse`]: some dozens of bytes that stand for a large image, and what is true of it.
//! - [`model`]: the reference, which knows the right answer.
//! - [`subject`]: the code under test, behind traits; [`library`]: the simplest of them, which reads an [`ImageFile`].
//! - [`judgement`]: what a subject is held to.
//! - [`device`]: the mock device from which a scanner reads the fuzzer's image.
//! - [`check`]: the checks of all targets; the crate `worker` defines what a check is and what it reports.
//! - `answers`: the answers of calculators and scanners as violations hold them.
//! - [`project`], `trace`: the targets as a replay worker serves them.
//!
//! What is asserted: the code under test does not panic, overflow or hang (overflow checks and debug
//! assertions are on in every profile); its answers are the model's, in value and in kind of error; and
//! whatever else [`check::ALL`] lists.
//!
//! The crate knows no engine: it builds and runs on stable Rust, in `cargo test`, and in replays.
#![forbid(unsafe_code)]

mod answers;
pub mod calc;
pub mod check;
pub mod detect;
pub mod device;
mod formats;
pub mod image;
pub mod judgement;
pub mod library;
pub mod project;
pub mod scan;
mod scanned;
pub mod subject;
pub mod targets;
mod trace;

// Crates whose types stand in this one's interface.
pub use {model, recipes, shared, sparse, types, worker};

pub use device::MockDevice;
pub use judgement::Judgement;
pub use library::{Library, Map};
pub use project::fuzz;
pub use sparse::ImageFile;
pub use subject::{Refusal, Subject};
pub use targets::{TARGETS, Target};
pub use worker::{Describe, Outcome, count_memory};

/// The target `fuzz_nothing`: an engine's own cost, the base line of every speed figure.
pub fn fuzz_nothing(data: &[u8]) {
    std::hint::black_box(data);
}
