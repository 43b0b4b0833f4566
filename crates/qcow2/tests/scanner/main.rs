//! The scanner on hand-built images.
//!
//! - [`header`]: every bound of the header, and the error that names it.
//! - [`tables`]: what each kind of L1 and L2 entry counts for, and which are errors.
//! - [`cut`]: tables that the end of the file cuts.
//! - [`image`]: the builder.
//!
//! Aliasing tables, failing reads and random damage are in `tools/testing/tests/recipes`, and what QEMU makes of damage in
//! `tools/images/tests`.

mod cut;
mod header;
mod image;
mod tables;
