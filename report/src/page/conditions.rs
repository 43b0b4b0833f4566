//! Under which conditions all was measured.

use maud::{Markup, html};

use super::parts::{cell, details, table};
use crate::format::{NONE, count, counted, grouped, measured, rounded, span};
use crate::{Comparison, TargetResult, sentences};

/// The section.
pub(super) fn section(comparison: &Comparison) -> Markup {
    let machine = &comparison.machine;
    html! {
        section #conditions {
            h2 { "Conditions" }
            h3 { "How coverage was measured" }
            p {
                "In source regions, of all the code under test, as the compiler cuts it: a branch, an arm of a "
                code { "match" } ", the rest of a function. However many copies of a generic function there are, a \
                region counts once. Every input that an engine kept was replayed through one neutral build with "
                code { "-C instrument-coverage" } ", without any engine’s instrumentation; an engine’s own figure \
                (edges, features, blocks) is never used, for those are different units. What the seeds reach counts \
                for every engine, for each began by running them."
            }
            p {
                "AFL++ records in a kept input’s name when, and after how many executions, it came. For engines that \
                do not, the time is that of the file, and the executions are those of their progress reports, in \
                proportion between two of them."
            }
            p {
                "All engines had the same seeds, oracle, Cargo profile and largest input, one core each, and no \
                sanitizer; overflow checks and debug assertions were on."
            }
            h3 { "How the statistics were made" }
            p { (sentences::METHODS) }
            h3 { "Machine and versions" }
            dl.facts-list {
                dt { "Processor" }
                dd {
                    (machine.processor) ", " (counted(machine.cores, "core", "cores")) "; "
                    (counted(machine.jobs, "engine", "engines")) " at once"
                }
                dt { "System" }
                dd { (machine.system) }
                @for (tool, version) in &machine.tools { dt { (tool) } dd { (version) } }
                dt { "Trials" }
                dd {
                    (count(comparison.trials)) " of " (span(comparison.time_seconds)) " each, looked at every "
                    (span(comparison.snapshot_seconds)) "; in an order drawn from the seed "
                    (comparison.order_seed)
                }
            }
            h3 { "Trials" }
            @for target in &comparison.targets { (of_target(target)) }
            h3 { "Commands" }
            (details("The commands of the first trials, word for word", &html! {
                @for target in &comparison.targets {
                    @for engine in target.engines.iter().filter(|engine| !engine.command.is_empty()) {
                        p { (engine.title) " on " (target.target) }
                        pre { code { (engine.command) } }
                    }
                }
            }))
        }
    }
}

fn of_target(target: &TargetResult) -> Markup {
    let seeds = &target.seeds;
    html! {
        h4 { code { (target.target) } }
        p {
            "Inputs of at most " (count(target.max_input)) " bytes; "
            (if target.dictionary { "a" } else { "no" }) " dictionary. "
            (counted(seeds.inputs, "seed", "seeds")) ", which cover "
            (counted(seeds.reach.regions, "region", "regions")) ", "
            (counted(seeds.reach.lines, "line", "lines")) " and "
            (counted(seeds.reach.functions, "function", "functions")) "."
        }
        (details(&format!("Every trial on {}", target.target), &trials(target)))
        @for engine in &target.engines {
            @for trial in &engine.trials {
                @if let Some(failure) = &trial.failure {
                    p.note { (engine.title) ", trial " (trial.trial) ", does not count: " (failure) }
                }
            }
        }
    }
}

fn trials(target: &TargetResult) -> Markup {
    let mut rows = Vec::new();
    for engine in &target.engines {
        for trial in &engine.trials {
            let none = || NONE.to_owned();
            let failed = if trial.counts() { "" } else { " (failed)" };
            let cells = [
                format!("{} {}{failed}", engine.title, trial.trial),
                trial.core.map_or_else(none, |core| core.to_string()),
                grouped(trial.seeds_read),
                measured(trial.seconds),
                grouped(trial.executions),
                rounded(trial.executions_per_second),
                count(trial.corpus),
                count(trial.reach.regions),
                count(trial.reach.lines),
                count(trial.reach.functions),
                trial
                    .stability
                    .map_or_else(none, |percent| format!("{percent:.1}\u{a0}%")),
                trial.started.clone(),
            ];
            rows.push(cells.map(|text| cell(&text)).into());
        }
    }
    let headings = [
        "engine and trial",
        "core",
        "seeds read",
        "time",
        "executions",
        "executions/s",
        "corpus",
        "regions",
        "lines",
        "functions",
        "stability",
        "started",
    ];
    table(
        &format!("Trials on {}", target.target),
        &headings,
        &[11],
        &rows,
    )
}
