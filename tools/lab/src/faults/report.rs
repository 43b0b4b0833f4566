//! What came of each fault: kept as JSON, reused while nothing that it depends on has changed, and shown
//! as a table.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use campaign::comparison::contestant::Contestant;
use campaign::comparison::hunts::{self, Hunt};
use report::format::median_time;
use serde::{Deserialize, Serialize};

/// What the figures are and are not: above every table and in the JSON.
pub(crate) const MEASURES: &str = "How strong the oracle is, by planted faults. Not a ranking of engines: \
    the faults are no sample of real ones, and one trial from one set of seeds compares nothing.";

/// What came of one fault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct FaultResult {
    pub(crate) fault: String,
    pub(crate) sentence: String,
    pub(crate) of: Basis,
    /// The targets whose shipped corpora fail, in the order of their names.
    pub(crate) corpora: Option<Vec<Caught>>,
    /// The same for the invariants alone.
    pub(crate) invariants_alone: Option<Vec<Caught>>,
    /// What each engine found, in each of its hunts.
    pub(crate) engines: BTreeMap<Contestant, Vec<Hunt>>,
    /// Why there is no result, when there is none: the patch does not apply, or a build fails.
    pub(crate) failure: Option<String>,
}

/// What a result depends on, by content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Basis {
    /// The patch, the sources that are built, the seeds.
    #[serde(flatten)]
    pub(crate) hunts: hunts::Basis,
    /// The corpora that are replayed.
    pub(crate) corpora: Option<String>,
}

/// A target whose corpus fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Caught {
    pub(crate) target: String,
    /// The checks that failed, by the number of inputs on which each was the first to.
    pub(crate) checks: BTreeMap<String, usize>,
    /// The first input that failed.
    pub(crate) input: String,
}

/// The checks that failed, the most frequent first.
pub(crate) fn checks(caught: &[Caught]) -> Vec<&str> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (check, count) in caught.iter().flat_map(|caught| &caught.checks) {
        *counts.entry(check).or_default() += count;
    }
    let mut checks: Vec<(&str, usize)> = counts.into_iter().collect();
    checks.sort_by_key(|&(check, count)| (std::cmp::Reverse(count), check));
    checks.into_iter().map(|(check, _)| check).collect()
}

impl FaultResult {
    /// Whether the shipped corpora were replayed, and pass.
    pub(crate) fn escaped(&self) -> bool {
        self.failure.is_none() && self.corpora.as_ref().is_some_and(Vec::is_empty)
    }

    /// What caught it, on a line.
    pub(crate) fn summary(&self) -> String {
        match &self.failure {
            Some(failure) => failure.clone(),
            None => self.row(&Vec::from_iter(self.engines.keys().copied()))[1..].join("; "),
        }
    }

    /// Its row in the table.
    fn row(&self, engines: &[Contestant]) -> Vec<String> {
        let none = || "–".to_owned();
        let mut cells = vec![self.fault.clone()];
        if self.failure.is_some() {
            cells.push("no result".to_owned());
            cells.resize(engines.len() + 3, none());
            return cells;
        }
        let caught_by = |caught: &Option<Vec<Caught>>, nothing: &str| match caught.as_deref() {
            None => none(),
            Some([]) => nothing.to_owned(),
            Some(caught) => checks(caught).join(", "),
        };
        cells.push(caught_by(&self.corpora, "ESCAPED"));
        cells.extend(engines.iter().map(|engine| {
            let hunts = self.engines.get(engine);
            hunts.map_or_else(none, |hunts| how_soon(hunts))
        }));
        cells.push(caught_by(&self.invariants_alone, "no"));
        cells
    }
}

