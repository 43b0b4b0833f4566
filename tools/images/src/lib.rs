//! Image files on disk: what they are, what they hold, and how large they would be elsewhere.
//!
//! - `format`: what a format is; `formats`: all of them, a file each, and detection.
//! - [`file`](mod@file): opening any path safely, and where a file holds data.
//! - `file_device`: a file as the device that scanners read, with its reads counted.
//! - `source`: an image file of a known format, and scanning it.
//! - `map`: what an image's tables hold for each stretch of its disk.
//! - `layer`: a scan, a map with the holes of its file, and several of them as a chain.
//! - `chain`: an image and all backing files behind it.
//! - `quantity`: sizes as qemu-img reads them: `64k`, `1.5G`.
//! - `options`: `-o name=value,...` lists and their types.
//! - `target`: what to measure for: a calculator with its options.
//! - `calc_input`: a calculator's question as an input of `fuzz_measure_calc`.
//! - `inputs`: inputs of the targets in files, folders and zips.
//! - `output`: JSON and text as qemu-img lays them out.
//! - [`differential`]: model and code under test against QEMU's own tools.
//! - `seeds`: the seed corpus: real images made with qemu-img, and good calculator inputs.

#![forbid(unsafe_code)]

mod calc_input;
mod chain;
mod command;
pub mod differential;
pub mod file;
mod file_device;
mod format;
mod formats;
mod inputs;
mod layer;
mod map;
mod options;
mod output;
mod quantity;
mod seeds;
mod source;
mod target;

use std::path::Path;

pub use command::main;

/// A path as it may stand in a message of one line: quoted, control characters escaped.
fn shown(path: &Path) -> String {
    let mut text = String::from("'");
    for character in path.to_string_lossy().chars() {
        if character.is_control() {
            text.extend(character.escape_default());
        } else {
            text.push(character);
        }
    }
    text.push('\'');
    text
}
