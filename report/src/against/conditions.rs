//! What differs in the conditions of two runs, as far as their reports record them.

use super::Difference;
use crate::format::{NONE, count, span};
use crate::{Comparison, TargetResult};

/// Every condition that differs: machine, tools, times, targets, seeds, limits, commands.
pub(super) fn differences(old: &Comparison, new: &Comparison) -> Vec<Difference> {
    let (before, now) = (conditions(old), conditions(new));
    let value = |conditions: &[(String, String)], what: &str| {
        let found = conditions.iter().find(|(name, _)| name == what);
        found.map_or_else(|| NONE.to_owned(), |(_, value)| value.clone())
    };
    let is_new = |(name, _): &&(String, String)| !now.iter().any(|(there, _)| there == name);
    let gone = before.iter().filter(is_new);
    now.iter()
        .chain(gone)
        .map(|(what, _)| Difference {
            what: what.clone(),
            old: value(&before, what),
            new: value(&now, what),
        })
        .filter(|difference| difference.old != difference.new)
        .collect()
}

/// The conditions of a run by name, in the order in which they are shown.
fn conditions(run: &Comparison) -> Vec<(String, String)> {
    let machine = &run.machine;
    let mut conditions = vec![
        ("processor".to_owned(), machine.processor.clone()),
        ("cores".to_owned(), machine.cores.to_string()),
        ("trials at once".to_owned(), machine.jobs.to_string()),
        ("system".to_owned(), machine.system.clone()),
    ];
    conditions.extend(machine.tools.iter().cloned());
    conditions.push(("time of a trial".to_owned(), span(run.time_seconds)));
    conditions.push(("trials".to_owned(), run.trials.to_string()));
    for target in &run.targets {
        let of_target = of_target(target).into_iter();
        conditions
            .extend(of_target.map(|(what, value)| (format!("{}: {what}", target.target), value)));
    }
    conditions
}

fn of_target(target: &TargetResult) -> Vec<(String, String)> {
    let seeds = format!(
        "{}, which reach {} regions",
        count(target.seeds.inputs),
        count(target.seeds.reach.regions)
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
        (what, without_folders(&engine.command))
    }));
    conditions
}

/// A command without the folders in it, which differ between any two runs.
fn without_folders(command: &str) -> String {
    let word = |word: &str| match word.rsplit_once('/') {
        // `-artifact_prefix=/some/where/` keeps its name.
        Some((before, last)) => match before.split_once('=') {
            Some((option, _)) => format!("{option}=…/{last}"),
            None => format!("…/{last}"),
        },
        None => word.to_owned(),
    };
    let words: Vec<String> = command.split_whitespace().map(word).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_in_a_command_are_no_difference() {
        assert_eq!(
            without_folders(
                "cargo-afl afl fuzz -V 60 -i /a/b/inputs -x=/c/d.dict -- target/release/t"
            ),
            "cargo-afl afl fuzz -V 60 -i …/inputs -x=…/d.dict -- …/t"
        );
    }
}
