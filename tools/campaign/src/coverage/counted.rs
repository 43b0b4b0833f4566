//! How many inputs executed each line, function and region, by file: for the lcov tracefile and the pages.

use super::lines::FileCounts;
use super::regions::Portion;
use super::source_map::SourceMap;
use crate::reasons::function_at;
use anyhow::{Context, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// A file of the code under test.
#[derive(Debug)]
pub struct CountedFile<'a> {
    /// From the project's root.
    pub name: &'a str,
    /// Its text.
    pub source: String,
    /// Its regions.
    pub counts: FileCounts<'a>,
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

impl CountedFile<'_> {
    /// Regions that any input executed.
    #[must_use]
    pub fn regions_covered(&self) -> Portion {
        portion(self.counts.regions().iter().map(|&(_, count)| count))
    }

    /// Lines that any input executed.
    #[must_use]
    pub fn lines_covered(&self) -> Portion {
        portion(self.lines.values().copied())
    }

    /// Functions that any input entered.
    #[must_use]
    pub fn functions_covered(&self) -> Portion {
        portion(self.functions.iter().map(|function| function.count))
    }
}

fn portion(counts: impl Iterator<Item = u64>) -> Portion {
    let mut portion = Portion::default();
    for count in counts {
        portion.total += 1;
        portion.covered += usize::from(count > 0);
    }
    portion
}

/// The files of `map`, whose sources lie below `root`; `counts` has for each region how many inputs executed it.
///
/// # Errors
/// When a source file cannot be read.
pub fn files<'a>(map: &'a SourceMap, root: &Path, counts: &[u64]) -> Result<Vec<CountedFile<'a>>> {
    let mut by_file: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (number, region) in map.regions().iter().enumerate() {
        by_file.entry(&region.file).or_default().push(number);
    }
    by_file
        .into_iter()
        .map(|(name, numbers)| {
            let path = root.join(name);
            let source = fs::read_to_string(&path)
                .with_context(|| format!("{} cannot be read", path.display()))?;
            let functions = functions(map, &numbers, counts, &source);
            let regions = numbers
                .iter()
                .map(|&number| (&map.regions()[number], counts[number]));
            let regions = FileCounts::of(regions.collect());
            Ok(CountedFile {
                name,
                lines: regions.lines(),
                counts: regions,
                functions,
                source,
            })
        })
        .collect()
}

fn functions(
    map: &SourceMap,
    numbers: &[usize],
    counts: &[u64],
    source: &str,
) -> Vec<CountedFunction> {
    // Regions are in order, so that a function's first one is where it begins.
    let mut firsts: BTreeMap<usize, usize> = BTreeMap::new();
    for &region in numbers {
        for &function in map.functions_of(region) {
            firsts.entry(function).or_insert(region);
        }
    }
    let mut places: Vec<usize> = firsts.into_values().collect();
    places.sort_unstable();
    let mut names = BTreeSet::new();
    places
        .into_iter()
        .map(|region| {
            let line = map.regions()[region].start_line;
            let mut name = function_at(source, line).unwrap_or("?").to_owned();
            if !names.insert(name.clone()) {
                name = format!("{name}:{line}:{}", map.regions()[region].start_column);
                names.insert(name.clone());
            }
            CountedFunction {
                name,
                line,
                count: counts[region],
            }
        })
        .collect()
}
