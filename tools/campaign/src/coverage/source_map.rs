//! The regions of the code under test, and the probes that show whether they were reached.
//!
//! A binary built for coverage has a *coverage map*: for every function its regions, each with a counter or an
//! expression over the function's counters (LLVM's "Code Coverage Mapping Format"). The map is read once, and
//! every expression becomes a probe over the counters in the worker's profile.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use llvm_profparser::coverage::coverage_mapping::read_object_file;
use llvm_profparser::coverage::{CoverageMappingInfo, FunctionRecordV3, RegionKind};

use super::probes::{Evaluation, Expressions, Probes, Sum};
use super::profile::{FunctionCounters, Profile};
use super::regions::{Portion, Region, RegionSet, Summary};
use super::worker_process;

/// The version of the raw profiles that this compiler's binaries write. It decides how the list of files in
/// the map is read. [`Profile`] refuses any other.
const PROFILE_VERSION: u64 = 10;
/// Set in a region's end column when it is a gap between regions (LLVM: `CounterMappingRegion::GapRegion`).
const GAP: usize = 1 << 31;

/// The regions of one binary's source, and its probes.
#[derive(Debug)]
pub struct SourceMap {
    /// Sorted: a region's number is its place here.
    regions: Vec<Region>,
    /// For each region the numbers of the functions that have it.
    functions_of: Vec<Vec<usize>>,
    probes: Probes,
    /// For each probe the regions that it stands for, ascending.
    regions_of: Vec<Vec<usize>>,
    /// The part of a path before the crate's name, for instance `crates/`.
    prefix: String,
}

impl SourceMap {
    /// The map of a worker built by [`NeutralBuild`](super::NeutralBuild). The worker is run once to see where
    /// it keeps its counters.
    ///
    /// Only files under `root` whose relative path begins with `prefix` count, for instance `crates/`.
    ///
    /// # Errors
    /// When the worker does not run, was not built for coverage, or has no region under `prefix`.
    pub fn of_worker(binary: &Path, root: &Path, prefix: &str) -> Result<Self> {
        let profile = worker_process::empty_run(binary)?;
        let root = root
            .canonicalize()
            .with_context(|| format!("no folder {}", root.display()))?;
        let map = read_object_file(binary, PROFILE_VERSION).with_context(|| {
            format!("{} has no coverage map that can be read", binary.display())
        })?;
        let mut copies: HashMap<u64, Vec<FunctionCounters>> = HashMap::new();
        for function in profile.functions()? {
            copies.entry(function.name_hash).or_default().push(function);
        }
        let mut builder = Builder::default();
        let mut files: HashMap<u64, Vec<Option<String>>> = HashMap::new();
        for function in &map.cov_fun {
            let files = files
                .entry(function.header.filenames_ref)
                .or_insert_with_key(|&list| files_under(&map, list, &root, prefix));
            let copies = copies.get(&function.header.name_hash);
            builder.add(function, copies.map_or(&[], Vec::as_slice), files)?;
        }
        ensure!(
            !builder.regions.is_empty(),
            "{} has no source region under {}",
            binary.display(),
            root.join(prefix).display()
        );
        Ok(builder.finish(prefix))
    }

    /// Every region.
    #[must_use]
    pub fn all(&self) -> RegionSet {
        self.regions.iter().cloned().collect()
    }

    /// The regions, each at the place that is its number.
    #[must_use]
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// The numbers of the functions that have the region of that number.
    ///
    /// # Panics
    /// When there is no such region.
    pub(super) fn functions_of(&self, region: usize) -> &[usize] {
        &self.functions_of[region]
    }

    /// The probes, by number.
    #[must_use]
    pub const fn probes(&self) -> &Probes {
        &self.probes
    }

    /// The numbers of the regions that `probe` stands for, ascending.
    ///
    /// # Panics
    /// When there is no such probe.
    #[must_use]
    pub fn regions_of_probe(&self, probe: usize) -> &[usize] {
        &self.regions_of[probe]
    }

