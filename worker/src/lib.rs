//! The contract between a project with fuzz targets and the campaign tool.
//!
//! - [`check`]: what must hold, and how often each check was evaluated; [`checks`]: evaluated without a branch.
//! - [`answer`]: an answer as data; [`difference`]: how one deviates from another.
//! - [`violation`]: what a failed check reports, as data.
//! - [`literal`]: bytes as Rust, to print a case.
//! - [`target`]: what a project provides for each of its targets.
//! - [`replay`](mod@replay): runs one input and catches what it panics with.
//! - [`protocol`]: the requests and answers of a replay worker; [`batch`]: many inputs in one request.
//! - [`serve`](mod@serve): a worker's `main`.
//! - [`known`]: findings that a project has accepted.
//! - [`memory`]: how much memory the code under test takes.
//! - [`counters`]: how a worker reads its own coverage.
//!
//! The crate knows no disk image and no engine.
#![forbid(unsafe_code)]

pub mod answer;
pub mod batch;
pub mod check;
pub mod checks;
pub mod counters;
pub mod difference;
pub mod known;
pub mod literal;
pub mod memory;
pub mod protocol;
pub mod replay;
pub mod serve;
pub mod target;
pub mod violation;

pub use answer::{Answer, Value};
pub use check::{Check, Layer};
pub use checks::Checks;
pub use difference::Difference;
pub use known::Known;
pub use protocol::Verdict;
pub use replay::{replay, trace};
pub use serve::serve;
pub use target::{Case, Describe, Description, Events, Outcome, Part, Project, Target, TargetInfo};
pub use violation::{Crash, Place, Violation};
