//! Source regions, and how many of them were reached: what coverage is counted in.

use report::GrowthPoint;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// A piece of source that is executed as a whole, as the compiler divides it: a branch of an `if`, an arm of
/// a `match`, the rest of a function.
///
/// A region is a piece of *source*. It counts once, however many copies of a generic or inlined function the
/// compiler made. As JSON it is the text that [`Display`](fmt::Display) gives.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(into = "String")]
pub struct Region {
    /// The file, relative to the project's root, for instance `crates/qcow2/src/lib.rs`.
    pub file: String,
    /// The first line, from 1.
    pub start_line: usize,
    /// The first column, from 1, in bytes.
    pub start_column: usize,
    /// The last line.
    pub end_line: usize,
    /// The column after the last.
    pub end_column: usize,
}

impl fmt::Display for Region {
    /// `crates/qcow2/src/lib.rs:12:5-14:20`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}:{}-{}:{}",
            self.file, self.start_line, self.start_column, self.end_line, self.end_column
        )
    }
}

impl From<Region> for String {
    fn from(region: Region) -> Self {
        region.to_string()
    }
}

/// Regions, in the order of files and lines.
pub type RegionSet = BTreeSet<Region>;

/// Some out of all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Portion {
    /// How many were reached.
    pub covered: usize,
    /// How many there are.
    pub total: usize,
}

/// Coverage in its three usual units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Source regions.
    pub regions: Portion,
    /// Lines that a region touches; covered when a covered region touches it.
    pub lines: Portion,
    /// Functions and closures, by the place of their source; covered when one of their regions is.
    pub functions: Portion,
}

/// How coverage grew over a campaign.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Growth {
    /// A point wherever an input reached something new, in order of time, and one for the last input.
    pub points: Vec<GrowthPoint>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_in_json_are_places_in_order() {
        let region = |start_line| Region {
            file: "crates/raw/src/lib.rs".into(),
            start_line,
            start_column: 5,
            end_line: start_line + 1,
            end_column: 9,
        };
        let json = serde_json::to_string(&RegionSet::from([10, 2].map(region))).unwrap();
        assert_eq!(
            json,
            r#"["crates/raw/src/lib.rs:2:5-3:9","crates/raw/src/lib.rs:10:5-11:9"]"#
        );
    }
}
