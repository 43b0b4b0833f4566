//! The reference: what the right answer is, exactly.
//!
//! Written from the formats' descriptions and from what qemu-img does. Its methods differ from those of
//! the code under test: numbers of 128 bits, images as plain bytes, no cache, no call table. It shares
//! only the plain types of questions and answers with that code.
//!
//! - [`calculators`]: how large an image would be, in value and in error.
//! - [`scanners`]: how much of an image holds data, in value and in kind of error.
//! - [`readings`]: all answers of scanners that are right where readers differ.
//! - [`detect`]: which formats a file is of, and what a VMDK's descriptor states.
//! - `raw`, `qcow2`, `vmdk`, `vhd`, `vhdx`: a module a format.
//! - `sizes`: what the calculators share. `data`: what the scanners share.
#![forbid(unsafe_code)]

pub mod calculators;
mod data;
pub mod detect;
mod raw;
pub mod readings;
pub mod scanners;
mod sizes;

mod qcow2 {
    pub(crate) mod calculator;
    mod refusals;
    pub(crate) mod scanner;
}
mod vmdk {
    pub(crate) mod calculator;
    pub(crate) mod descriptor;
    pub(crate) mod scanner;
}
mod vhd {
    pub(crate) mod calculator;
    pub(crate) mod scanner;
}
mod vhdx {
    pub(crate) mod calculator;
    mod replay;
    pub(crate) mod scanner;
}
