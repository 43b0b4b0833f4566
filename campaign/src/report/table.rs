//! A comparison as a table, for a terminal and for Markdown alike.

use std::fmt::Write as _;

use super::{Comparison, EngineResult, TargetResult, grouped};

const HEADINGS: [&str; 8] = [
    "target",
    "engine",
    "executions",
    "executions/s",
    "corpus",
    "regions",
    "only here",
    "finds",
];

/// The comparison as a Markdown table whose columns also line up on a terminal.
#[must_use]
pub fn markdown(comparison: &Comparison) -> String {
    let mut rows: Vec<[String; 8]> = Vec::new();
    for target in &comparison.targets {
        rows.push(seeds_row(target));
        rows.extend(
            target
                .engines
                .iter()
                .map(|engine| engine_row(target, engine)),
        );
    }
    let mut widths = HEADINGS.map(|heading| heading.chars().count());
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = line(&HEADINGS.map(str::to_owned), &widths);
    for (column, width) in widths.iter().enumerate() {
        // Names to the left, figures to the right.
        let (fill, end) = if column < 2 {
            (width + 2, "")
        } else {
            (width + 1, ":")
        };
        let _ = write!(text, "|{}{end}", "-".repeat(fill));
    }
    text.push_str("|\n");
    for row in &rows {
        text += &line(row, &widths);
    }
    text
}

fn line(cells: &[String; 8], widths: &[usize; 8]) -> String {
    let mut text = String::new();
    for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
        let _ = if column < 2 {
            write!(text, "| {cell:<width$} ")
        } else {
            write!(text, "| {cell:>width$} ")
        };
    }
    text + "|\n"
}

fn seeds_row(target: &TargetResult) -> [String; 8] {
    let dash = || "–".to_owned();
    [
        target.target.clone(),
        "(seeds)".to_owned(),
        dash(),
        dash(),
        grouped(target.seeds.inputs as u64),
        portion(target.seeds.reach.regions, target.total.regions),
        dash(),
        dash(),
    ]
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate, rounded to be printed"
)]
fn engine_row(target: &TargetResult, engine: &EngineResult) -> [String; 8] {
    let finds: usize = engine.finds.iter().map(|group| group.inputs).sum();
    let trial = engine.middle();
    [
        target.target.clone(),
        if engine.failure().is_some() {
            format!("{} (failed)", engine.title)
        } else {
            engine.title.clone()
        },
        grouped(trial.map_or(0, |trial| trial.executions)),
        grouped(trial.map_or(0, |trial| trial.executions_per_second.round() as u64)),
        grouped(trial.map_or(0, |trial| trial.corpus) as u64),
        portion(engine.reach.regions, target.total.regions),
        engine.only_here.len().to_string(),
        finds.to_string(),
    ]
}

fn portion(part: usize, whole: usize) -> String {
    format!("{part} of {whole}")
}
