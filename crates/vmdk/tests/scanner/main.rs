//! The scanner on hand-built images.
//!
//! - [`header`]: every bound of the header and the footer, and the error that names it.
//! - [`tables`]: what each kind of directory and table entry counts for, and which are errors.
//! - [`hostile`]: aliasing tables, failing reads, random damage; that work stays bounded.
//! - [`image`]: the builder.

mod header;
mod hostile;
mod image;
mod tables;
