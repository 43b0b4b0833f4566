//! Twelve faults that are planted at once, and finds of which it is known which fault each one shows.
//!
//! What a find shows is found out without triage's key: it is replayed on twelve builds, each with one of the
//! faults alone, and belongs to those on which it fails. This does that, for the shipped corpora and for what
//! engines found in a project with all twelve, and writes `finds.txt` anew:
//!
//! ```text
//! ENGINES_FINDS=…/results/finds cargo test --package lab --test triage_truth -- --ignored
//! ```
//!
//! The engines' finds in it are from ten seconds of each engine on each target, from the seeds. Of all 594 there
//! were, each was in a group of a fault that it shows; the tie of VHDX headers was found by none of them.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::fs;
use std::path::{Path, PathBuf};

/// The faults, and the group that triage makes of each.
pub(crate) const FAULTS: [(&str, &str); 12] = [
    (
        "qcow2-clusters-of-4-mib-accepted",
        "qcow2 calculator: an answer where InvalidOption is due",
    ),
    (
        "qcow2-falloc-not-preallocated",
        "qcow2 calculator: required is wrong",
    ),
    (
        "qcow2-unknown-feature-is-corrupt",
        "qcow2 scanner: Corrupt where Unsupported is due",
    ),
    (
        "qcow2-zero-flag-ignored",
        "qcow2 scanner: allocated_bytes is wrong",
    ),
    (
        "vhd-fixed-disk-larger-than-its-file-accepted",
        "vhd scanner: an answer where Corrupt is due",
    ),
    (
        "vhd-footer-copy-not-counted",
        "vhd calculator: fully_allocated is wrong",
    ),
    (
        "vhdx-bitmap-entries-forgotten",
        "vhdx calculator: fully_allocated is wrong",
    ),
    (
        "vhdx-blocks-of-512-mib-accepted",
        "vhdx calculator: an answer where InvalidOption is due",
    ),
    (
        "vhdx-header-tie-accepted",
        "vhdx scanner: an answer where Corrupt is due",
    ),
    (
        "vmdk-grain-directory-counted-once",
        "vmdk calculator: fully_allocated is wrong",
    ),
    (
        "vmdk-grain-limit-off-by-one",
        "vmdk calculator: InvalidSize where an answer is due",
    ),
    (
        "vmdk-zeroed-grain-counted",
        "vmdk scanner: allocated_bytes is wrong",
    ),
];

/// A find, and the faults that it shows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Known {
    pub(crate) target: String,
    pub(crate) faults: Vec<String>,
    pub(crate) content: Vec<u8>,
}

pub(crate) fn root() -> PathBuf {
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    above.expect("a folder above").to_owned()
}

/// The patch of a fault.
pub(crate) fn patch(fault: &str) -> PathBuf {
    root().join(format!("tools/lab/faults/{fault}.patch"))
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/planted/finds.txt")
}

/// The finds: a line each, of target, faults and content.
pub(crate) fn read() -> Vec<Known> {
    let text = fs::read_to_string(path()).expect("the finds");
    let known = text.lines().map(|line| {
        let [target, faults, hex] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("not a find: {line}");
        };
        Known {
            target: target.to_owned(),
            faults: faults.split(',').map(str::to_owned).collect(),
            content: (0..hex.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal"))
                .collect(),
        }
    });
    known.collect()
}

pub(crate) fn write(finds: &[Known]) {
    let lines = finds.iter().map(|find| {
        let bytes = find.content.iter().map(|byte| format!("{byte:02x}"));
        let hex = bytes.collect::<String>();
        format!("{} {} {hex}\n", find.target, find.faults.join(","))
    });
    fs::write(path(), lines.collect::<String>()).expect("the finds are written");
}
