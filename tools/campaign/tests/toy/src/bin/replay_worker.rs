//! The target without an engine.
#![forbid(unsafe_code)]

fn main() -> std::io::Result<()> {
    worker::serve(&toy::PROJECT)
}
