//! How many inputs executed each line, function and region, by file: for the lcov tracefile and the pages.
//!
//! Regions may lie in one another; at any place the innermost counts. A line's count is the greatest of those of
//! the regions that begin on it and of the one that is open where it begins (`LineCoverageStats` in LLVM's
//! `lib/ProfileData/Coverage/CoverageMapping.cpp`). A line on which no region begins and none is open is no code.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context, Result};

use super::source_map::{Portion, Region, SourceMap, Summary};
use crate::reasons::function_at;

/// A file of the code under test.
#[derive(Debug)]
pub struct CountedFile<'a> {
    /// From the project's root.
    pub name: &'a str,
    /// Its text.
    pub source: String,
    /// Its pieces of code, in their order.
    pub(super) pieces: Vec<Piece>,
    /// Its lines that are code, and how many inputs executed each.
    pub lines: BTreeMap<usize, u64>,
    /// Its functions, in the order of their lines.
    pub functions: Vec<CountedFunction>,
    /// What any input executed.
    pub summary: Summary,
}

/// A function or closure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountedFunction {
    /// Its name; with its line when another of the file's functions, a closure in it for instance, has it too.
    pub name: String,
    /// The line on which it begins.
    pub line: usize,
    /// How many inputs entered it.
    pub count: u64,
}

/// A line from 1 and a column from 1, in bytes.
type Place = (usize, usize);

/// A stretch of source in which one region is the innermost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) start: Place,
    /// The place after its end.
    pub(super) end: Place,
    /// How many inputs executed it.
    pub(super) count: u64,
}

/// The files of `map`; `counts` has for each region how many inputs executed it.
///
/// # Errors
/// When a source file cannot be read.
pub fn files<'a>(map: &'a SourceMap, counts: &[u64]) -> Result<Vec<CountedFile<'a>>> {
    let mut by_file: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (number, region) in map.regions().iter().enumerate() {
        by_file.entry(&region.file).or_default().push(number);
    }
    let file = |(name, numbers): (&'a str, Vec<usize>)| {
        let path = map.path(name);
        let source = fs::read_to_string(&path)
            .with_context(|| format!("{} cannot be read", path.display()))?;
        let regions: Vec<(&Region, u64)> = numbers
            .iter()
            .map(|&number| (&map.regions()[number], counts[number]))
            .collect();
        let pieces = pieces(&regions);
        let lines = lines(&regions, &pieces);
        let functions = functions(map, &numbers, counts, &source);
        let summary = Summary {
            regions: portion(regions.iter().map(|(_, count)| *count)),
            lines: portion(lines.values().copied()),
            functions: portion(functions.iter().map(|function| function.count)),
        };
        Ok(CountedFile {
            name,
            source,
            pieces,
            lines,
            functions,
            summary,
        })
    };
    by_file.into_iter().map(file).collect()
}

fn portion(counts: impl Iterator<Item = u64>) -> Portion {
    let mut portion = Portion::default();
    for count in counts {
        portion.total += 1;
        portion.covered += usize::from(count > 0);
    }
    portion
}

fn functions(
    map: &SourceMap,
    numbers: &[usize],
    counts: &[u64],
    source: &str,
) -> Vec<CountedFunction> {
    // Regions are in order, so that a function's first one is where it begins.
    let (mut seen, mut names) = (BTreeSet::new(), BTreeSet::new());
    let mut functions = Vec::new();
    for &number in numbers {
        let region = &map.regions()[number];
        let line = region.start_line;
        for _ in map.functions_of[number]
            .iter()
            .filter(|&&function| seen.insert(function))
        {
            let mut name = function_at(source, line).unwrap_or("?").to_owned();
            if !names.insert(name.clone()) {
                name = format!("{name}:{line}:{}", region.start_column);
                names.insert(name.clone());
            }
            functions.push(CountedFunction {
                name,
                line,
                count: counts[number],
            });
        }
    }
    functions
}

fn pieces(regions: &[(&Region, u64)]) -> Vec<Piece> {
    let start = |region: &Region| (region.start_line, region.start_column);
    let end = |region: &Region| (region.end_line, region.end_column);
    let bounds = regions
        .iter()
        .flat_map(|(region, _)| [start(region), end(region)]);
    let bounds: BTreeSet<Place> = bounds.collect();
    let bounds: Vec<Place> = bounds.into_iter().collect();
    let piece = |bounds: &[Place]| {
        let open = regions
            .iter()
            .filter(|(region, _)| start(region) <= bounds[0] && bounds[0] < end(region));
        let innermost = open.max_by_key(|(region, _)| (start(region), Reverse(end(region))))?;
        Some(Piece {
            start: bounds[0],
            end: bounds[1],
            count: innermost.1,
        })
    };
    bounds.windows(2).filter_map(piece).collect()
}

/// Every line that is code, with its count.
fn lines(regions: &[(&Region, u64)], pieces: &[Piece]) -> BTreeMap<usize, u64> {
    let begin = regions
        .iter()
        .map(|(region, count)| (region.start_line, *count));
    // Those that are open at a line's beginning: they began before the first column, or in it.
    let open = pieces.iter().flat_map(|piece| {
        let lines = piece.start.0 + 1..=piece.end.0;
        let lines = lines.filter(|&line| (line, 1) < piece.end);
        lines.map(|line| (line, piece.count))
    });
    let mut lines: BTreeMap<usize, u64> = BTreeMap::new();
    for (line, count) in begin.chain(open) {
        let most = lines.entry(line).or_default();
        *most = count.max(*most);
    }
    lines
}

/// The pieces of one line, from column to column, ascending; the rest of the line is no code.
pub(super) fn pieces_of(pieces: &[Piece], line: usize) -> impl Iterator<Item = Piece> {
    let (start, end) = ((line, 1), (line + 1, 1));
    let of_line = pieces
        .iter()
        .filter(move |piece| piece.start < end && piece.end > start);
    of_line.map(move |piece| Piece {
        start: piece.start.max(start),
        end: piece.end.min(end),
        count: piece.count,
    })
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

    fn counted(all: &[(Region, u64)]) -> (Vec<Piece>, Vec<(usize, u64)>) {
        let regions: Vec<_> = all.iter().map(|(region, count)| (region, *count)).collect();
        let pieces = pieces(&regions);
        let lines = lines(&regions, &pieces).into_iter().collect();
        (pieces, lines)
    }

    /// A function of eight lines with an `if` in it and a loop of several lines in that; lines 6 and 7 are its
    /// `else`, which is on one line, and what follows it.
    #[test]
    fn the_innermost_region_counts_and_a_line_has_the_greatest_of_its_counts() {
        let (all, lines) = counted(&[
            (region((1, 1), (8, 2)), 9),
            (region((2, 8), (5, 6)), 4),
            (region((3, 5), (4, 10)), 0),
            (region((6, 12), (6, 20)), 5),
        ]);
        assert_eq!(
            lines,
            (1..).zip([9, 9, 4, 0, 4, 9, 9, 9]).collect::<Vec<_>>()
        );
        let pieces = |line| -> Vec<(usize, usize, u64)> {
            let pieces = pieces_of(&all, line);
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
    fn lines_outside_of_regions_are_no_code() {
        let all = [region((3, 5), (3, 9)), region((7, 1), (8, 1))];
        // The second ends before the first column of line 8.
        let (_, lines) = counted(&all.map(|region| (region, 1)));
        assert_eq!(lines, [(3, 1), (7, 1)]);
    }
}
