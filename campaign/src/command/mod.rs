//! One module a command.

pub mod measure;
pub mod scan;
pub mod seeds;
