//! The regions of the code under test, and the counters that tell whether they were reached.
//!
//! A binary built for coverage has a *coverage map*: for every function, its regions, each with a counter or
//! an expression over the function's counters (LLVM's "Code Coverage Mapping Format"). The map is read once;
//! every expression becomes a [`Probe`], a sum over the counters' places in the profile, which the worker
//! itself evaluates after each input. So a reached region costs the campaign a look-up and nothing more.

use super::regions::{Portion, Region, RegionSet, Summary};
use super::worker_process;
use anyhow::{Context, Result, bail, ensure};
use harness_core::counters::{FunctionCounters, Probe, Probes, Profile, Snapshot};
use llvm_profparser::coverage::coverage_mapping::read_object_file;
use llvm_profparser::coverage::{
    Counter, CounterType, CoverageMappingInfo, ExprKind, FunctionRecordV3, RegionKind,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// The version of the raw profiles that this compiler's binaries write, which decides how the list of files
/// in the map is read. [`Profile`] refuses any other.
const PROFILE_VERSION: u64 = 10;
/// Set in a region's end column when it is a gap between regions (LLVM: `CounterMappingRegion::GapRegion`).
const GAP: usize = 1 << 31;

/// A function's place: file and start of its first region. All its copies have the same.
type FunctionPlace = (String, usize, usize);

/// The regions of one binary's source, and its probes.
#[derive(Debug)]
pub struct SourceMap {
    /// Sorted, so that a region's number is its place here.
    regions: Vec<Region>,
    /// The regions of each function, by number.
    functions: BTreeMap<FunctionPlace, BTreeSet<usize>>,
    probes: Probes,
    /// For each probe, the regions that it stands for.
    reached_by: Vec<BTreeSet<usize>>,
    /// The part of a path before the crate's name, for instance `crates/`.
    prefix: String,
    /// For each region the lines that it touches, by numbers over all files.
    lines_of: Vec<RangeInclusive<usize>>,
    /// For each region the functions that have it, by their places in `functions`.
    functions_of: Vec<Vec<usize>>,
}

impl SourceMap {
    /// The map of a worker built by [`NeutralBuild`](super::NeutralBuild), which is started once to see where it keeps its
    /// counters.
    ///
    /// Only files under `root` whose relative path begins with `prefix` count, for instance `crates/`.
    ///
    /// # Errors
    /// When the worker does not run, was not built for coverage, or has no region under `prefix`.
    pub fn of_worker(binary: &Path, root: &Path, prefix: &str) -> Result<Self> {
        let folder = tempfile::tempdir().context("no temporary folder")?;
        let profile = worker_process::empty_run(binary, folder.path())?;
        Self::read(binary, &profile, root, prefix)
    }

    /// The map of `binary`, one of whose profiles is given.
    ///
    /// # Errors
    /// When there is no coverage map, it does not fit the profile, or has no region under `prefix`.
    pub fn read(binary: &Path, profile: &Profile, root: &Path, prefix: &str) -> Result<Self> {
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
            let no_copies = Vec::new();
            let copies = copies.get(&function.header.name_hash).unwrap_or(&no_copies);
            builder.add(function, copies, files)?;
        }
        ensure!(
            !builder.regions.is_empty(),
            "{} has no source region under {}",
            binary.display(),
            root.join(prefix).display()
        );
        Ok(builder.finish(prefix))
    }

    /// Every region there is.
    #[must_use]
    pub fn all(&self) -> RegionSet {
        self.regions.iter().cloned().collect()
    }

    /// The regions, each at the place that is its number.
    #[must_use]
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// The numbers of lines that the region of that number touches; a line has one number whatever regions
    /// touch it.
    ///
    /// # Panics
    /// When there is no such region.
    pub(super) fn lines_of(&self, region: usize) -> RangeInclusive<usize> {
        self.lines_of[region].clone()
    }

    /// The numbers of the functions that have the region of that number.
    ///
    /// # Panics
    /// When there is no such region.
    pub(super) fn functions_of(&self, region: usize) -> &[usize] {
        &self.functions_of[region]
    }

    /// The probes for the worker.
    #[must_use]
    pub const fn probes(&self) -> &Probes {
        &self.probes
    }

    /// The numbers of the regions for which `probe` stands, ascending.
    ///
    /// # Panics
    /// When there is no such probe.
    pub fn regions_of_probe(&self, probe: usize) -> impl Iterator<Item = usize> {
        self.reached_by[probe].iter().copied()
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

    /// The numbers of regions, ascending; those that are not in the map are left out.
    #[must_use]
    pub fn numbers(&self, set: &RegionSet) -> Vec<usize> {
        let number = |region| self.regions.binary_search(region).ok();
        set.iter().filter_map(number).collect()
    }

    /// The numbers of the regions that a profile says were reached, of a process that `died` midway or did not:
    /// after a death, regions whose counter is a difference are left out, because it may be wrong.
    ///
    /// # Errors
    /// When the profile cannot be read.
    pub fn reached_in(&self, profile: &Profile, died: bool) -> Result<BTreeSet<usize>> {
        let mut snapshot = Snapshot::new(self.probes.counters());
        profile.read(&mut snapshot)?;
        let probes = (0..self.probes.len())
            .filter(|&probe| !died || self.probes.is_additive(probe))
            .filter(|&probe| self.probes.is_positive(probe, &snapshot));
        let regions = probes.flat_map(|probe| self.regions_of_probe(probe));
        Ok(regions.collect())
    }

    /// `covered` out of everything.
    #[must_use]
    pub fn summary(&self, covered: &RegionSet) -> Summary {
        self.summary_of(covered, |_| true)
    }

    /// `covered` out of everything, crate by crate: by the name of the folder after the prefix.
    #[must_use]
    pub fn summary_by_crate(&self, covered: &RegionSet) -> BTreeMap<String, Summary> {
        let names: BTreeSet<&str> = self
            .regions
            .iter()
            .map(|r| self.crate_of(&r.file))
            .collect();
        let summary = |name| self.summary_of(covered, |file| self.crate_of(file) == name);
        names
            .into_iter()
            .map(|name| (name.to_owned(), summary(name)))
            .collect()
    }

    /// The crate that a file belongs to: the name of the folder after the prefix.
    #[must_use]
    pub fn crate_of<'a>(&self, file: &'a str) -> &'a str {
        let inside = file.strip_prefix(&self.prefix).unwrap_or(file);
        inside
            .split('/')
            .find(|part| !part.is_empty())
            .unwrap_or("")
    }

    fn summary_of(&self, covered: &RegionSet, wanted: impl Fn(&str) -> bool) -> Summary {
        let regions = || self.regions.iter().filter(|region| wanted(&region.file));
        let reached = || regions().filter(|region| covered.contains(region));
        let functions = || self.functions.iter().filter(|(place, _)| wanted(&place.0));
        let is_reached = |numbers: &BTreeSet<usize>| {
            let mut regions = numbers.iter().map(|&number| &self.regions[number]);
            regions.any(|region| covered.contains(region))
        };
        Summary {
            regions: Portion {
                covered: reached().count(),
                total: regions().count(),
            },
            lines: Portion {
                covered: lines(reached()),
                total: lines(regions()),
            },
            functions: Portion {
                covered: functions()
                    .filter(|(_, numbers)| is_reached(numbers))
                    .count(),
                total: functions().count(),
            },
        }
    }
}

