//! Measures today's harness against the literal one: see README.md.
#![forbid(unsafe_code)]

mod counted;
mod engine;

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use cli::output::outln;
use literal::corpora::{self, Corpus};
use serde::Serialize;

/// Measure today's harness against the plain one that the project began from.
///
/// Prints the mean number of instructions of an execution, without an engine, and how many times as many the literal
/// harness takes. Valgrind counts them, so they do not depend on other work on the machine.
#[derive(Debug, Parser)]
struct Arguments {
    /// Measure executions per second of CPU time under libFuzzer too, each pair in turn. The ratio is the median
    /// over the rounds.
    #[arg(long)]
    engine: bool,
    /// How many seconds each run of the engine takes.
    #[arg(long, default_value = "10", requires = "engine")]
    time: u32,
    /// How many times each pair is run.
    #[arg(long, default_value = "3", requires = "engine")]
    rounds: std::num::NonZeroU32,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Execute the inputs in this file: what Valgrind runs.
    #[arg(long, hide = true, num_args = 2, value_names = ["TARGET", "FILE"])]
    execute: Option<Vec<PathBuf>>,
}

/// What one execution takes: the mean of a corpus.
#[derive(Debug, Serialize)]
struct Row {
    target: &'static str,
    corpus: String,
    inputs: usize,
    instructions: f64,
    literal_instructions: Option<f64>,
    ratio: Option<f64>,
    engine: Option<engine::Speeds>,
}

impl Row {
    fn of(corpus: &Corpus, arguments: &Arguments) -> Result<Self> {
        let instructions = counted::mean(corpus.target, &corpus.ours)?;
        let literal_target = corpus.literal_target();
        let literal = corpus.literal.as_ref();
        let literal_instructions = literal
            .map(|inputs| counted::mean(&literal_target, inputs))
            .transpose()?;
        let engine = match literal {
            // Once for all formats.
            Some(inputs) if arguments.engine && corpus.format.is_none() => {
                let pair = [(corpus.target, &corpus.ours), (&*literal_target, inputs)];
                Some(engine::measure(
                    pair,
                    arguments.time,
                    arguments.rounds.get(),
                )?)
            }
            _ => None,
        };
        let format = corpus.format.map_or("", |format| format.name());
        Ok(Self {
            target: corpus.target,
            corpus: format!("{} {format}", corpus.name).trim_end().to_owned(),
            inputs: corpus.ours.len(),
            instructions,
            literal_instructions,
            ratio: literal_instructions.map(|literal| literal / instructions),
            engine,
        })
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(what) = &arguments.execute {
        return counted::execute(&what[0], &what[1]);
    }
    let corpora = corpora::all()?;
    let rows = corpora.iter().map(|corpus| Row::of(corpus, &arguments));
    let rows = rows.collect::<Result<Vec<_>>>()?;
    if arguments.json {
        outln!("{}", serde_json::to_string_pretty(&rows)?);
        return Ok(());
    }
    outln!(
        "| target | corpus | inputs | instructions | literal | times as many | executions/CPU s | literal | times as many |"
    );
    outln!("|---|---|--:|--:|--:|--:|--:|--:|--:|");
    let cell =
        |number: Option<f64>| number.map_or("–".to_owned(), |number| format!("{number:.0}"));
    let times = |ratio: Option<f64>| ratio.map_or("–".to_owned(), |ratio| format!("{ratio:.2}"));
    for row in rows {
        let speeds = row.engine.as_ref();
        outln!(
            "| {} | {} | {} | {:.0} | {} | {} | {} | {} | {} |",
            row.target,
            row.corpus,
            row.inputs,
            row.instructions,
            cell(row.literal_instructions),
            times(row.ratio),
            cell(speeds.map(|speeds| speeds.per_cpu_second)),
            cell(speeds.map(|speeds| speeds.literal_per_cpu_second)),
            times(speeds.map(|speeds| speeds.ratio)),
        );
    }
    Ok(())
}
