//! What the tests of the scanners and calculators share; only for tests.
//!
//! - [`scan`]: what must hold whenever a scanner meets an image, whatever its format.
//! - [`damage`]: random damage to images.
//! - [`fields`]: tables of changed fields, and what a scan answers then.
//! - [`qemu`]: a temporary folder in which qemu-img and qemu-io are run.
//! - [`map`]: the output of `qemu-img map`.
//! - [`grid`]: many images, each compared with `qemu-img map`, and counted.
//!
//! Everything here checks with assertions: it panics when something does not hold, and also when
//! QEMU's tools are missing. Nothing is skipped.

pub mod damage;
pub mod fields;
pub mod grid;
pub mod map;
pub mod qemu;
pub mod scan;
