//! A comparison in words and with a table: what is printed, and `summary.md`.

use std::fmt::Write as _;

use super::table::estimated;
use super::{Comparison, EngineResult, TargetResult, counted, grouped, table};
use crate::statistics::ALPHA;

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
    let Some(&(first, most)) = ranked.first() else {
        return "no engine's result counts.".to_owned();
    };
    let seeds = target.seeds.reach.regions;
    let mut text = match ranked.get(1) {
        Some((_, second)) if *second == most => "a tie at the top; ".to_owned(),
        Some(_) => format!("{} reached the most; ", first.title),
        None => String::new(),
    };
    let figures: Vec<String> = ranked
        .iter()
        .map(|(engine, _)| format!("{} {}", engine.title, estimated(engine.regions)))
        .collect();
    let _ = write!(
        text,
        "{} of {} regions; the seeds alone {}, all together {}.",
        figures.join(", "),
        grouped(target.total.regions as u64),
        grouped(seeds as u64),
        grouped(target.union.regions as u64),
    );
    text + &differences(target)
}

/// What the tests between engines say.
fn differences(target: &TargetResult) -> String {
    let mut parts = Vec::new();
    for pair in &target.pairs {
        let contrast = &pair.regions;
        let is_more = contrast.p < ALPHA;
        let (above, below) = if contrast.a12 >= 0.5 {
            (title(target, &pair.first), title(target, &pair.second))
        } else {
            (title(target, &pair.second), title(target, &pair.first))
        };
        if is_more {
            parts.push(format!(
                "{above} above {below} (p = {:.3}, A12 = {:.2})",
                contrast.p,
                contrast.a12.max(1.0 - contrast.a12)
            ));
        }
    }
    match (target.pairs.is_empty(), parts.is_empty()) {
        (true, _) => String::new(),
        (false, true) => {
            " No difference between two engines is more than chance could make.".to_owned()
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
