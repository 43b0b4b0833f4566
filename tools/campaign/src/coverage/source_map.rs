//! The regions of the code under test, and the probes that show whether they were reached.
//!
//! A binary built for coverage has a *coverage map*: for every function its regions, each with a counter or an
//! expression over the function's counters (LLVM's "Code Coverage Mapping Format"). The map is read once, and
//! every expression becomes a probe over the counters in the worker's profile.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use llvm_profparser::coverage::coverage_mapping::read_object_file;
use llvm_profparser::coverage::{CoverageMappingInfo, FunctionRecordV3, RegionKind};
use report::Reach;
use serde::Serialize;

use super::probes::{self, Probes, Sum};
use super::profile::{FunctionCounters, Profile};

/// The version of the raw profiles that this compiler's binaries write. It decides how the list of files in
/// the map is read. [`Profile`] refuses any other.
const PROFILE_VERSION: u64 = 10;
/// Set in a region's end column when it is a gap between regions (LLVM: `CounterMappingRegion::GapRegion`).
const GAP: usize = 1 << 31;

/// A piece of source that is executed as a whole, as the compiler divides it: a branch of an `if`, an arm of
/// a `match`, the rest of a function.
///
/// It counts once, however many copies of a generic or inlined function the compiler made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region {
    /// The file, for instance `crates/qcow2/src/lib.rs`: see [`SourceMap::path`].
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

/// Some out of all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Portion {
    /// How many were reached.
    pub covered: usize,
    /// How many there are.
    pub total: usize,
}

/// Coverage in its three usual units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Source regions.
    pub regions: Portion,
    /// Lines that a region touches; covered when a covered region touches it.
    pub lines: Portion,
    /// Functions and closures, by the place of their source; covered when one of their regions is.
    pub functions: Portion,
}

impl Summary {
    fn of(covered: Reach, total: Reach) -> Self {
        let portion = |covered, total| Portion { covered, total };
        Self {
            regions: portion(covered.regions, total.regions),
            lines: portion(covered.lines, total.lines),
            functions: portion(covered.functions, total.functions),
        }
    }
}

/// The regions of one binary's source, and its probes. Regions go by their numbers, in the order of files and lines.
#[derive(Debug, Default)]
pub struct SourceMap {
    regions: Vec<Region>,
    /// For each region the numbers of the functions that have it.
    pub(super) functions_of: Vec<BTreeSet<usize>>,
    pub(super) probes: Probes,
    /// For each probe the regions that it stands for, ascending.
    pub(super) regions_of: Vec<Vec<usize>>,
    code: Vec<Code>,
}

/// A folder with code under test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// The folder from which its files are named, without links.
    base: PathBuf,
    /// What their names begin with.
    prefix: String,
    /// The part of a name that comes before the crate's.
    before_crate: String,
}

impl Code {
    /// The files below `root` whose names from there begin with `prefix`, as `crates/`. A crate is a folder behind it.
    pub fn folder(root: &Path, prefix: &str) -> Self {
        Self {
            base: root.canonicalize().unwrap_or_else(|_| root.to_owned()),
            prefix: prefix.to_owned(),
            before_crate: prefix.to_owned(),
        }
    }

    /// The files of the package with this manifest, and not those of packages in folders of it. A name begins with
    /// the package's folder, as `imago-0.2.6/`.
    pub fn package(manifest: &Path) -> Self {
        let folder = manifest.parent().unwrap_or(manifest);
        let name = folder.file_name().unwrap_or_default();
        Self {
            base: folder.parent().unwrap_or(folder).to_owned(),
            prefix: format!("{}/", name.display()),
            before_crate: String::new(),
        }
    }

    /// What the names of its files begin with.
    pub(crate) fn name(&self) -> &str {
        &self.prefix
    }

