//! Images built by hand: every error with its text, and every fall-back. Failing reads and random damage are in
//! `tools/testing/tests/recipes`.

mod blocks;
mod image;
