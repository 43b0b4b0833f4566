//! Planted faults: how strong the oracle is.
//!
//! `faults/` holds mistakes as patches against the code under test. Each is applied to a copy of the
//! project, and then asked: do the shipped corpora notice, with which check; do the invariants alone;
//! and how soon does an engine find it from the seeds.
//!
//! - [`patch`]: the faults in `faults/`, and what each says about itself.
//! - [`copy`]: the sources as they are now, and copies of them to plant faults in.
//! - [`inputs`]: the shipped corpora and the seeds, as files to replay.
//! - [`trial`]: one fault against the corpora and the engines; [`hunt`]: one engine that looks for it.
//! - [`report`]: the results: kept, reused, and as a table.

pub mod copy;
pub mod hunt;
pub mod inputs;
pub mod patch;
pub mod report;
pub mod trial;
