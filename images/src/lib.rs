//! Image files on disk: what they are, what they hold, and how large they would be elsewhere.
//!
//! - [`format`](mod@format): the formats by qemu-img's names, detected by their first bytes.
//! - [`file_device`]: a file as the device that scanners read, with its reads counted.
//! - [`source`]: opening any path safely, and scanning what lies there.
//! - [`file_extents`]: where a file holds data, and where it has holes.
//! - [`map`]: what an image's tables hold for each stretch of its disk.
//! - [`layer`]: a map with the holes of its file, and several of them as a chain.
//! - [`backing`]: the backing file that an image names.
//! - [`chain`]: an image and all backing files behind it.
//! - [`refcounts`]: whether QEMU looks for the holes of a qcow2 file.
//! - [`extensions`]: the header extensions of a qcow2 image.
//! - [`vmdk_descriptor`]: the text descriptor of a VMDK.
//! - [`bitmaps`]: the dirty bitmaps of a qcow2 image, which `measure` has to copy.
//! - [`quantity`]: sizes as qemu-img reads them: `64k`, `1.5G`.
//! - [`options`]: `-o name=value,...` lists and their types.
//! - [`luks`]: the options of an encrypted qcow2, and the room that the LUKS header takes.
//! - [`target`]: a format to measure for, with its options: what the calculators are asked.
//! - [`target_options`]: which options each format has.
//! - [`output`]: JSON and text as qemu-img lays them out.
//! - [`sparse_file`]: an image in memory as a sparse file.
//! - [`differential`]: model and code under test against QEMU's own tools.
//! - [`seeds`]: the seed corpus: real images made with qemu-img, and good calculator inputs.

#![forbid(unsafe_code)]

pub mod backing;
pub mod bitmaps;
pub mod chain;
pub mod command;
pub mod differential;
pub mod extensions;
pub mod file_device;
pub mod file_extents;
pub mod format;
pub mod layer;
pub mod luks;
pub mod map;
pub mod options;
pub mod output;
pub mod quantity;
pub mod refcounts;
pub mod seeds;
pub mod source;
pub mod sparse_file;
pub mod target;
pub mod target_options;
pub mod vmdk_descriptor;

use std::path::Path;

/// A path as it may stand in a message of one line: quoted, control characters escaped.
#[must_use]
pub fn shown(path: &Path) -> String {
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