/// How many lines the regions touch.
fn lines<'a>(regions: impl Iterator<Item = &'a Region>) -> usize {
    let lines = regions.flat_map(|region| {
        (region.start_line..=region.end_line).map(|line| (region.file.as_str(), line))
    });
    lines.collect::<BTreeSet<_>>().len()
}

/// For each region the numbers of its lines: those of a file follow those of the file before it.
fn numbered_lines(regions: &[Region]) -> Vec<RangeInclusive<usize>> {
    let mut last_lines: BTreeMap<&str, usize> = BTreeMap::new();
    for region in regions {
        let last = last_lines.entry(&region.file).or_default();
        *last = region.end_line.max(*last);
    }
    let mut next = 0;
    let first_numbers: BTreeMap<&str, usize> = last_lines
        .into_iter()
        .map(|(file, last)| {
            let first = next;
            next += last + 1;
            (file, first)
        })
        .collect();
    regions
        .iter()
        .map(|region| {
            let first = first_numbers[region.file.as_str()];
            first + region.start_line..=first + region.end_line
        })
        .collect()
}

/// The files of one of the map's lists; those not under `root` and `prefix` are `None`.
fn files_under(
    map: &CoverageMappingInfo,
    list: u64,
    root: &Path,
    prefix: &str,
) -> Vec<Option<String>> {
    let relative = |path: &PathBuf| {
        let path = path.strip_prefix(root).ok()?.to_str()?;
        path.starts_with(prefix).then(|| path.to_owned())
    };
    map.get_files_from_id(list).iter().map(relative).collect()
}

