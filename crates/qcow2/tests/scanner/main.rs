//! The scanner on hand-built images.
//!
//! - [`header`]: every bound of the header, and the error that says so.
//! - [`tables`]: what each kind of L1 and L2 entry counts for, and which are errors.
//! - [`hostile`]: aliasing tables, failing reads, random damage; that work stays bounded.

#[path = "../common/mod.rs"]
mod common;

mod header;
mod hostile;
mod image;
mod tables;
