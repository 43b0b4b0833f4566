//! Neutral coverage: which source regions of the code under test inputs reach, measured in the same way for
//! every engine.
//!
//! Engines count edges, each in its own unit and in binaries instrumented differently, so their numbers
//! cannot be compared. Here every kept input is replayed through one more build. It has no engine, and the
//! compiler instruments it (`-C instrument-coverage`). Source regions are counted.
//!
//! One worker process replays tens of thousands of inputs a second: it takes many at once and reads its own
//! counters ([`worker::counters`]). This needs neither LLVM's tools nor a nightly compiler.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::replay::process;

pub mod counted;
mod probes;
mod profile;
mod replay;
mod source_map;

pub use report::GrowthPoint;

pub use replay::{Contents, Hits, InMemory, Input, Replay, Replayed};
pub use source_map::{Code, Portion, Region, SourceMap, Summary, Tally};

/// The compiler's flags.
///
/// The second makes LLVM's runtime keep the counters in the profile file, where the worker reads them: see
/// [`worker::counters`]. By default the compiler counts with atomic additions, for programs whose threads
/// share counters. Those cost several times what the code under test costs: `fuzz_measure_image` took 104 µs an
/// input, and takes 17. So the passes are listed. The first makes every atomic operation an ordinary one, which
/// is correct in a worker: it has one thread, as every engine's target has. Then comes the usual optimisation,
/// which may now keep a loop's counter in a register until the loop ends.
const RUSTFLAGS: [&str; 4] = [
    "-Cinstrument-coverage",
    "-Cllvm-args=-runtime-counter-relocation",
    "-Cno-prepopulate-passes",
    "-Cpasses=function(lower-atomic) default<O3>",
];

/// Builds the replay worker of the project at `root` for coverage, in the folder `builds`: the release profile as
/// it is, assertions and all, plus counters, for one thread. Returns the binary's path.
///
/// `RUSTFLAGS` of the environment and of cargo's configuration do not apply: an engine's instrumentation must
/// not be in this build. Fails when cargo fails, with the end of what it printed.
pub fn build_worker(root: &Path, builds: &Path) -> Result<PathBuf> {
    process::build(root, builds, |cargo| {
        // With a target named, build scripts and procedural macros are compiled without counters.
        cargo
            .args(["--target", "host-tuple"])
            .env("CARGO_ENCODED_RUSTFLAGS", RUSTFLAGS.join("\x1f"));
    })
}