    /// The name of a file, if it is one of these.
    fn name_of(&self, path: &Path) -> Option<String> {
        let name = path.strip_prefix(&self.base).ok()?.to_str()?;
        let is_package = self.before_crate.is_empty();
        let folder = self.base.join(&self.prefix);
        let mut within = path
            .ancestors()
            .skip(1)
            .take_while(|&above| above != folder);
        let is_of_another = is_package && within.any(|above| above.join("Cargo.toml").is_file());
        (name.starts_with(&self.prefix) && !is_of_another).then(|| name.to_owned())
    }
}

impl SourceMap {
    /// The map of a worker built [for coverage](super::build_worker). The worker is run once to see where it keeps
    /// its counters.
    ///
    /// Only the files of `code` count. Fails when the worker does not run, was not built for coverage, or has no region
    /// of `code`.
    pub fn of_worker(binary: &Path, code: Vec<Code>) -> Result<Self> {
        let profile = Profile::of_empty_run(binary)?;
        let map = read_object_file(binary, PROFILE_VERSION).with_context(|| {
            format!("{} has no coverage map that can be read", binary.display())
        })?;
        let mut copies: HashMap<u64, Vec<FunctionCounters>> = HashMap::new();
        for function in profile.functions()? {
            copies.entry(function.name_hash).or_default().push(function);
        }
        let mut builder = Builder::default();
        for function in &map.cov_fun {
            let files = files_of(&map, function.header.filenames_ref, &code);
            let copies = copies.get(&function.header.name_hash);
            builder.add(function, copies.map_or(&[], Vec::as_slice), &files)?;
        }
        let places = code.iter().map(|code| code.base.join(&code.prefix));
        let places: Vec<String> = places.map(|place| place.display().to_string()).collect();
        ensure!(
            !builder.regions.is_empty(),
            "{} has no source region under {}",
            binary.display(),
            places.join(" or ")
        );
        Ok(builder.finish(code))
    }

    /// The regions, each at the place that is its number.
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// `covered` out of everything.
    pub fn summary(&self, covered: &BTreeSet<usize>) -> Summary {
        self.summary_of(covered, |_| true)
    }

    /// `covered` out of everything, by crate.
    pub fn summary_by_crate(&self, covered: &BTreeSet<usize>) -> BTreeMap<String, Summary> {
        let files = self.regions.iter().map(|region| &region.file);
        let crates: BTreeSet<&str> = files.map(|file| self.crate_of(file)).collect();
        let summary = |name| self.summary_of(covered, |file| self.crate_of(file) == name);
        let summaries = crates
            .into_iter()
            .map(|name| (name.to_owned(), summary(name)));
        summaries.collect()
    }

    /// The path of a file.
    pub fn path(&self, file: &str) -> PathBuf {
        let code = self.code_of(file);
        code.map_or_else(PathBuf::new, |code| code.base.join(file))
    }

    fn code_of(&self, file: &str) -> Option<&Code> {
        self.code.iter().find(|code| file.starts_with(&code.prefix))
    }

    /// The crate that a file belongs to.
    pub(crate) fn crate_of<'a>(&self, file: &'a str) -> &'a str {
        let before = self.code_of(file).map_or("", |code| &code.before_crate);
        let inside = file.strip_prefix(before).unwrap_or(file);
        let mut parts = inside.split('/').filter(|part| !part.is_empty());
        parts.next().unwrap_or("")
    }

    fn summary_of(&self, covered: &BTreeSet<usize>, wanted: impl Fn(&str) -> bool) -> Summary {
        let (mut reached, mut all) = (Tally::new(self), Tally::new(self));
        for (number, region) in self.regions.iter().enumerate() {
            if wanted(&region.file) {
                all.add([number]);
                reached.add(covered.get(&number).copied());
            }
        }
        Summary::of(reached.reach(), all.reach())
    }
}

/// Counts regions, lines and functions while more regions are reached: growth over many inputs takes one pass.
#[derive(Debug)]
pub struct Tally<'a> {
    map: &'a SourceMap,
    is_reached: Vec<bool>,
    regions: usize,
    lines: BTreeSet<(&'a str, usize)>,
    functions: BTreeSet<usize>,
}

