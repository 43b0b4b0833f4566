//! What the tests of the scanners and calculators share; only for tests.
//!
//! - [`device`]: an image on a device that notes how it is read.
//! - [`scan`]: what must hold whenever a scanner meets an image, whatever its format.
//! - [`extents`]: pieces of a disk, and which units they touch.
//! - [`qemu`]: a temporary folder in which qemu-img and qemu-io are run.
//! - [`map`]: what `qemu-img map` says of an image.
//! - [`grid`]: many images, each compared with what map says of it, and counted.
//!
//! Everything here checks with assertions: it panics when something does not hold, and also when
//! QEMU's tools are missing. Nothing is skipped.

pub mod device;
pub mod extents;
pub mod grid;
pub mod map;
pub mod qemu;
pub mod scan;
