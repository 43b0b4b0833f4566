//! One module a command: its arguments, its help, and `run`.

pub mod faults;
pub mod mutants;
