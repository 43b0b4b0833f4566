//! The scanner on hand-built images.
//!
//! - [`header`]: every bound of the header, and the error that names it.
//! - [`tables`]: what each kind of L1 and L2 entry counts for, and which are errors.
//! - [`cut`]: tables that the end of the file cuts.
//! - [`hostile`]: aliasing tables, failing reads, random damage; that work stays bounded.
//! - [`image`]: the builder.

mod cut;
mod header;
mod hostile;
mod image;
mod tables;