    /// The regions of these numbers.
    ///
    /// # Panics
    /// When there is no such number.
    #[must_use]
    pub fn set(&self, numbers: &BTreeSet<usize>) -> RegionSet {
        let regions = numbers.iter().map(|&number| self.regions[number].clone());
        regions.collect()
    }

    /// The numbers of regions, ascending, without those that are not in the map.
    #[must_use]
    pub fn numbers(&self, set: &RegionSet) -> Vec<usize> {
        let number = |region| self.regions.binary_search(region).ok();
        set.iter().filter_map(number).collect()
    }

    /// The regions that a process reached which left this profile and ended in the ordinary way.
    #[must_use]
    pub fn reached_in(&self, profile: &Profile) -> RegionSet {
        let mut evaluation = Evaluation::new(&self.probes);
        let reached = evaluation.reached(&profile.counters(), true).iter();
        let numbers = reached.flat_map(|&(probe, _)| self.regions_of_probe(probe));
        self.set(&numbers.copied().collect())
    }

    /// `covered` out of everything.
    #[must_use]
    pub fn summary(&self, covered: &RegionSet) -> Summary {
        self.summary_of(covered, |_| true)
    }

    /// `covered` out of everything, by [crate](Self::crate_of).
    #[must_use]
    pub fn summary_by_crate(&self, covered: &RegionSet) -> BTreeMap<String, Summary> {
        let crates = self
            .regions
            .iter()
            .map(|region| self.crate_of(&region.file));
        let crates: BTreeSet<&str> = crates.collect();
        let summary = |name| self.summary_of(covered, |file| self.crate_of(file) == name);
        let summaries = crates
            .into_iter()
            .map(|name| (name.to_owned(), summary(name)));
        summaries.collect()
    }

    /// The crate that a file belongs to: the name of the folder after the prefix.
    #[must_use]
    pub fn crate_of<'a>(&self, file: &'a str) -> &'a str {
        let inside = file.strip_prefix(&self.prefix).unwrap_or(file);
        let mut parts = inside.split('/').filter(|part| !part.is_empty());
        parts.next().unwrap_or("")
    }

    fn summary_of(&self, covered: &RegionSet, wanted: impl Fn(&str) -> bool) -> Summary {
        let (mut reached, mut all) = (Tally::new(self), Tally::new(self));
        let numbers = self.regions.iter().enumerate();
        for (number, region) in numbers.filter(|(_, region)| wanted(&region.file)) {
            all.add([number]);
            if covered.contains(region) {
                reached.add([number]);
            }
        }
        Summary {
            regions: Portion {
                covered: reached.regions.len(),
                total: all.regions.len(),
            },
            lines: Portion {
                covered: reached.lines(),
                total: all.lines(),
            },
            functions: Portion {
                covered: reached.functions(),
                total: all.functions(),
            },
        }
    }
}

/// Counts regions, lines and functions while more regions are reached: growth over many inputs takes one pass.
#[derive(Debug)]
pub struct Tally<'a> {
    map: &'a SourceMap,
    is_reached: Vec<bool>,
    regions: BTreeSet<usize>,
    lines: BTreeSet<(&'a str, usize)>,
    functions: BTreeSet<usize>,
}

impl<'a> Tally<'a> {
    /// Nothing of `map` yet.
    #[must_use]
    pub fn new(map: &'a SourceMap) -> Self {
        Self {
            map,
            is_reached: vec![false; map.regions.len()],
            regions: BTreeSet::new(),
            lines: BTreeSet::new(),
            functions: BTreeSet::new(),
        }
    }