/// Collects regions and probes while functions are read.
#[derive(Default)]
struct Builder {
    /// For each region, its probes.
    regions: BTreeMap<Region, BTreeSet<usize>>,
    functions: BTreeMap<FunctionPlace, BTreeSet<Region>>,
    /// Many regions share a sum: each is evaluated once.
    probes: HashMap<Probe, usize>,
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
        let mut sums = Sums::of(function);
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
            let sum = sums.of_counter(mapped.count)?;
            let probes = self.regions.entry(region.clone()).or_default();
            for copy in copies {
                // The record that is kept for a function that is never used has another hash.
                let same = copy.structure_hash == function.header.fn_hash;
                let probe = probe(&sum, copy)?;
                if same && !probe.terms.is_empty() {
                    let next = self.probes.len();
                    probes.insert(*self.probes.entry(probe).or_insert(next));
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
        let mut reached_by = vec![BTreeSet::new(); self.probes.len()];
        for (number, probes) in self.regions.values().enumerate() {
            for &probe in probes {
                reached_by[probe].insert(number);
            }
        }
        let mut probes: Vec<(Probe, usize)> = self.probes.into_iter().collect();
        probes.sort_unstable_by_key(|&(_, number)| number);
        let regions: Vec<Region> = self.regions.into_keys().collect();
        let number = |region: &Region| {
            regions
                .binary_search(region)
                .expect("every region is there")
        };
        let functions = self
            .functions
            .iter()
            .map(|(place, of_function)| (place.clone(), of_function.iter().map(number).collect()));
        let functions: BTreeMap<FunctionPlace, BTreeSet<usize>> = functions.collect();
        let mut functions_of = vec![Vec::new(); regions.len()];
        for (function, numbers) in functions.values().enumerate() {
            for &region in numbers {
                functions_of[region].push(function);
            }
        }
        SourceMap {
            lines_of: numbered_lines(&regions),
            functions_of,
            functions,
            regions,
            probes: probes.into_iter().map(|(probe, _)| probe).collect(),
            reached_by,
            prefix: prefix.to_owned(),
        }
    }
}

/// A function's counters by number, each with its factor.
type Sum = BTreeMap<u64, i32>;

/// The expressions of one function as sums over its counters.
struct Sums<'a> {
    function: &'a FunctionRecordV3,
    known: HashMap<u64, Sum>,
    /// Expressions being worked out, to notice a circle.
    open: usize,
}

impl<'a> Sums<'a> {
    fn of(function: &'a FunctionRecordV3) -> Self {
        Self {
            function,
            known: HashMap::new(),
            open: 0,
        }
    }

    fn of_counter(&mut self, counter: Counter) -> Result<Sum> {
        Ok(match counter.kind {
            CounterType::Zero => Sum::new(),
            CounterType::ProfileInstrumentation => Sum::from([(counter.id, 1)]),
            CounterType::Expression(_) => self.of_expression(counter.id)?,
        })
    }

    fn of_expression(&mut self, id: u64) -> Result<Sum> {
        if let Some(sum) = self.known.get(&id) {
            return Ok(sum.clone());
        }
        let expressions = &self.function.expressions;
        let expression = usize::try_from(id).ok().and_then(|id| expressions.get(id));
        let expression = expression.context("the coverage map names an expression it has not")?;
        if self.open > expressions.len() {
            bail!("the coverage map has an expression that contains itself");
        }
        self.open += 1;
        let mut sum = self.of_counter(expression.lhs)?;
        let sign = match expression.kind {
            ExprKind::Add => 1,
            ExprKind::Subtract => -1,
        };
        for (counter, factor) in self.of_counter(expression.rhs)? {
            *sum.entry(counter).or_default() += sign * factor;
        }
        self.open -= 1;
        sum.retain(|_, factor| *factor != 0);
        self.known.insert(id, sum.clone());
        Ok(sum)
    }
}

/// `sum` over one copy of the function, by places in the profile. A counter that the copy has not was
/// optimised away because it is never reached.
fn probe(sum: &Sum, copy: &FunctionCounters) -> Result<Probe> {
    let mut terms = Vec::with_capacity(sum.len());
    for (&counter, &factor) in sum {
        if counter < copy.counters.len() as u64 {
            let place = copy.counters.start as u64 + counter;
            terms.push((
                u32::try_from(place).context("more than 2^32 counters")?,
                factor,
            ));
        }
    }
    Ok(Probe { terms })
}
