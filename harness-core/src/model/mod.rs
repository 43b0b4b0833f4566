//! The reference: what the right answer is, exactly.
//!
//! Written from the formats' descriptions and from what qemu-img is seen to do, by other methods than
//! the code under test: numbers of 128 bits, images as plain bytes, no cache, no call table. It takes
//! nothing from the code under test but the public types of questions and answers, which
//! `tests/model_is_independent.rs` watches over.
//!
//! - [`calculators`]: how large an image would be, in value and in error.
//! - [`scanners`]: how much of an image holds data, in value and in kind of error.
//! - [`bytes`]: an image as the scanners see it.

pub mod bytes;
pub mod calculators;
pub mod scanners;
