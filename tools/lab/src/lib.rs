//! How strong the oracle is: faults that we plant, and mutants that a tool makes.
//!
//! - [`sources`]: the project's files as they are now, and copies of them to plant faults in.
//! - [`faults`]: mistakes as patches; which check notices each, and how soon an engine does.
//! - `mutants`: what became of the mutants of cargo-mutants, over several runs.
//! - `command`: one module a command: its arguments, its help, and `run`.
#![forbid(unsafe_code)]

mod command;
pub mod faults;
mod mutants;
pub mod sources;

pub use command::main;
