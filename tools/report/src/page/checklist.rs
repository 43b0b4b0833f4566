//! What the guidelines for evaluations of fuzzers ask, item by item.

use maud::{Markup, html};

use crate::analysis::{SECONDS_ENOUGH, TRIALS_ENOUGH};
use crate::format::{counted, span};
use crate::{Comparison, Machine, Start};

/// The items of version 1.0.3 that apply to a comparison of engines, a line each: number and what it asks; answer; how,
/// or why not.
const ITEMS: &str = include_str!("checklist.txt");

pub(super) fn section(comparison: &Comparison) -> Markup {
    html! {
        section #checklist {
            h2 { "Checklist" }
            p {
                "The items of the fuzzing evaluation guidelines, version 1.0.3 (fuzz-evaluator), by their numbers \
                there. Each “no” has its reason."
            }
            dl.facts-list {
                @for row in rows(comparison) {
                    dt { (row[0]) }
                    dd { strong { (row[1]) } ": " (row[2]) }
                }
            }
        }
    }
}

fn rows(comparison: &Comparison) -> Vec<Vec<String>> {
    let yes_if = |is_met: bool| if is_met { "yes" } else { "no" }.to_owned();
    let machine = &comparison.machine;
    let not = if machine.virtualised { "" } else { "not " };
    let mut starts = comparison.targets.iter().map(|target| target.start);
    let uninformed = starts.any(|start| start == Start::Nothing);
    let answers = [
        ("{uninformed}", yes_if(uninformed)),
        ("{processor}", machine.processor.clone()),
        ("{cores}", counted(machine.cores, "core", "cores")),
        ("{memory}", memory(machine)),
        ("{not}", not.to_owned()),
        ("{long}", yes_if(comparison.time_seconds >= SECONDS_ENOUGH)),
        ("{time}", span(comparison.time_seconds)),
        ("{many}", yes_if(comparison.trials >= TRIALS_ENOUGH)),
        ("{trials}", counted(comparison.trials, "trial", "trials")),
    ];
    let fill = |line: &str| {
        let filled = answers
            .iter()
            .fold(line.to_owned(), |line, (name, answer)| {
                line.replace(name, answer)
            });
        filled.split(" | ").map(str::to_owned).collect()
    };
    ITEMS.lines().map(fill).collect()
}

/// How much memory there is, in words.
pub(super) fn memory(machine: &Machine) -> String {
    format!(
        "{:.1} GiB",
        machine.memory_bytes as f64 / f64::from(1 << 30)
    )
}
