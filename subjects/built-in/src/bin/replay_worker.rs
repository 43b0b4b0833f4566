//! The targets without an engine: see [`harness_core::project`].
#![forbid(unsafe_code)]

fn main() -> std::io::Result<()> {
    harness_core::project::serve(&built_in::SUBJECT)
}
