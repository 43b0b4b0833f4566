//! VHDX: how large an image would be, and how much of one holds data.

pub(crate) mod calculator;
pub(crate) mod scanner;
