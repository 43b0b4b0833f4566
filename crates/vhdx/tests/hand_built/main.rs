//! Images built by hand: every error with its text, every fall-back, and what must hold for any input.

mod blocks;
mod headers;
mod hostile;
mod image;
mod metadata;
