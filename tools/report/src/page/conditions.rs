//! Under which conditions all was measured.

use maud::{Markup, html};

use super::checklist;
use super::parts::{details, table};
use crate::format::{NONE, count, grouped, measured, rounded, span};
use crate::{Comparison, TargetResult, sentences};

pub(super) fn section(comparison: &Comparison) -> Markup {
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
                "What an engine executed and did not keep is not counted. An engine that keeps few inputs may have covered \
                more than is shown. Targets of one project share code: they are no independent samples."
            }
            p {
                "All engines had the same seeds (from nothing, one byte with the value 0 is the only seed), oracle, Cargo profile and largest input, one core each, and no \
                sanitizer but where a configuration below has one; overflow checks and debug assertions were on."
            }
            p {
                "Engines run with their defaults, but for what a fair and unattended run needs: the longest input, a \
                timeout of 5 s an execution, and where files go. AFL++ gets " code { "-c -" } " for targets whose \
                comparisons are not traced, since CmpLog would cost time there and see nothing. libFuzzer rereads its \
                folder each second. What has a configuration below differs from its engine in that alone."
            }
            h3 { "How the statistics were made" }
            p { (sentences::METHODS) }
            h3 { "Machine, versions, targets, commands" }
            dl.facts-list {
                @for (what, value) in conditions(comparison) { dt { (what) } dd { (value) } }
                dt { "seed of the order of trials" }
                dd { (comparison.order_seed) }
            }
            h3 { "Trials" }
            @for target in &comparison.targets {
                (details(&format!("Every trial on {}", target.title()), &trials(target)))
                @for engine in &target.engines {
                    @for trial in &engine.trials {
                        @if let Some(failure) = &trial.failure {
                            p.note { (engine.title) ", trial " (trial.trial) ", does not count: " (failure) }
                        }
                    }
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
            rows.push(vec![
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
                trial
                    .load
                    .map_or_else(none, |load| format!("{:.1}", load.average)),
                trial
                    .load
                    .map_or_else(none, |load| format!("{:.1}\u{a0}%", load.stolen_percent)),
                trial.started.clone(),
            ]);
        }
    }
    let headings = "engine and trial | core | seeds read | time | executions | executions/s | corpus | regions | lines | \
        functions | stability | load | stolen | started";
    table(
        &format!("Trials on {}", target.title()),
        headings,
        &[13],
        &rows,
    )
}

/// The conditions of a run by name, in the order in which they are shown.
pub(crate) fn conditions(run: &Comparison) -> Vec<(String, String)> {
    let machine = &run.machine;
    let mut conditions = Vec::new();
    let mut add = |what: &str, value: String| conditions.push((what.to_owned(), value));
    add("processor", machine.processor.clone());
    add("cores", machine.cores.to_string());
    add("memory", checklist::memory(machine));
    let virtualised = if machine.virtualised { "yes" } else { "no" };
    add("virtual machine", virtualised.to_owned());
    add("trials at once", machine.jobs.to_string());
    add("system", machine.system.clone());
    for (tool, version) in &machine.tools {
        add(tool, version.clone());
    }
    add("time of a trial", span(run.time_seconds));
    add("looked at every", span(run.snapshot_seconds));
    add("trials", run.trials.to_string());
    for target in &run.targets {
        let mut add = |what: &str, value| add(&format!("{}: {what}", target.title()), value);
        let reach = target.seeds.reach;
        let [regions, lines, functions] = [reach.regions, reach.lines, reach.functions].map(count);
        let seeds = count(target.seeds.inputs);
        let reach = format!("{regions} regions, {lines} lines, {functions} functions");
        add("seeds", format!("{seeds}, which reach {reach}"));
        let total = count(target.total.regions);
        add("regions of the code under test", total);
        let reachable = count(target.reachable.regions);
        add("of these known to be reachable", reachable);
        add(
            "longest input",
            format!("{} bytes", count(target.max_input)),
        );
        let dictionary = if target.dictionary { "yes" } else { "no" };
        add("dictionary", dictionary.to_owned());
        for engine in &target.engines {
            if !engine.configuration.is_empty() {
                let what = format!("configuration of {}", engine.title);
                add(&what, engine.configuration.clone());
            }
            // An engine whose trials were all lost has no command.
            if !engine.command.is_empty() {
                let what = format!("command of {}", engine.title);
                add(&what, engine.command.clone());
            }
        }
    }
    conditions
}
