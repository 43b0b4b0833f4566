//! The conditions under which a comparison was measured, as far as its report records them.

use crate::Comparison;
use crate::format::{count, span};

/// The conditions of a run by name, in the order in which they are shown.
pub(crate) fn conditions(run: &Comparison) -> Vec<(String, String)> {
    let machine = &run.machine;
    let mut conditions = Vec::new();
    let mut add = |what: &str, value: String| conditions.push((what.to_owned(), value));
    add("processor", machine.processor.clone());
    add("cores", machine.cores.to_string());
    add("trials at once", machine.jobs.to_string());
    add("system", machine.system.clone());
    for (tool, version) in &machine.tools {
        add(tool, version.clone());
    }
    add("time of a trial", span(run.time_seconds));
    add("looked at every", span(run.snapshot_seconds));
    add("trials", run.trials.to_string());
    for target in &run.targets {
        let mut add = |what: &str, value| add(&format!("{}: {what}", target.target), value);
        let reach = target.seeds.reach;
        let [regions, lines, functions] = [reach.regions, reach.lines, reach.functions].map(count);
        let seeds = count(target.seeds.inputs);
        let reach = format!("{regions} regions, {lines} lines, {functions} functions");
        add("seeds", format!("{seeds}, which reach {reach}"));
        let total = count(target.total.regions);
        add("regions of the code under test", total);
        add(
            "longest input",
            format!("{} bytes", count(target.max_input)),
        );
        let dictionary = if target.dictionary { "yes" } else { "no" };
        add("dictionary", dictionary.to_owned());
        for engine in &target.engines {
            // An engine whose trials were all lost has no command.
            if !engine.command.is_empty() {
                let what = format!("command of {}", engine.title);
                add(&what, engine.command.clone());
            }
        }
    }
    conditions
}
