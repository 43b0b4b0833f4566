//! The neutral coverage: which source regions of the code under test inputs reach, measured in the same
//! way for every engine.
//!
//! Engines count edges, each in its own unit and in binaries instrumented differently, so their numbers
//! cannot be compared. Here every kept input is replayed through one more build, without an engine and
//! instrumented by the compiler (`-C instrument-coverage`), and what is counted are regions of *source*.
//!
//! - [`NeutralBuild`] builds the replay worker so ([`neutral_build`]).
//! - [`SourceMap`] knows the regions and how counters tell that they were reached ([`source_map`]).
//! - [`Replay`] feeds inputs to the worker and says what each reached ([`replay`]).
//! - [`Tally`] counts regions, lines and functions while more are reached ([`tally`]).
//! - [`Region`], [`RegionSet`], [`Growth`] are the results ([`regions`]).
//! - [`counted`], [`lines`]: how many inputs executed each file, function and line; [`lcov`], [`pages`]: for others to read.
//!
//! One worker process replays tens of thousands of inputs a second: it takes many at once and reads its own counters
//! ([`harness_core::counters`]). Neither LLVM's tools nor a nightly compiler are needed.

mod batches;
pub mod contents;
pub mod counted;
pub mod lcov;
pub mod lines;
pub mod neutral_build;
pub mod pages;
pub mod regions;
pub mod replay;
pub mod source_map;
pub mod tally;
mod worker_process;

pub use contents::Contents;
pub use neutral_build::NeutralBuild;
pub use report::GrowthPoint;

pub use regions::{Growth, Portion, Region, RegionSet, Summary};
pub use replay::{Find, Hits, Input, Reached, Replay, Replayed, Traced, Verdicts, hits_class};
pub use source_map::SourceMap;
pub use tally::Tally;
