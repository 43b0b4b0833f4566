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
pub(crate) fn faults() -> Vec<(&'static str, &'static str)> {
    let lines = include_str!("faults.txt").lines();
    lines
        .map(|line| line.split_once(": ").expect("a fault"))
        .collect()
}

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
