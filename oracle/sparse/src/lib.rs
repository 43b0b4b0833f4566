//! The bytes of an image that is mostly zeros.
//!
//! - [`image`]: a sparse image in memory, which recipes write and devices serve.
//! - [`bytes`]: an image's bytes as the reference model reads them.
//! - [`crc32c`]: the checksum of VHDX, cheap over zeros.
//! - [`file`](mod@file): an image as a library reads it, an owned file that counts what it serves.
//! - [`fill`]: what such a file holds where an image has kept nothing.
//! - [`fingerprint`]: a checksum of a case and its image, by which shipped inputs keep their meaning.
//! - [`segments`]: a sparse image in a few bytes.
//!
//! Plain data: nothing here knows a format.
#![forbid(unsafe_code)]

pub mod bytes;
pub mod crc32c;
pub mod file;
pub mod fill;
pub mod fingerprint;
pub mod image;
pub mod segments;

pub use bytes::Bytes;
pub use file::ImageFile;
pub use fill::Fill;
pub use image::{PAGE, Place, SparseImage};