/// The results as Markdown, which is also what a terminal shows: of hunts of that time by these engines.
pub(crate) fn markdown(faults: &[FaultResult], engines: &[Contestant], time: Duration) -> String {
    let titles = engines.iter().map(|engine| engine.title());
    let headings = ["fault", "shipped corpora: check"].into_iter();
    let headings = headings.chain(titles).chain(["invariants alone"]);
    let mut rows = vec![headings.map(str::to_owned).collect::<Vec<_>>()];
    rows.extend(faults.iter().map(|fault| fault.row(engines)));
    let table = report::markdown::table(&rows, rows[0].len());
    let mut text = format!("{MEASURES}\n\n{table}\n");
    if faults.iter().any(|fault| fault.corpora.is_some()) {
        let count = |of: fn(&FaultResult) -> &Option<Vec<Caught>>| {
            let caught = faults.iter().filter_map(|fault| of(fault).as_ref());
            caught.filter(|caught| !caught.is_empty()).count()
        };
        let _ = writeln!(
            text,
            "{} faults: the shipped corpora catch {}, {} of them by the invariants alone.",
            faults.len(),
            count(|fault| &fault.corpora),
            count(|fault| &fault.invariants_alone),
        );
    }
    for engine in engines {
        let hunts = faults.iter().filter_map(|fault| fault.engines.get(engine));
        let hunts: Vec<&Hunt> = hunts.flatten().collect();
        let count = |which: fn(&Hunt) -> bool| hunts.iter().filter(|hunt| which(hunt)).count();
        let _ = writeln!(
            text,
            "{}: {} of {} hunts within {} s from the seeds, {} more because a seed fails.",
            engine.title(),
            count(|hunt| hunt.find.is_some()),
            hunts.len(),
            time.as_secs(),
            count(|hunt| hunt.find.is_none() && hunt.caught()),
        );
    }
    text
}

/// How many hunts that count caught the fault, and the median time when at least half of them did.
fn how_soon(hunts: &[Hunt]) -> String {
    let counting = hunts.iter();
    let counting = counting.filter(|hunt| hunt.find.is_some() || hunt.failure.is_none());
    let mut times: Vec<Option<u64>> = counting
        .map(|hunt| hunt.find.as_ref().map(|_| hunt.time_ms))
        .collect();
    times.sort_by_key(|time| time.unwrap_or(u64::MAX));
    let median = times.get(times.len().saturating_sub(1) / 2).copied();
    let seeds = match hunts.iter().find(|hunt| hunt.seed_fails.is_some()) {
        Some(hunt) if hunt.every_seed_fails() => ", every seed fails",
        Some(_) => ", a seed fails",
        None => "",
    };
    format!(
        "{} of {}, {}{seeds}",
        times.iter().flatten().count(),
        times.len(),
        median_time(median.flatten())
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use campaign::engine::Engine;
    use serde_json::json;

    fn result(name: &str, corpora: &[(&str, usize)], hunts: &[(u64, bool)]) -> FaultResult {
        let checks: BTreeMap<&str, usize> = corpora.iter().copied().collect();
        let caught = json!({ "target": "fuzz_x", "checks": checks, "input": "x" });
        let find = json!({ "target": "fuzz_x", "check": "scan.a", "input": "y" });
        let hunts = hunts.iter().map(|(time_ms, is_caught)| {
            json!({
                "find": is_caught.then_some(&find),
                "time_ms": time_ms,
                "executions": 12_345,
                "limit_ms": 300_000,
            })
        });
        let result = json!({
            "fault": name,
            "sentence": "",
            "of": { "patch": "", "sources": "", "seeds": "" },
            "corpora": vec![caught; usize::from(!corpora.is_empty())],
            "invariants_alone": [],
            "engines": { "afl": hunts.collect::<Vec<_>>() },
        });
        serde_json::from_value(result).unwrap()
    }

    #[test]
    fn the_table_has_what_caught_a_fault_and_what_escaped() {
        let found = result("found", &[("a.a", 1), ("a.b", 3)], &[(3_190, true)]);
        let hunts = [(9_000, true), (60_000, false), (4_000, true)];
        let mut escaped = result("escaped", &[], &hunts);
        let mut broken = result("broken", &[], &[]);
        broken.failure = Some("does not apply".to_owned());
        assert!(escaped.escaped() && !found.escaped() && !broken.escaped());
        let faults = [found, escaped.clone(), broken];
        let engines = [Contestant::Alone(Engine::Afl)];
        let text = markdown(&faults, &engines, Duration::from_secs(300));
        let text = Vec::from_iter(text.split_whitespace()).join(" ");
        for expected in [
            "Not a ranking of engines",
            "| found | a.b, a.a | 1 of 1, 3.2 s | no |",
            "| escaped | ESCAPED | 2 of 3, 9.0 s | no |",
            "| broken | no result | – | – |",
            "3 faults: the shipped corpora catch 1, 0 of them",
            "AFL++: 3 of 4 hunts within 300 s",
        ] {
            assert!(text.contains(expected), "{expected}: {text}");
        }
        // A seed that fails does not hide that nothing else was found.
        for hunt in escaped.engines.values_mut().flatten() {
            (hunt.find, hunt.seed_fails) = (None, Some("a.a".to_owned()));
        }
        assert_eq!(
            escaped.summary(),
            "ESCAPED; 0 of 3, not in half, a seed fails; no"
        );
    }
}
