//! A comparison in words and with a table: what is printed, and `summary.md`.

use std::fmt::Write as _;

use super::analysis::p_value;
use super::table::estimated;
use super::{Comparison, EngineResult, PairVerdict, TargetResult, table};
use crate::format::{counted, grouped};

/// The comparison as Markdown, fit for a CI job's page and for a terminal.
#[must_use]
pub fn markdown(comparison: &Comparison) -> String {
    let mut text = format!("## Engines compared\n\n{}\n\n", what(comparison));
    for target in &comparison.targets {
        let _ = writeln!(text, "- `{}`: {}", target.target, verdict(target));
    }
    let _ = writeln!(text, "- Finds: {}\n", finds(comparison));
    for note in &comparison.notes {
        let _ = writeln!(text, "> {note}\n");
    }
    text += &table::markdown(comparison);
    text += &reading(comparison);
    text
}

fn what(comparison: &Comparison) -> String {
    let time = humantime::format_duration(std::time::Duration::from_secs(comparison.time_seconds));
    format!(
        "{} of {time} of each engine on {}, {} at once, begun {}.",
        counted(comparison.trials, "trial", "trials"),
        counted(comparison.targets.len(), "target", "targets"),
        comparison.machine.jobs,
        comparison
            .started
            .replacen('T', " ", 1)
            .replace('Z', " UTC"),
    )
}

/// Who reached the most, by how much, and whether that is more than chance.
fn verdict(target: &TargetResult) -> String {
    let mut ranked: Vec<(&EngineResult, f64)> = target
        .engines
        .iter()
        .filter_map(|engine| Some((engine, engine.regions?.median)))
        .collect();
    ranked.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    let Some(&(_, most)) = ranked.first() else {
        return "no engine's result counts.".to_owned();
    };
    let figures = |engines: &[(&EngineResult, f64)]| -> String {
        let figures = engines
            .iter()
            .map(|(engine, _)| format!("{} {}", engine.title, estimated(engine.regions)));
        figures.collect::<Vec<_>>().join(", ")
    };
    let (first, behind) = ranked.split_at(ranked.partition_point(|(_, regions)| *regions == most));
    let what = match first {
        [_] => "most regions",
        _ => "most regions, a tie",
    };
    let total = grouped(target.total.regions as u64);
    let mut text = format!("{what}: {} of {total}", figures(first));
    if !behind.is_empty() {
        let _ = write!(text, "; then {}", figures(behind));
    }
    let _ = write!(
        text,
        ". The seeds alone reach {}, all together {}.",
        grouped(target.seeds.reach.regions as u64),
        grouped(target.union.regions as u64),
    );
    text + &differences(target)
}

/// What the tests between engines say.
fn differences(target: &TargetResult) -> String {
    let mut parts = Vec::new();
    for pair in &target.pairs {
        let contrast = &pair.regions;
        let (above, below) = if contrast.a12 >= 0.5 {
            (title(target, &pair.first), title(target, &pair.second))
        } else {
            (title(target, &pair.second), title(target, &pair.first))
        };
        if pair.verdict == PairVerdict::Differ {
            parts.push(format!(
                "{above} above {below} (p = {}, A12 = {:.2})",
                p_value(pair.adjusted_p),
                contrast.a12.max(1.0 - contrast.a12)
            ));
        }
    }
    match (target.pairs.is_empty(), parts.is_empty()) {
        (true, _) => String::new(),
        (false, true) => {
            " The trials tell no two engines apart, which does not mean that they are equal."
                .to_owned()
        }
        (false, false) => format!(" More than chance: {}.", parts.join("; ")),
    }
}

/// An engine's name as its authors write it.
fn title<'a>(target: &'a TargetResult, name: &'a str) -> &'a str {
    let engine = target.engines.iter().find(|engine| engine.engine == name);
    engine.map_or(name, |engine| &engine.title)
}

fn finds(comparison: &Comparison) -> String {
    let mut inputs: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
    for engine in comparison.targets.iter().flat_map(|target| &target.engines) {
        for group in &engine.finds {
            *inputs.entry(&group.check).or_default() += group.inputs;
        }
    }
    if inputs.is_empty() {
        return "none.".to_owned();
    }
    let groups: Vec<String> = inputs
        .iter()
        .map(|(check, inputs)| format!("`{check}` ({})", counted(*inputs, "input", "inputs")))
        .collect();
    format!("{}.", groups.join(", "))
}

fn reading(comparison: &Comparison) -> String {
    let many = if comparison.trials == 1 {
        ""
    } else {
        " Figures are medians over trials, with their 95 % intervals where they have a width; “in all trials” is \
         what an engine's trials reached together."
    };
    format!(
        "\nRegions are source regions of the code under test that the seeds and the inputs an engine kept reach on one \
         neutral build; “only here” are those that no other engine reached.{many}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Estimate, Reach, SeedsResult};

    fn engine(title: &str, median: Option<f64>) -> EngineResult {
        let json = serde_json::json!({
            "engine": title.to_lowercase(), "title": title, "command": "", "trials": [],
            "reach": { "regions": 0, "lines": 0, "functions": 0 },
            "regions": median.map(|median| Estimate { median, low: median, high: median + 1.0 }),
            "lines": null, "functions": null, "executions": null, "executions_per_second": null,
            "corpus": null, "crates": [], "only_here": [], "milestones": [], "over_time": [],
            "over_executions": [], "finds": [],
        });
        serde_json::from_value(json).unwrap()
    }

    fn said(engines: Vec<EngineResult>) -> String {
        let reach = |regions| Reach {
            regions,
            lines: 0,
            functions: 0,
        };
        verdict(&TargetResult {
            target: "fuzz_it".into(),
            drives: "it".into(),
            max_input: 1,
            dictionary: false,
            total: reach(100),
            union: reach(50),
            seeds: SeedsResult {
                inputs: 1,
                reach: reach(10),
            },
            engines,
            pairs: Vec::new(),
            regions: Vec::new(),
            survivals: Vec::new(),
            never_evaluated: Vec::new(),
        })
    }

    #[test]
    fn who_reached_the_most_is_said_and_ties_and_failures_too() {
        let first = engine("A", Some(40.0));
        let second = engine("B", Some(30.0));
        assert_eq!(
            said(vec![second.clone(), first.clone()]),
            "most regions: A 40 [40, 41] of 100; then B 30 [30, 31]. The seeds alone reach 10, all together 50."
        );
        assert!(
            said(vec![first.clone(), engine("C", Some(40.0)), second])
                .starts_with("most regions, a tie: A 40 [40, 41], C 40 [40, 41] of 100; then B 30")
        );
        assert!(
            said(vec![engine("D", None), first])
                .starts_with("most regions: A 40 [40, 41] of 100. The")
        );
        assert_eq!(said(vec![engine("D", None)]), "no engine's result counts.");
    }
}
