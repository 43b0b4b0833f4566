//! `cargo images`: see [`images`].
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    images::main()
}
