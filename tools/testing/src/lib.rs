//! What the tests of the scanners share; only for tests.
//!
//! - [`scan`]: what must hold whenever a scanner meets an image, whatever its format.
//! - [`fields`]: tables of changed fields, and what a scan answers then.
//!
//! Everything here checks with assertions: it panics when something does not hold.

pub mod fields;
pub mod scan;
