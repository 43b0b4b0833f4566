//! Source regions, sets of them, and their growth: what coverage is counted in.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

use report::GrowthPoint;

/// A piece of source that is executed as a whole, as the compiler cuts it: a branch of an `if`, an arm of
/// a `match`, the rest of a function.
///
/// One region is one piece of *source*: however many copies of a generic or inlined function the compiler
/// made, it counts once. As JSON it is the text that [`Display`](fmt::Display) gives.
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

/// A set of regions, in the order of files and lines.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct RegionSet(BTreeSet<Region>);

impl FromIterator<Region> for RegionSet {
    fn from_iter<I: IntoIterator<Item = Region>>(regions: I) -> Self {
        Self(regions.into_iter().collect())
    }
}

impl RegionSet {
    /// How many regions there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `region` is one of them.
    #[must_use]
    pub fn contains(&self, region: &Region) -> bool {
        self.0.contains(region)
    }

    /// The regions, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Region> {
        self.0.iter()
    }

    /// Adds those of `other`.
    pub fn extend(&mut self, other: &Self) {
        self.0.extend(other.0.iter().cloned());
    }

    /// Those in any of the sets.
    #[must_use]
    pub fn union<'a>(sets: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut all = Self::default();
        for set in sets {
            all.extend(set);
        }
        all
    }

    /// Those in this set and not in `other`: what this engine reached and the others did not.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        Self(self.0.difference(&other.0).cloned().collect())
    }

    /// Those in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0).cloned().collect())
    }
}

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

    fn region(start_line: usize) -> Region {
        Region {
            file: "crates/raw/src/lib.rs".into(),
            start_line,
            start_column: 5,
            end_line: start_line + 1,
            end_column: 9,
        }
    }

    fn set(lines: &[usize]) -> RegionSet {
        lines.iter().copied().map(region).collect()
    }

    #[test]
    fn sets_are_sets() {
        let (left, right) = (set(&[1, 2, 2, 3]), set(&[3, 10]));
        assert_eq!(left.len(), 3);
        assert_eq!(left.difference(&right), set(&[1, 2]));
        assert_eq!(left.intersection(&right), set(&[3]));
        assert_eq!(RegionSet::union([&left, &right]), set(&[1, 2, 3, 10]));
        assert!(right.contains(&region(10)) && !right.contains(&region(1)));
        assert!(RegionSet::default().is_empty() && !left.is_empty());
    }

    #[test]
    fn a_set_in_json_is_a_list_of_places_in_order() {
        let json = serde_json::to_string(&set(&[10, 2])).unwrap();
        assert_eq!(
            json,
            r#"["crates/raw/src/lib.rs:2:5-3:9","crates/raw/src/lib.rs:10:5-11:9"]"#
        );
    }
}
