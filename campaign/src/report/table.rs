//! A comparison as a table, for a terminal and for Markdown alike.

use std::fmt::Write as _;

use super::{Comparison, EngineResult, Estimate, TargetResult, grouped};

/// How many columns hold names, which stand to the left; figures stand to the right.
const NAMES: usize = 2;

/// The comparison as a Markdown table whose columns also line up on a terminal. With one trial of each engine
/// the figures are that trial's; with more they are medians, each with the interval in which the median lies
/// with 95 % confidence.
#[must_use]
pub fn markdown(comparison: &Comparison) -> String {
    let mut rows: Vec<Vec<String>> = Vec::new();
    let headings: &[&str] = if comparison.trials == 1 {
        for target in &comparison.targets {
            rows.push(seeds_row(target));
            let engines = target.engines.iter();
            rows.extend(engines.map(|engine| single_row(target, engine)));
        }
        &[
            "target",
            "engine",
            "executions",
            "executions/s",
            "corpus",
            "regions",
            "only here",
            "finds",
        ]
    } else {
        for target in &comparison.targets {
            rows.push(seeds_rows_of_many(target));
            let engines = target.engines.iter();
            rows.extend(engines.map(|engine| row_of_many(target, engine)));
        }
        &[
            "target",
            "engine",
            "trials",
            "executions/s",
            "corpus",
            "regions (median)",
            "in all trials",
            "only here",
            "finds",
        ]
    };
    laid_out(headings, &rows)
}

/// Lines up a table.
fn laid_out(headings: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = headings
        .iter()
        .map(|heading| heading.chars().count())
        .collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = line(headings, &widths);
    for (column, width) in widths.iter().enumerate() {
        let (fill, end) = if column < NAMES {
            (width + 2, "")
        } else {
            (width + 1, ":")
        };
        let _ = write!(text, "|{}{end}", "-".repeat(fill));
    }
    text.push_str("|\n");
    for row in rows {
        text += &line(row, &widths);
    }
    text
}

fn line(cells: &[impl AsRef<str>], widths: &[usize]) -> String {
    let mut text = String::new();
    for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
        let cell = cell.as_ref();
        let _ = if column < NAMES {
            write!(text, "| {cell:<width$} ")
        } else {
            write!(text, "| {cell:>width$} ")
        };
    }
    text + "|\n"
}

const DASH: &str = "–";

fn seeds_row(target: &TargetResult) -> Vec<String> {
    vec![
        target.target.clone(),
        "(seeds)".to_owned(),
        DASH.to_owned(),
        DASH.to_owned(),
        grouped(target.seeds.inputs as u64),
        portion(target.seeds.reach.regions, target.total.regions),
        DASH.to_owned(),
        DASH.to_owned(),
    ]
}

fn seeds_rows_of_many(target: &TargetResult) -> Vec<String> {
    vec![
        target.target.clone(),
        "(seeds)".to_owned(),
        DASH.to_owned(),
        DASH.to_owned(),
        grouped(target.seeds.inputs as u64),
        target.seeds.reach.regions.to_string(),
        portion(target.seeds.reach.regions, target.total.regions),
        DASH.to_owned(),
        DASH.to_owned(),
    ]
}

fn name(engine: &EngineResult) -> String {
    if engine.failure().is_some() {
        format!("{} (failed)", engine.title)
    } else {
        engine.title.clone()
    }
}

fn single_row(target: &TargetResult, engine: &EngineResult) -> Vec<String> {
    let trial = engine.middle();
    vec![
        target.target.clone(),
        name(engine),
        grouped(trial.map_or(0, |trial| trial.executions)),
        rounded(trial.map_or(0.0, |trial| trial.executions_per_second)),
        grouped(trial.map_or(0, |trial| trial.corpus) as u64),
        portion(engine.reach.regions, target.total.regions),
        engine.only_here.len().to_string(),
        inputs_found(engine).to_string(),
    ]
}

fn row_of_many(target: &TargetResult, engine: &EngineResult) -> Vec<String> {
    let counting = engine.counting().count();
    let trials_with_finds = engine
        .finds
        .iter()
        .map(|group| group.trials.len())
        .max()
        .unwrap_or(0);
    vec![
        target.target.clone(),
        name(engine),
        if counting == engine.trials.len() {
            counting.to_string()
        } else {
            format!("{counting} of {}", engine.trials.len())
        },
        estimated(engine.executions_per_second),
        estimated(engine.corpus),
        estimated(engine.regions),
        portion(engine.reach.regions, target.total.regions),
        engine.only_here.len().to_string(),
        match inputs_found(engine) {
            0 => "0".to_owned(),
            inputs => format!("{inputs} in {trials_with_finds}"),
        },
    ]
}

fn inputs_found(engine: &EngineResult) -> usize {
    engine.finds.iter().map(|group| group.inputs).sum()
}

/// `410 [405, 412]`; the interval is left out where it is the median.
pub(super) fn estimated(estimate: Option<Estimate>) -> String {
    let Some(estimate) = estimate else {
        return DASH.to_owned();
    };
    let median = rounded(estimate.median);
    let (low, high) = (rounded(estimate.low), rounded(estimate.high));
    if low == high && low == median {
        return median;
    }
    format!("{median} [{low}, {high}]")
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count or a rate, rounded to be printed"
)]
fn rounded(number: f64) -> String {
    grouped(number.round() as u64)
}

fn portion(part: usize, whole: usize) -> String {
    format!("{part} of {whole}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_lines_up() {
        let rows = vec![
            vec![
                "a".to_owned(),
                "AFL++".to_owned(),
                "1\u{202f}000".to_owned(),
            ],
            vec!["longer".to_owned(), "b".to_owned(), "–".to_owned()],
        ];
        assert_eq!(
            laid_out(&["target", "engine", "n"], &rows),
            "| target | engine |     n |\n\
             |--------|--------|------:|\n\
             | a      | AFL++  | 1\u{202f}000 |\n\
             | longer | b      |     – |\n"
        );
    }

    #[test]
    fn an_interval_is_told_where_there_is_one() {
        let estimate = |low, median, high| Some(Estimate { median, low, high });
        assert_eq!(estimated(None), "–");
        assert_eq!(estimated(estimate(410.0, 410.0, 410.0)), "410");
        assert_eq!(estimated(estimate(405.0, 410.4, 412.0)), "410 [405, 412]");
    }
}
