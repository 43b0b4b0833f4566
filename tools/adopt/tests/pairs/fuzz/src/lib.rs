//! What the targets share.

/// The name that they look for.
pub const NAME: &[u8] = b"name";