    /// Adds regions by their numbers in the map. Returns whether one of them is new.
    ///
    /// # Panics
    /// When the map has no region of such a number.
    pub fn add(&mut self, regions: impl IntoIterator<Item = usize>) -> bool {
        let before = self.regions.len();
        for number in regions {
            if !std::mem::replace(&mut self.is_reached[number], true) {
                let region = &self.map.regions[number];
                let lines = region.start_line..=region.end_line;
                self.lines
                    .extend(lines.map(|line| (region.file.as_str(), line)));
                self.functions.extend(self.map.functions_of(number));
                self.regions.insert(number);
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

/// The files of one of the map's lists; those not under `root` and `prefix` are `None`.
fn files_under(
    map: &CoverageMappingInfo,
    list: u64,
    root: &Path,
    prefix: &str,
) -> Vec<Option<String>> {
    let files = map.get_files_from_id(list).into_iter();
    let relative = files.map(|path| {
        let path = path.strip_prefix(root).ok()?.to_str()?;
        path.starts_with(prefix).then(|| path.to_owned())
    });
    relative.collect()
}

/// A function's place: file and start of its first region. All its copies have the same.
type FunctionPlace = (String, usize, usize);

/// Collects regions and probes while functions are read.
#[derive(Default)]
struct Builder {
    /// For each region, its probes.
    regions: BTreeMap<Region, BTreeSet<usize>>,
    functions: BTreeMap<FunctionPlace, BTreeSet<Region>>,
    /// Many regions share a sum, which is evaluated once.
    probes: HashMap<Sum, usize>,
}

impl Builder {
    /// Adds one function of the map. Without copies in the binary it was never used: its regions count as not
    /// reached.
    fn add(
        &mut self,
        function: &FunctionRecordV3,
        copies: &[FunctionCounters],
        files: &[Option<String>],
    ) -> Result<()> {
        // The record that is kept for a function that is never used has another hash.
        let copies = copies.iter();
        let copies = copies.filter(|copy| copy.structure_hash == function.header.fn_hash);
        let mut expressions = Expressions::of(function);
        let mut regions = BTreeSet::new();
        for mapped in &function.regions {
            let place = &mapped.loc;
            let is_gap = place.column_end != usize::MAX && place.column_end & GAP != 0;
            let Some(Some(file)) = files.get(mapped.file_id) else {
                continue;
            };
            if mapped.kind != RegionKind::Code || is_gap {
                continue;
            }
            let region = Region {
                file: file.clone(),
                start_line: place.line_start,
                start_column: place.column_start,
                end_line: place.line_end,
                end_column: place.column_end,
            };
            let sum = expressions.sum(mapped.count)?;
            let probes = self.regions.entry(region.clone()).or_default();
            for copy in copies.clone() {
                let sum = in_profile(&sum, copy);
                if !sum.is_empty() {
                    let next = self.probes.len();
                    probes.insert(*self.probes.entry(sum).or_insert(next));
                }
            }
            regions.insert(region);
        }
        if let Some(first) = regions.first() {
            let place = (first.file.clone(), first.start_line, first.start_column);
            self.functions
                .entry(place)
                .or_default()
                .append(&mut regions);
        }
        Ok(())
    }

    fn finish(self, prefix: &str) -> SourceMap {
        let mut regions_of = vec![Vec::new(); self.probes.len()];
        for (number, probes) in self.regions.values().enumerate() {
            for &probe in probes {
                regions_of[probe].push(number);
            }
        }
        let mut probes: Vec<(Sum, usize)> = self.probes.into_iter().collect();
        probes.sort_unstable_by_key(|&(_, number)| number);
        let regions: Vec<Region> = self.regions.into_keys().collect();
        let mut functions_of = vec![Vec::new(); regions.len()];
        for (function, of_function) in self.functions.values().enumerate() {
            for region in of_function {
                let number = regions
                    .binary_search(region)
                    .expect("every region is there");
                functions_of[number].push(function);
            }
        }
        SourceMap {
            functions_of,
            regions,
            probes: probes.into_iter().map(|(sum, _)| sum).collect(),
            regions_of,
            prefix: prefix.to_owned(),
        }
    }
}

/// `sum` over one copy of the function, by indexes in the profile. The compiler removes counters that are never
/// reached: the copy does not have them.
fn in_profile(sum: &Sum, copy: &FunctionCounters) -> Sum {
    let terms = sum
        .iter()
        .map(|(counter, &factor)| (copy.counters.start + counter, factor));
    terms
        .filter(|(counter, _)| *counter < copy.counters.end)
        .collect()
}
