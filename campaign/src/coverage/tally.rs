//! Regions, lines and functions counted while more of them are reached.

use std::collections::BTreeSet;

use super::source_map::SourceMap;

/// What was reached so far. Adding a region costs what it has in lines and functions, so that growth over
/// many inputs is counted in one pass.
#[derive(Debug)]
pub struct Tally<'a> {
    map: &'a SourceMap,
    regions: BTreeSet<usize>,
    lines: BTreeSet<usize>,
    functions: BTreeSet<usize>,
}

impl<'a> Tally<'a> {
    /// Nothing of `map`.
    #[must_use]
    pub const fn new(map: &'a SourceMap) -> Self {
        Self {
            map,
            regions: BTreeSet::new(),
            lines: BTreeSet::new(),
            functions: BTreeSet::new(),
        }
    }

    /// Adds regions by their numbers in the map. Says whether one of them is new.
    ///
    /// # Panics
    /// When the map has no region of such a number.
    pub fn add(&mut self, regions: impl IntoIterator<Item = usize>) -> bool {
        let before = self.regions.len();
        for region in regions {
            if self.regions.insert(region) {
                self.lines.extend(self.map.lines_of(region));
                self.functions.extend(self.map.functions_of(region));
            }
        }
        self.regions.len() > before
    }

    /// The numbers of the regions.
    #[must_use]
    pub const fn regions(&self) -> &BTreeSet<usize> {
        &self.regions
    }

    /// How many lines the regions touch.
    #[must_use]
    pub fn lines(&self) -> usize {
        self.lines.len()
    }

    /// How many functions have one of the regions.
    #[must_use]
    pub fn functions(&self) -> usize {
        self.functions.len()
    }
}
