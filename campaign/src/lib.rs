//! The tool of measure-fuzz: everything that `cargo campaign` does, as a library, so that a project
//! with other code under test can have the same commands.
//!
//! - [`command`]: one module a command; each has its arguments and `run`.
//! - [`images`]: image files on disk: formats, detection, sources, seeds.
//! - [`coverage`]: the neutral coverage build, and the source regions that inputs reach.
#![forbid(unsafe_code)]

pub mod command;
pub mod coverage;
pub mod images;
