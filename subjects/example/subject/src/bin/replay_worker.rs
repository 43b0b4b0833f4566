//! The targets without an engine, on this library: see [`harness_core::project`].
#![forbid(unsafe_code)]

harness_core::count_memory!();

fn main() -> std::io::Result<()> {
    harness_core::project::serve(&subject::SUBJECT)
}
