//! The targets without an engine: see [`harness_core::worker`].
#![forbid(unsafe_code)]

fn main() -> std::io::Result<()> {
    harness_core::worker::serve(&built_in::SUBJECT)
}
