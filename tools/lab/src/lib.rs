//! How strong the oracle is: faults that we plant, and mutants that a tool makes.
//!
//! - [`command`]: one module a command: its arguments, its help, and `run`.
//! - [`faults`]: mistakes as patches; which check notices each, and how soon an engine does.
//! - [`mutants`]: what became of the mutants of cargo-mutants, over several runs.
#![forbid(unsafe_code)]

pub mod command;
mod digest;
pub mod faults;
pub mod mutants;
