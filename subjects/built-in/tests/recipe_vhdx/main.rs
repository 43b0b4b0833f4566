//! Recipes of VHDX images: what they state of their images is true, by the scanner and by QEMU, and they
//! reach every knob.

mod found;
mod qemu;
mod reach;
#[path = "../support/mod.rs"]
mod support;

const K: u64 = 1 << 10;
const M: u64 = 1 << 20;
