//! Planted faults: how strong the oracle is.
//!
//! `tools/lab/faults/` holds mistakes as patches against the code under test. Each is applied to a copy of the
//! project. Do the shipped corpora notice, and by which check? Do the invariants alone? How soon does an
//! engine find it from the seeds?
//!
//! - [`patch`]: the faults in `tools/lab/faults/`, and what each states about itself.
//! - `inputs`: the shipped corpora and the seeds, as files to replay.
//! - `report`: the results as a table and as JSON.
//! - `trial`: one fault against the corpora and the engines, of which `hunt` is one from the seeds.

mod hunt;
mod inputs;
pub mod patch;
pub(crate) mod report;
pub(crate) mod trial;

/// The folder of the patches, from the project's root.
pub const FOLDER: &str = "tools/lab/faults";
