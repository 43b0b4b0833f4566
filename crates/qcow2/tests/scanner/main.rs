//! The scanner on hand-built images.
//!
//! Aliasing tables, failing reads and random damage are in `tools/testing/tests/recipes`, and what QEMU makes of damage in
//! `tools/images/tests`.

mod cut;
mod image;
mod tables;
