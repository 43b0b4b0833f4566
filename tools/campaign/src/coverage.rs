//! Neutral coverage: which source regions of the code under test inputs reach, measured in the same way for
//! every engine.
//!
//! Engines count edges, each in its own unit and in binaries instrumented differently, so their numbers
//! cannot be compared. Here every kept input is replayed through one more build. It has no engine, and the
//! compiler instruments it (`-C instrument-coverage`). What is counted are regions of *source*.
//!
//! - [`neutral_build`] builds the replay worker in this way.
//! - [`regions`]: regions, and how many of them were reached: the results.
//! - [`profile`] reads the worker's profile file; [`probes`]: which sums of counters show that a region was
//!   reached; [`source_map`]: the regions of one binary with their probes.
//! - [`contents`]: where inputs come from; `worker_process`: a worker, started and asked; `batches`: many
//!   inputs through workers, some of which die; [`replay`]: what each input reached.
//! - [`lines`], [`counted`]: how many inputs executed each line, function and file; [`lcov`] and [`pages`]
//!   present that.
//!
//! One worker process replays tens of thousands of inputs a second: it takes many at once and reads its own
//! counters ([`worker::counters`]). This needs neither LLVM's tools nor a nightly compiler.

mod batches;
pub mod contents;
pub mod counted;
pub mod lcov;
pub mod lines;
pub mod neutral_build;
pub mod pages;
pub mod probes;
pub mod profile;
pub mod regions;
pub mod replay;
pub mod source_map;
mod worker_process;

pub use contents::{Contents, InMemory};
pub use neutral_build::NeutralBuild;
pub use profile::Profile;
pub use report::GrowthPoint;

pub use regions::{Growth, Portion, Region, RegionSet, Summary};
pub use replay::{Find, Hits, Input, Reached, Replay, Replayed, Verdicts, hits_class};
pub use source_map::{SourceMap, Tally};
