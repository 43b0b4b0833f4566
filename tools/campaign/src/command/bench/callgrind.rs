//! How many instructions an input takes.

use std::process::ExitCode;

use anyhow::{Result, ensure};
use serde::Serialize;
use worker::TargetInfo;

use super::{Bench, Inputs};
use crate::callgrind;
use crate::output::outln;
use crate::progress::Progress;
use crate::project::Project;
use report::format::{grouped, rounded};

#[derive(Debug, Serialize)]
struct Row {
    target: String,
    inputs: usize,
    inputs_from: String,
    instructions: u64,
    per_input: f64,
}

pub(super) fn run(args: &Bench, project: &Project, targets: &[&TargetInfo]) -> Result<ExitCode> {
    let progress = Progress::new();
    let worker = project.worker()?;
    let mut rows = Vec::new();
    for target in targets {
        let inputs = Inputs::of(project, target)?;
        ensure!(
            !inputs.files.is_empty(),
            "{} has neither a shipped corpus nor seeds",
            target.name
        );
        let what = format!("count {}", target.name);
        let instructions = progress.step(&what, || {
            callgrind::count(worker, &target.name, &inputs.files)
        })?;
        rows.push(Row {
            target: target.name.clone(),
            inputs: inputs.files.len(),
            inputs_from: inputs.from,
            instructions,
            per_input: instructions as f64 / inputs.files.len() as f64,
        });
    }
    if args.json {
        outln!("{}", serde_json::to_string_pretty(&rows)?);
        return Ok(ExitCode::SUCCESS);
    }
    for row in rows {
        outln!(
            "{}: {} instructions an input, {} in all: {}",
            row.target,
            rounded(row.per_input),
            grouped(row.instructions),
            row.inputs_from
        );
    }
    Ok(ExitCode::SUCCESS)
}