impl<'a> Tally<'a> {
    pub(crate) fn new(map: &'a SourceMap) -> Self {
        Self {
            map,
            is_reached: vec![false; map.regions.len()],
            regions: 0,
            lines: BTreeSet::new(),
            functions: BTreeSet::new(),
        }
    }

    /// Adds regions by their numbers in the map. Returns whether one of them is new.
    pub(crate) fn add(&mut self, regions: impl IntoIterator<Item = usize>) -> bool {
        let before = self.regions;
        for number in regions {
            if !std::mem::replace(&mut self.is_reached[number], true) {
                let region = &self.map.regions[number];
                let lines = region.start_line..=region.end_line;
                self.lines
                    .extend(lines.map(|line| (region.file.as_str(), line)));
                self.functions.extend(&self.map.functions_of[number]);
                self.regions += 1;
            }
        }
        self.regions > before
    }

    pub(crate) fn regions(&self) -> BTreeSet<usize> {
        let numbers = 0..self.is_reached.len();
        numbers.filter(|&number| self.is_reached[number]).collect()
    }

    /// How many regions there are, how many lines they touch, and how many functions have one of them.
    pub(crate) fn reach(&self) -> Reach {
        Reach {
            regions: self.regions,
            lines: self.lines.len(),
            functions: self.functions.len(),
        }
    }
}

/// The files of one of the map's lists; those that are not of `code` are `None`.
fn files_of(map: &CoverageMappingInfo, list: u64, code: &[Code]) -> Vec<Option<String>> {
    let files = map.get_files_from_id(list).into_iter();
    let named = files.map(|path| code.iter().find_map(|code| code.name_of(&path)));
    named.collect()
}

/// Collects regions and probes while functions are read.
#[derive(Default)]
struct Builder {
    /// For each region the numbers of its probes and of its functions.
    regions: BTreeMap<Region, [BTreeSet<usize>; 2]>,
    /// The numbers of functions by file and start of their first region. All copies of a function have the same.
    functions: HashMap<(String, usize, usize), usize>,
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
        let copies = copies
            .iter()
            .filter(|copy| copy.structure_hash == function.header.fn_hash);
        let mut regions: BTreeMap<Region, Vec<Sum>> = BTreeMap::new();
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
            let sum = probes::sum(function, mapped.count, 0)?;
            let sums = copies.clone().map(|copy| in_profile(&sum, copy));
            let sums = sums.filter(|sum| !sum.is_empty());
            regions.entry(region).or_default().extend(sums);
        }
        let Some((first, _)) = regions.first_key_value() else {
            return Ok(());
        };
        let place = (first.file.clone(), first.start_line, first.start_column);
        let function = number(&mut self.functions, place);
        for (region, sums) in regions {
            let [probes, functions] = self.regions.entry(region).or_default();
            functions.insert(function);
            probes.extend(sums.into_iter().map(|sum| number(&mut self.probes, sum)));
        }
        Ok(())
    }

    fn finish(self, code: Vec<Code>) -> SourceMap {
        let mut sums = vec![Sum::new(); self.probes.len()];
        for (sum, number) in self.probes {
            sums[number] = sum;
        }
        let mut map = SourceMap {
            regions_of: vec![Vec::new(); sums.len()],
            probes: sums.into_iter().collect(),
            code,
            ..SourceMap::default()
        };
        for (number, (region, [probes, functions])) in self.regions.into_iter().enumerate() {
            for probe in probes {
                map.regions_of[probe].push(number);
            }
            map.regions.push(region);
            map.functions_of.push(functions);
        }
        map
    }
}

/// The number of `item`: the next one when it has none.
fn number<T: std::hash::Hash + Eq>(numbers: &mut HashMap<T, usize>, item: T) -> usize {
    let next = numbers.len();
    *numbers.entry(item).or_insert(next)
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
