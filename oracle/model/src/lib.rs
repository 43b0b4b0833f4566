//! The reference: what the right answer is, exactly.
//!
//! Written from the formats' descriptions and from what qemu-img is seen to do, by other methods than
//! the code under test: numbers of 128 bits, images as plain bytes, no cache, no call table. It takes
//! nothing from the code under test: it depends on the plain types of questions and answers alone.
//!
//! - [`calculators`]: how large an image would be, in value and in error.
//! - [`scanners`]: how much of an image holds data, in value and in kind of error.
#![forbid(unsafe_code)]

pub mod calculators;
pub mod scanners;
