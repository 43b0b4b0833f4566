//! The tool of measure-fuzz: everything that `cargo campaign` does, as a library, so that a project
//! with other code under test can have the same commands.
//!
//! - `command`: one module a command; each has its arguments and `run`.
//! - [`project`]: where things are; [`progress`]: what it shows.
//! - [`supervisor`]: folders that one run has to itself, and the processes of engines in them; [`cores`].
//! - [`engine`]: how each engine is built, started, watched and read, alone or with others.
//! - [`fuzz`]: one trial: engines on one target, from seeds to verdicts; [`schedule`]: many, some at once.
//! - `monitor`: what is measured and shown while engines run.
//! - [`atomic`]: files that are there whole, or as they were.
//! - [`comparison`]: many engines on many targets, many times, on disk, through kills.
//! - [`replay`]: inputs without an engine: what fails, on which case.
//! - [`coverage`]: the neutral coverage build, and the source regions that inputs reach.
//! - [`reasons`]: allowlists of unreached regions and uncaught mutants, with reasons.
//! - [`triage`]: findings: grouped, minimised, and written for people, trackers and code scanning.
//! - [`corpus`]: inputs in folders, named by their content; [`corpora`]: the shipped ones, minimised, in zips.
#![forbid(unsafe_code)]

pub mod atomic;
mod command;
pub mod comparison;
pub mod cores;
pub mod corpora;
pub mod corpus;
pub mod coverage;
pub mod engine;
pub mod fuzz;
mod monitor;
pub mod progress;
pub mod project;
pub mod reasons;
pub mod replay;
pub mod schedule;
pub mod supervisor;
pub mod triage;

pub use command::main;
