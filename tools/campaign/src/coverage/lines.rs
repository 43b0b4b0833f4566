//! Lines and pieces of lines, with how many inputs executed them, as llvm-cov has them.
//!
//! Regions may lie in one another; at any place the innermost counts. A line's count is the greatest of those of
//! the regions that begin on it and of the one that is open where it begins (`LineCoverageStats` in LLVM's
//! `lib/ProfileData/Coverage/CoverageMapping.cpp`). A line on which no region begins and none is open is no code.

use super::regions::Region;
use std::collections::{BTreeMap, BTreeSet};

/// A place in a file: a line from 1 and a column from 1, in bytes.
type Place = (usize, usize);

/// One file's regions, with how many inputs executed each.
#[derive(Debug)]
pub struct FileCounts<'a> {
    regions: Vec<(&'a Region, u64)>,
    pieces: Vec<Piece>,
}

/// A stretch of source in which one region is the innermost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Where it begins.
    pub start: Place,
    /// The place after its end.
    pub end: Place,
    /// How many inputs executed it.
    pub count: u64,
}

impl<'a> FileCounts<'a> {
    /// Of the regions of one file and their counts.
    #[must_use]
    pub fn of(regions: Vec<(&'a Region, u64)>) -> Self {
        let pieces = pieces(&regions);
        Self { regions, pieces }
    }

    /// The regions and their counts.
    #[must_use]
    pub fn regions(&self) -> &[(&'a Region, u64)] {
        &self.regions
    }

    /// Every line that is code, with its count.
    #[must_use]
    pub fn lines(&self) -> BTreeMap<usize, u64> {
        let mut lines: BTreeMap<usize, u64> = BTreeMap::new();
        let mut count = |line: usize, count: u64| {
            let most = lines.entry(line).or_default();
            *most = count.max(*most);
        };
        for (region, times) in &self.regions {
            count(region.start_line, *times);
        }
        for piece in &self.pieces {
            // Where it is open at a line's beginning: it began before the first column, or in it.
            for line in piece.start.0 + 1..=piece.end.0 {
                if (line, 1) < piece.end {
                    count(line, piece.count);
                }
            }
        }
        lines
    }

    /// The pieces of one line, from column to column, ascending; what is in none of them is no code.
    pub fn pieces_of(&self, line: usize) -> impl Iterator<Item = Piece> {
        let (start, end) = ((line, 1), (line + 1, 1));
        let of_line = self
            .pieces
            .iter()
            .filter(move |piece| piece.start < end && piece.end > start);
        of_line.map(move |piece| Piece {
            start: piece.start.max(start),
            end: piece.end.min(end),
            count: piece.count,
        })
    }
}

fn pieces(regions: &[(&Region, u64)]) -> Vec<Piece> {
    let start = |region: &Region| (region.start_line, region.start_column);
    let end = |region: &Region| (region.end_line, region.end_column);
    let bounds = regions
        .iter()
        .flat_map(|(region, _)| [start(region), end(region)]);
    let bounds: BTreeSet<Place> = bounds.collect();
    let bounds: Vec<Place> = bounds.into_iter().collect();
    bounds
        .windows(2)
        .filter_map(|bounds| {
            let open = regions
                .iter()
                .filter(|(region, _)| start(region) <= bounds[0] && bounds[0] < end(region));
            let innermost =
                open.max_by_key(|(region, _)| (start(region), std::cmp::Reverse(end(region))))?;
            Some(Piece {
                start: bounds[0],
                end: bounds[1],
                count: innermost.1,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(start: Place, end: Place) -> Region {
        Region {
            file: "f.rs".into(),
            start_line: start.0,
            start_column: start.1,
            end_line: end.0,
            end_column: end.1,
        }
    }

    /// A function of eight lines with an `if` in it and a loop of several lines in that; lines 6 and 7 are its
    /// `else`, which is on one line, and what follows it.
    #[test]
    fn the_innermost_region_counts_and_a_line_has_the_greatest_of_its_counts() {
        let all = [
            (region((1, 1), (8, 2)), 9),
            (region((2, 8), (5, 6)), 4),
            (region((3, 5), (4, 10)), 0),
            (region((6, 12), (6, 20)), 5),
        ];
        let file = FileCounts::of(all.iter().map(|(region, count)| (region, *count)).collect());
        let lines: Vec<(usize, u64)> = file.lines().into_iter().collect();
        let expected = [
            (1, 9),
            (2, 9),
            (3, 4),
            (4, 0),
            (5, 4),
            (6, 9),
            (7, 9),
            (8, 9),
        ];
        assert_eq!(lines, expected);
        let pieces = |line| -> Vec<(usize, usize, u64)> {
            let pieces = file.pieces_of(line);
            pieces
                .map(|piece| (piece.start.1, piece.end.1, piece.count))
                .collect()
        };
        assert_eq!(pieces(2), [(1, 8, 9), (8, 1, 4)]);
        assert_eq!(pieces(4), [(1, 10, 0), (10, 1, 4)]);
        assert_eq!(pieces(6), [(1, 12, 9), (12, 20, 5), (20, 1, 9)]);
        assert_eq!(pieces(9), []);
    }

    #[test]
    fn what_is_in_no_region_is_no_code() {
        let all = [region((3, 5), (3, 9)), region((7, 1), (8, 1))];
        let file = FileCounts::of(all.iter().map(|region| (region, 1)).collect());
        // The second ends before the first column of line 8.
        assert_eq!(file.lines().into_keys().collect::<Vec<_>>(), [3, 7]);
    }
}
