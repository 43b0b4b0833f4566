//! What came of each fault: kept as JSON, reused while nothing that it depends on has changed, and shown
//! as a table.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use campaign::comparison::contestant::Contestant;
use campaign::comparison::hunts::{self, Hunt};
use report::Machine;
use report::format::grouped;
use serde::{Deserialize, Serialize};

/// What the figures are and are not: above every table and in the JSON.
pub const MEASURES: &str = "How strong the oracle is, by planted faults. Not a ranking of engines: \
    the faults are no sample of real ones, and one trial from one set of seeds compares nothing.";

/// All of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// What the figures are and are not.
    pub measures: String,
    /// When it was made, in UTC, as RFC 3339.
    pub made: String,
    /// What it ran on.
    pub machine: Machine,
    /// How many inputs the corpora have, by target; empty when they were not replayed.
    pub corpus_inputs: BTreeMap<String, usize>,
    /// How long an engine had for a fault, in seconds.
    pub time_seconds: u64,
    /// How often each engine hunted each fault.
    pub trials: usize,
    /// The engines that were asked for.
    pub engines: Vec<Contestant>,
    /// The faults, by name.
    pub faults: Vec<FaultResult>,
}

/// What came of one fault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaultResult {
    /// The patch's name.
    pub fault: String,
    /// What is wrong, in a sentence.
    pub sentence: String,
    /// What it is modelled on.
    pub modelled_on: String,
    /// What the result depends on: the patch, the sources and the inputs, by content.
    pub of: Basis,
    /// What the shipped corpora show.
    pub corpora: Option<Replayed>,
    /// What they show to the invariants alone.
    pub invariants_alone: Option<Replayed>,
    /// What each engine found, in each of its hunts.
    pub engines: BTreeMap<Contestant, Vec<Hunt>>,
    /// Why there is no result, when there is none: the patch does not apply, or a build fails.
    pub failure: Option<String>,
}

/// What a result depends on, by content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Basis {
    /// The patch.
    pub patch: String,
    /// The sources that are built.
    pub sources: String,
    /// The shipped corpora.
    pub corpora: String,
    /// The seeds.
    pub seeds: String,
}

/// The corpora, replayed under a fault.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Replayed {
    /// The targets that noticed, in the order of their names.
    pub caught: Vec<Caught>,
}

/// A target whose corpus fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caught {
    /// The target.
    pub target: String,
    /// How many inputs were replayed until the first one failed, with that one.
    pub after: usize,
    /// The checks that failed, by the number of inputs on which each was the first to.
    pub checks: BTreeMap<String, usize>,
    /// The first input that failed.
    pub input: String,
}

impl Replayed {
    /// The checks that failed, the most frequent first.
    #[must_use]
    pub fn checks(&self) -> Vec<&str> {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for (check, count) in self.caught.iter().flat_map(|caught| &caught.checks) {
            *counts.entry(check).or_default() += count;
        }
        let mut checks: Vec<(&str, usize)> = counts.into_iter().collect();
        checks.sort_by_key(|&(check, count)| (std::cmp::Reverse(count), check));
        checks.into_iter().map(|(check, _)| check).collect()
    }
}

impl Basis {
    /// What the replays of the corpora depend on.
    #[must_use]
    pub fn replays(&self) -> [&str; 3] {
        [&self.patch, &self.sources, &self.corpora]
    }

    /// What a hunt depends on.
    #[must_use]
    pub fn hunts(&self) -> hunts::Basis {
        hunts::Basis {
            patch: self.patch.clone(),
            sources: self.sources.clone(),
            seeds: self.seeds.clone(),
        }
    }
}

impl FaultResult {
    /// Whether the shipped corpora notice it.
    #[must_use]
    pub fn caught_by_corpora(&self) -> bool {
        self.corpora
            .as_ref()
            .is_some_and(|corpora| !corpora.caught.is_empty())
    }
}

/// The report as Markdown, which is also what a terminal shows.
#[must_use]
pub fn markdown(report: &Report) -> String {
    let mut rows = vec![headings(&report.engines)];
    rows.extend(
        report
            .faults
            .iter()
            .map(|fault| row(fault, &report.engines)),
    );
    let table = report::markdown::table(&rows, rows[0].len());
    format!("{MEASURES}\n\n{table}\n{}", summary(report))
}

