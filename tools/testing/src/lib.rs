//! What the tests of the scanners and calculators share; only for tests.
//!
//! - [`device`]: an image on a device that notes how it is read.
//! - [`scan`]: what must hold whenever a scanner meets an image, whatever its format.
//! - [`qemu`]: a temporary folder in which qemu-img and qemu-io are run.
//! - [`map`]: the output of `qemu-img map`.
//! - [`grid`]: many images, each compared with `qemu-img map`, and counted.
//!
//! Everything here checks with assertions: it panics when something does not hold, and also when
//! QEMU's tools are missing. Nothing is skipped.

pub mod device;
pub mod grid;
pub mod map;
pub mod qemu;
pub mod scan;
