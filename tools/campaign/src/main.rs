//! `cargo campaign`: see [`campaign`].
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    campaign::main()
}
