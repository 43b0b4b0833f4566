//! What an execution spends its instructions on.

use std::process::ExitCode;

use anyhow::{Result, ensure};
use harness_core::Target;
use report::format::rounded;
use serde::Serialize;

use super::{Bench, Inputs};
use crate::instructions::areas::Area;
use crate::instructions::{self, Counted};
use crate::output::outln;
use crate::progress::Progress;
use crate::project::Project;
use crate::replay::build_worker;

/// Instructions by area.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct PerArea {
    building: f64,
    model: f64,
    code_under_test: f64,
    device: f64,
    checks_and_rest: f64,
}

impl PerArea {
    fn of(mut value: impl FnMut(Area) -> f64) -> Self {
        Self {
            building: value(Area::Building),
            model: value(Area::Model),
            code_under_test: value(Area::CodeUnderTest),
            device: value(Area::Device),
            checks_and_rest: value(Area::Checks),
        }
    }

    fn all(self) -> [f64; 5] {
        [
            self.building,
            self.model,
            self.code_under_test,
            self.device,
            self.checks_and_rest,
        ]
    }
}

#[derive(Debug, Serialize)]
struct Row {
    target: &'static str,
    inputs: usize,
    inputs_from: String,
    instructions: u64,
    per_input: f64,
    per_input_in: PerArea,
    percent_in: PerArea,
}

impl Row {
    #[allow(
        clippy::cast_precision_loss,
        reason = "counts of instructions, far below 2^53"
    )]
    fn new(target: &'static str, inputs_from: String, counted: &Counted) -> Self {
        let inputs = counted.inputs as f64;
        let total = counted.total as f64;
        Self {
            target,
            inputs: counted.inputs,
            inputs_from,
            instructions: counted.total,
            per_input: total / inputs,
            per_input_in: PerArea::of(|area| counted.by_area[area.index()] / inputs),
            percent_in: PerArea::of(|area| counted.by_area[area.index()] * 100.0 / total),
        }
    }
}

pub(super) fn run(
    args: &Bench,
    project: &Project,
    targets: &[&'static Target],
) -> Result<ExitCode> {
    let progress = Progress::new();
    let worker = progress.step("build the replay worker", || build_worker(project))?;
    let mut rows = Vec::new();
    for target in targets {
        let inputs = Inputs::of(project, target)?;
        ensure!(
            !inputs.files.is_empty(),
            "{} has neither a shipped corpus nor seeds",
            target.name
        );
        let what = format!("count {}", target.name);
        let counted = progress.step(&what, || {
            instructions::count(&worker, target.name, &inputs.files)
        })?;
        rows.push(Row::new(target.name, inputs.from, &counted));
    }
    if args.json {
        outln!("{}", serde_json::to_string_pretty(&rows)?);
    } else {
        print(&rows)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print(rows: &[Row]) -> Result<()> {
    outln!("Instructions for each input, without an engine's instrumentation:");
    outln!("");
    outln!(
        "| {:<18} | {:>16} | {:>16} | {:>16} | {:>16} | {:>16} | {:>16} |",
        "target",
        "all",
        "decode, build",
        "model",
        "code under test",
        "mock device",
        "checks, rest"
    );
    outln!("|{:-<20}|{}", "", format!("{:->17}:|", "").repeat(6));
    for row in rows {
        let areas = row.per_input_in.all().into_iter();
        let areas: Vec<String> = areas
            .zip(row.percent_in.all())
            .map(|(instructions, percent)| {
                format!(
                    "{:>16}",
                    format!("{} ({percent:.1} %)", rounded(instructions))
                )
            })
            .collect();
        outln!(
            "| {:<18} | {:>16} | {} |",
            row.target,
            rounded(row.per_input),
            areas.join(" | ")
        );
    }
    outln!("");
    for row in rows {
        outln!(
            "{}: the model's share is {:.1} %; {}",
            row.target,
            row.percent_in.model,
            row.inputs_from
        );
    }
    outln!(
        "What several parts use (the standard library, the sparse image, CRC-32C) counts for the part that uses it."
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_all_instructions() {
        let counted = Counted {
            inputs: 4,
            total: 1000,
            by_area: [100.0, 400.0, 300.0, 150.0, 50.0],
        };
        let row = Row::new("fuzz_measure_image", "4 seeds".to_owned(), &counted);
        assert_eq!(row.per_input, 250.0);
        assert_eq!(row.per_input_in.all(), [25.0, 100.0, 75.0, 37.5, 12.5]);
        assert_eq!(row.percent_in.all(), [10.0, 40.0, 30.0, 15.0, 5.0]);
    }
}