fn headings(engines: &[Contestant]) -> Vec<String> {
    ["fault", "shipped corpora: check", "inputs until then"]
        .into_iter()
        .chain(engines.iter().map(|engine| engine.title()))
        .chain(["invariants alone"])
        .map(str::to_owned)
        .collect()
}

fn row(fault: &FaultResult, engines: &[Contestant]) -> Vec<String> {
    let none = || "–".to_owned();
    let mut cells = vec![fault.fault.clone()];
    if fault.failure.is_some() {
        cells.push("no result".to_owned());
        cells.resize(engines.len() + 4, none());
        return cells;
    }
    match &fault.corpora {
        Some(corpora) if !corpora.caught.is_empty() => {
            cells.push(corpora.checks().join(", "));
            let until: Vec<String> = corpora
                .caught
                .iter()
                .map(|caught| format!("{} {}", short(&caught.target), caught.after))
                .collect();
            cells.push(until.join(", "));
        }
        Some(_) => cells.extend(["ESCAPED".to_owned(), none()]),
        None => cells.extend([none(), none()]),
    }
    cells.extend(engines.iter().map(|engine| {
        let hunts = fault.engines.get(engine).map_or(&[][..], Vec::as_slice);
        match hunts {
            [] => none(),
            [one] => hunt(one),
            several => several_hunts(several),
        }
    }));
    cells.push(match &fault.invariants_alone {
        Some(alone) if !alone.caught.is_empty() => format!("yes: {}", alone.checks().join(", ")),
        Some(_) => "no".to_owned(),
        None => none(),
    });
    cells
}

fn hunt(hunt: &Hunt) -> String {
    let seconds = seconds(hunt.time_ms);
    match hunt {
        Hunt { find: Some(_), .. } => format!("{seconds}, {}", grouped(hunt.executions)),
        Hunt {
            failure: Some(_), ..
        } => "failed".to_owned(),
        _ if hunt.every_seed_fails() => "every seed".to_owned(),
        Hunt {
            seed_fails: Some(_),
            ..
        } => format!(
            "a seed; else not in {seconds}, {}",
            grouped(hunt.executions)
        ),
        _ => format!("not in {seconds}, {}", grouped(hunt.executions)),
    }
}

/// How many hunts caught the fault, and the median time when at least half of them did.
fn several_hunts(hunts: &[Hunt]) -> String {
    let count = |which: fn(&Hunt) -> bool| hunts.iter().filter(|&hunt| which(hunt)).count();
    let mut text = format!(
        "{} of {}",
        count(|hunt| hunt.find.is_some()),
        count(|hunt| hunt.find.is_some() || hunt.failure.is_none())
    );
    let mut times: Vec<Option<u64>> = hunts
        .iter()
        .filter(|hunt| hunt.find.is_some() || hunt.failure.is_none())
        .map(|hunt| hunt.find.as_ref().map(|_| hunt.time_ms))
        .collect();
    times.sort_by_key(|time| time.unwrap_or(u64::MAX));
    if let Some(Some(median)) = times.get(times.len().saturating_sub(1) / 2) {
        let _ = write!(text, ", median {}", seconds(*median));
    }
    text
}

fn seconds(ms: u64) -> String {
    format!("{}.{} s", ms / 1000, ms % 1000 / 100)
}

/// A target's name without what all have in common.
fn short(target: &str) -> &str {
    target.strip_prefix("fuzz_measure_").unwrap_or(target)
}

