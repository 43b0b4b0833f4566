//! What differs in the conditions of two runs, as far as their reports tell.

use std::collections::BTreeMap;

use super::super::{Comparison, TargetResult};
use super::Difference;
use crate::format::grouped;

/// How conditions that are commands begin.
const COMMAND: &str = "command of ";

/// Every condition that differs: machine, tools, times, targets, seeds, limits, commands.
pub(super) fn differences(old: &Comparison, new: &Comparison) -> Vec<Difference> {
    let mut before = of_run(old);
    let mut differences = Vec::new();
    let mut note = |what: String, old: Option<String>, new: Option<String>| {
        if old == new {
            return;
        }
        let or_none = |value: Option<String>| value.unwrap_or_else(|| "–".to_owned());
        let (old, new) = match (old, new) {
            (Some(old), Some(new)) if what.contains(COMMAND) => {
                (words_apart(&old, &new), words_apart(&new, &old))
            }
            (old, new) if what.contains(COMMAND) => {
                let is_there = |command: Option<String>| command.map_or("not run", |_| "run");
                (is_there(old).to_owned(), is_there(new).to_owned())
            }
            (old, new) => (or_none(old), or_none(new)),
        };
        differences.push(Difference { what, old, new });
    };
    for (what, now) in of_run(new) {
        let then = before
            .iter()
            .position(|(name, _)| *name == what)
            .map(|at| before.remove(at).1);
        note(what, then, Some(now));
    }
    for (what, then) in before {
        note(what, Some(then), None);
    }
    differences
}

/// The conditions of a run by name, in the order in which they are said.
fn of_run(run: &Comparison) -> Vec<(String, String)> {
    let machine = &run.machine;
    let time = std::time::Duration::from_secs(run.time_seconds);
    let mut conditions = vec![
        ("processor".to_owned(), machine.processor.clone()),
        ("cores".to_owned(), machine.cores.to_string()),
        ("trials at once".to_owned(), machine.jobs.to_string()),
        ("system".to_owned(), machine.system.clone()),
    ];
    let tools: BTreeMap<&String, &String> = machine
        .tools
        .iter()
        .map(|(name, version)| (name, version))
        .collect();
    conditions.extend(
        tools
            .into_iter()
            .map(|(name, version)| (name.clone(), version.clone())),
    );
    conditions.push((
        "time of a trial".to_owned(),
        humantime::format_duration(time).to_string(),
    ));
    conditions.push(("trials".to_owned(), run.trials.to_string()));
    for target in &run.targets {
        conditions.extend(
            of_target(target)
                .into_iter()
                .map(|(what, value)| (format!("{}: {what}", target.target), value)),
        );
    }
    conditions
}

fn of_target(target: &TargetResult) -> Vec<(String, String)> {
    let seeds = format!(
        "{}, which reach {} regions",
        grouped(target.seeds.inputs as u64),
        grouped(target.seeds.reach.regions as u64)
    );
    let dictionary = if target.dictionary { "yes" } else { "no" };
    let mut conditions = vec![
        ("seeds".to_owned(), seeds),
        (
            "regions of the code under test".to_owned(),
            grouped(target.total.regions as u64),
        ),
        (
            "longest input".to_owned(),
            format!("{} bytes", target.max_input),
        ),
        ("dictionary".to_owned(), dictionary.to_owned()),
    ];
    // An engine whose trials were all lost has no command to tell.
    let told = target
        .engines
        .iter()
        .filter(|engine| !engine.command.is_empty());
    conditions.extend(told.map(|engine| {
        (
            format!("{COMMAND}{}", engine.title),
            without_folders(&engine.command),
        )
    }));
    conditions
}

/// A command without the folders in it, which differ between any two runs.
fn without_folders(command: &str) -> String {
    command
        .split_whitespace()
        .map(|word| match word.rsplit_once('/') {
            // `-artifact_prefix=/some/where/` keeps its name.
            Some((before, last)) => match before.split_once('=') {
                Some((option, _)) => format!("{option}=…/{last}"),
                None => format!("…/{last}"),
            },
            None => word.to_owned(),
        })
        .collect::<Vec<_>>()
        .join(" ")
}

/// The words of a command that another does not have, an option's value with the option.
fn words_apart(command: &str, other: &str) -> String {
    let others: Vec<&str> = other.split(' ').collect();
    let words: Vec<&str> = command.split(' ').collect();
    let mut apart = Vec::new();
    for (at, &word) in words.iter().enumerate() {
        let option = at.checked_sub(1).map(|before| words[before]);
        let option = option.filter(|option| option.starts_with('-') && !option.contains('='));
        let is_there = others.iter().enumerate().any(|(place, &there)| {
            there == word
                && (option.is_none() || place.checked_sub(1).map(|before| others[before]) == option)
        });
        if !is_there {
            apart.extend(option.filter(|&option| apart.last() != Some(&option)));
            apart.push(word);
        }
    }
    if apart.is_empty() {
        return "(without what is new)".to_owned();
    }
    format!("… {}", apart.join(" "))
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

    #[test]
    fn of_two_commands_only_what_differs_is_said() {
        let (old, new) = (
            "afl -V 5 -i …/inputs -a=1 -- …/t",
            "afl -V 10 -i …/inputs -a=2 -z 5 -- …/t",
        );
        assert_eq!(words_apart(old, new), "… -V 5 -a=1");
        assert_eq!(words_apart(new, old), "… -V 10 -a=2 -z 5");
        assert_eq!(words_apart("t -x", "t -x -y"), "(without what is new)");
    }
}
