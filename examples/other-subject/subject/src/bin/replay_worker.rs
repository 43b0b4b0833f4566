//! The targets without an engine, on this library: see [`harness_core::worker`].
#![forbid(unsafe_code)]

fn main() -> std::io::Result<()> {
    harness_core::worker::serve(&subject::SUBJECT)
}