fn summary(report: &Report) -> String {
    let faults = &report.faults;
    let count =
        |which: fn(&FaultResult) -> bool| faults.iter().filter(|&fault| which(fault)).count();
    let mut text = String::new();
    if !report.corpus_inputs.is_empty() {
        let _ = writeln!(
            text,
            "{} faults: the shipped corpora catch {}, {} of them by the invariants alone.",
            faults.len(),
            count(FaultResult::caught_by_corpora),
            count(|fault| fault
                .invariants_alone
                .as_ref()
                .is_some_and(|alone| !alone.caught.is_empty())),
        );
    }
    for engine in &report.engines {
        let hunts = || {
            let of_fault = faults.iter().filter_map(|fault| fault.engines.get(engine));
            of_fault.flatten()
        };
        let _ = writeln!(
            text,
            "{}: {} of {} hunts within {} s from the seeds, {} more because a seed fails.",
            engine.title(),
            hunts().filter(|hunt| hunt.find.is_some()).count(),
            hunts().count(),
            report.time_seconds,
            hunts()
                .filter(|hunt| hunt.find.is_none() && hunt.caught())
                .count(),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use campaign::comparison::hunts::Find;
    use campaign::engine::Engine;

    fn result(name: &str) -> FaultResult {
        FaultResult {
            fault: name.to_owned(),
            sentence: String::new(),
            modelled_on: String::new(),
            of: Basis {
                patch: String::new(),
                sources: String::new(),
                corpora: String::new(),
                seeds: String::new(),
            },
            corpora: Some(Replayed::default()),
            invariants_alone: Some(Replayed::default()),
            engines: BTreeMap::new(),
            failure: None,
        }
    }

    fn caught(target: &str, after: usize, checks: &[(&str, usize)]) -> Caught {
        Caught {
            target: target.to_owned(),
            after,
            checks: checks
                .iter()
                .map(|&(check, count)| (check.to_owned(), count))
                .collect(),
            input: "x".to_owned(),
        }
    }

    fn hunted(time_ms: u64, caught: bool) -> Hunt {
        Hunt {
            find: caught.then(|| Find {
                target: "fuzz_measure_scan".to_owned(),
                check: "scan.a".to_owned(),
                input: "y".to_owned(),
            }),
            time_ms,
            executions: 12_345,
            limit_ms: 300_000,
            seed_fails: None,
            failure: None,
        }
    }

    #[test]
    fn the_table_says_what_caught_a_fault_and_what_escaped() {
        let mut found = result("found");
        found.corpora = Some(Replayed {
            caught: vec![
                caught("fuzz_measure_image", 7, &[("image.a", 1), ("image.b", 3)]),
                caught("fuzz_measure_scan", 12, &[("scan.a", 2)]),
            ],
        });
        let afl = Contestant::Alone(Engine::Afl);
        found.engines.insert(afl, vec![hunted(3_190, true)]);
        let mut escaped = result("escaped");
        let hunts = [(9_000, true), (60_000, false), (4_000, true)];
        let hunts = hunts.map(|(time_ms, caught)| hunted(time_ms, caught));
        escaped.engines.insert(afl, hunts.into());
        let mut broken = result("broken");
        broken.failure = Some("does not apply".to_owned());
        let report = Report {
            measures: MEASURES.to_owned(),
            made: String::new(),
            machine: Machine {
                processor: String::new(),
                cores: 1,
                jobs: 1,
                system: String::new(),
                tools: Vec::new(),
            },
            corpus_inputs: [("fuzz_measure_scan".to_owned(), 12)].into(),
            time_seconds: 300,
            trials: 1,
            engines: vec![afl],
            faults: vec![found, escaped, broken],
        };
        let text = markdown(&report);
        assert!(text.starts_with("How strong the oracle is"), "{text}");
        assert!(text.contains("Not a ranking of engines"), "{text}");
        let line = |name: &str| {
            let line = text
                .lines()
                .find(|line| line.starts_with(&format!("| {name} ")));
            line.unwrap()
                .split('|')
                .map(str::trim)
                .map(|cell| cell.replace('\u{202f}', " "))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            line("found")[2..6],
            [
                "image.b, scan.a, image.a",
                "image 7, scan 12",
                "3.1 s, 12 345",
                "no"
            ]
        );
        assert_eq!(
            line("escaped")[2..6],
            ["ESCAPED", "–", "2 of 3, median 9.0 s", "no"]
        );
        assert_eq!(line("broken")[2..6], ["no result", "–", "–", "–"]);
        assert!(
            text.contains("3 faults: the shipped corpora catch 1, 0 of them"),
            "{text}"
        );
        assert!(text.contains("AFL++: 3 of 4 hunts within 300 s"), "{text}");
    }

    #[test]
    fn a_seed_that_fails_does_not_hide_that_nothing_else_was_found() {
        let mut hunt = hunted(0, false);
        hunt.executions = 0;
        hunt.seed_fails = Some("calc.x".to_owned());
        assert_eq!(super::hunt(&hunt), "every seed");
        hunt.time_ms = 300_042;
        hunt.executions = 12_345;
        assert_eq!(
            super::hunt(&hunt),
            "a seed; else not in 300.0 s, 12\u{202f}345"
        );
        hunt.seed_fails = None;
        assert_eq!(super::hunt(&hunt), "not in 300.0 s, 12\u{202f}345");
    }
}
