//! How many inputs executed each line and function, by file: as an lcov tracefile, which genhtml, editors and
//! code-review services read ("TRACEFILE FORMAT" in geninfo's manual), and as genhtml's pages. Where lcov has how often a
//! line was executed, this has how many inputs executed it.
//!
//! Regions may lie in one another; at any place the innermost counts. A line's count is the greatest of those of
//! the regions that begin on it and of the one that is open where it begins (`LineCoverageStats` in LLVM's
//! `lib/ProfileData/Coverage/CoverageMapping.cpp`). A line on which no region begins and none is open is no code.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use fs_err as fs;

use super::source_map::{Region, SourceMap};
use crate::reasons::function_at;

/// A file of the code under test.
#[derive(Debug)]
pub struct CountedFile<'a> {
    /// From the project's root.
    pub name: &'a str,
    /// Where it is.
    pub path: PathBuf,
    /// Its lines that are code, and how many inputs executed each.
    pub lines: BTreeMap<usize, u64>,
    /// Its functions, in the order of their lines.
    pub functions: Vec<CountedFunction>,
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

/// The files of `map`; `counts` has for each region how many inputs executed it. Fails when a source file cannot be
/// read.
pub fn files<'a>(map: &'a SourceMap, counts: &[u64]) -> Result<Vec<CountedFile<'a>>> {
    let mut by_file: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (number, region) in map.regions().iter().enumerate() {
        by_file.entry(&region.file).or_default().push(number);
    }
    let file = |(name, numbers): (&'a str, Vec<usize>)| {
        let path = map.path(name);
        let source = fs::read_to_string(&path)?;
        let regions: Vec<(&Region, u64)> = numbers
            .iter()
            .map(|&number| (&map.regions()[number], counts[number]))
            .collect();
        Ok(CountedFile {
            name,
            path,
            lines: lines(&regions),
            functions: functions(map, &numbers, counts, &source),
        })
    };
    by_file.into_iter().map(file).collect()
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

/// Every line that is code, with its count.
fn lines(regions: &[(&Region, u64)]) -> BTreeMap<usize, u64> {
    let start = |region: &Region| (region.start_line, region.start_column);
    let end = |region: &Region| (region.end_line, region.end_column);
    // The innermost region that is open where a line begins.
    let open = |line| {
        let place = (line, 1);
        let open = regions
            .iter()
            .filter(|(region, _)| start(region) <= place && place < end(region));
        let innermost = open.max_by_key(|(region, _)| (start(region), Reverse(end(region))))?;
        Some((line, innermost.1))
    };
    let last = regions.iter().map(|(region, _)| region.end_line).max();
    let open = (1..=last.unwrap_or(0)).filter_map(open);
    let begin = regions
        .iter()
        .map(|(region, count)| (region.start_line, *count));
    let mut lines: BTreeMap<usize, u64> = BTreeMap::new();
    for (line, count) in begin.chain(open) {
        let most = lines.entry(line).or_default();
        *most = count.max(*most);
    }
    lines
}

/// The tracefile of `files`. Paths are from the project's root, so that it is the same on every machine: genhtml is
/// started there.
pub fn tracefile(files: &[CountedFile<'_>]) -> String {
    let records = files.iter().map(|file| record(file, file.name));
    records.collect()
}

/// Has genhtml write pages of `files` into `folder`, an index and every file's source. Fails when genhtml is not
/// installed or fails.
pub(crate) fn pages(folder: &Path, files: &[CountedFile<'_>], title: &str) -> Result<()> {
    let trace = tempfile::NamedTempFile::new().context("no temporary file")?;
    let records = files
        .iter()
        .map(|file| record(file, &file.path.to_string_lossy()));
    fs::write(trace.path(), records.collect::<String>())?;
    let output = Command::new("genhtml")
        .args(["--quiet", "--title", title, "--output-directory"])
        .args([folder, trace.path()])
        .output()
        .context("genhtml cannot be run; `apt-get install lcov` installs it")?;
    let why = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "genhtml failed:\n{why}");
    Ok(())
}

fn record(file: &CountedFile<'_>, path: &str) -> String {
    let mut text = format!("TN:\nSF:{path}\n");
    for function in &file.functions {
        text += &format!("FN:{},{}\n", function.line, function.name);
    }
    for function in &file.functions {
        text += &format!("FNDA:{},{}\n", function.count, function.name);
    }
    let functions = file.functions.iter();
    let entered = functions.filter(|function| function.count > 0).count();
    text += &format!("FNF:{}\nFNH:{entered}\n", file.functions.len());
    for (number, count) in &file.lines {
        text += &format!("DA:{number},{count}\n");
    }
    let executed = file.lines.values().filter(|&&count| count > 0).count();
    text + &format!("LF:{}\nLH:{executed}\nend_of_record\n", file.lines.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Place = (usize, usize);

    fn region(start: Place, end: Place) -> Region {
        Region {
            file: "f.rs".into(),
            start_line: start.0,
            start_column: start.1,
            end_line: end.0,
            end_column: end.1,
        }
    }

    fn counted(all: &[(Region, u64)]) -> Vec<(usize, u64)> {
        let regions: Vec<_> = all.iter().map(|(region, count)| (region, *count)).collect();
        lines(&regions).into_iter().collect()
    }

    /// A function of eight lines with an `if` in it and a loop of several lines in that; lines 6 and 7 are its
    /// `else`, which is on one line, and what follows it.
    #[test]
    fn the_innermost_region_counts_and_a_line_has_the_greatest_of_its_counts() {
        let lines = counted(&[
            (region((1, 1), (8, 2)), 9),
            (region((2, 8), (5, 6)), 4),
            (region((3, 5), (4, 10)), 0),
            (region((6, 12), (6, 20)), 5),
        ]);
        assert_eq!(
            lines,
            (1..).zip([9, 9, 4, 0, 4, 9, 9, 9]).collect::<Vec<_>>()
        );
    }

    #[test]
    fn lines_outside_of_regions_are_no_code() {
        let all = [region((3, 5), (3, 9)), region((7, 1), (8, 1))];
        // The second ends before the first column of line 8.
        let lines = counted(&all.map(|region| (region, 1)));
        assert_eq!(lines, [(3, 1), (7, 1)]);
    }
}
