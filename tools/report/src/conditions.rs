//! The conditions under which a comparison was measured, as far as its report records them.

use crate::format::{count, span};
use crate::{Comparison, TargetResult};

/// The conditions of a run by name, in the order in which they are shown.
pub(crate) fn conditions(run: &Comparison) -> Vec<(String, String)> {
    let machine = &run.machine;
    let mut conditions = vec![
        ("processor".to_owned(), machine.processor.clone()),
        ("cores".to_owned(), machine.cores.to_string()),
        ("trials at once".to_owned(), machine.jobs.to_string()),
        ("system".to_owned(), machine.system.clone()),
    ];
    conditions.extend(machine.tools.iter().cloned());
    conditions.push(("time of a trial".to_owned(), span(run.time_seconds)));
    conditions.push(("looked at every".to_owned(), span(run.snapshot_seconds)));
    conditions.push(("trials".to_owned(), run.trials.to_string()));
    for target in &run.targets {
        let of_target = of_target(target).into_iter();
        conditions
            .extend(of_target.map(|(what, value)| (format!("{}: {what}", target.target), value)));
    }
    conditions
}

fn of_target(target: &TargetResult) -> Vec<(String, String)> {
    let reach = target.seeds.reach;
    let seeds = format!(
        "{}, which reach {} regions, {} lines, {} functions",
        count(target.seeds.inputs),
        count(reach.regions),
        count(reach.lines),
        count(reach.functions)
    );
    let total = count(target.total.regions);
    let dictionary = if target.dictionary { "yes" } else { "no" };
    let mut conditions = vec![
        ("seeds".to_owned(), seeds),
        ("regions of the code under test".to_owned(), total),
        (
            "longest input".to_owned(),
            format!("{} bytes", count(target.max_input)),
        ),
        ("dictionary".to_owned(), dictionary.to_owned()),
    ];
    // An engine whose trials were all lost has no command.
    let engines = target.engines.iter();
    let with_command = engines.filter(|engine| !engine.command.is_empty());
    conditions.extend(with_command.map(|engine| {
        let what = format!("command of {}", engine.title);
        (what, engine.command.clone())
    }));
    conditions
}
