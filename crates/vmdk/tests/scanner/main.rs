//! The scanner on hand-built images.
//!
//! - [`header`]: every bound of the header and the footer, and the error that names it.
//! - [`tables`]: what each kind of directory and table entry counts for, and which are errors.
//! - [`image`]: the builder.
//!
//! Aliasing tables, failing reads and random damage are in `tools/testing/tests/recipes`, and what QEMU makes of damage in
//! `tools/images/tests`.

mod header;
mod image;
mod tables;
