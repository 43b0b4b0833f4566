//! The tool of measure-fuzz: everything that `cargo campaign` does, as a library, so that a project
//! with other code under test can have the same commands.
//!
//! - [`command`]: one module a command; each has its arguments and `run`.
//! - [`project`]: where things are; [`progress`] and [`output`]: what it shows.
//! - [`engine`]: how each engine is built, started, watched and read.
//! - [`fuzz`]: one engine on one target: from seeds to verdicts; [`queue`]: many, some at once.
//! - [`ensemble`]: several engines on one target at once, which give each other what they find.
//! - [`comparison`]: many engines on many targets, many times, on disk, through kills.
//! - [`replay`]: inputs without an engine: what fails, on which case.
//! - [`coverage`]: the neutral coverage build, and the source regions that inputs reach.
//! - [`reasons`]: lists of what is unreached, or cannot be told, and why; [`mutants`]: runs of cargo-mutants.
//! - [`triage`]: finds: grouped, minimised, and told to people, trackers and code scanning.
//! - [`corpus`]: inputs in folders, named by their content; [`corpora`]: the shipped ones, minimised, in zips.
//! - [`differential`]: model and code under test against QEMU's own tools.
//! - [`faults`]: planted faults: how strong the oracle is.
//! - [`instructions`]: what an execution spends its instructions on.
//! - [`images`]: image files on disk: formats, detection, sources, seeds.
#![forbid(unsafe_code)]

pub mod command;
pub mod comparison;
pub mod corpora;
pub mod corpus;
pub mod coverage;
pub mod differential;
pub mod engine;
pub mod ensemble;
pub mod faults;
pub mod fuzz;
pub mod images;
pub mod instructions;
pub mod mutants;
pub mod output;
pub mod progress;
pub mod project;
pub mod queue;
pub mod reasons;
pub mod replay;
pub mod triage;
