//! What fails, by check: who found it, when, and the command that shows it again.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::parts::{Engines, table};
use crate::format::{NONE, count, milliseconds};
use crate::{Comparison, EngineResult, FindGroup, UNREPRODUCED, sentences};

/// The section.
pub(super) fn section(comparison: &Comparison, engines: &Engines<'_>) -> Markup {
    let mut groups: BTreeMap<(&str, &str), Vec<(&EngineResult, &FindGroup)>> = BTreeMap::new();
    for target in &comparison.targets {
        for engine in &target.engines {
            for group in &engine.finds {
                let key = (group.check.as_str(), target.target.as_str());
                groups.entry(key).or_default().push((engine, group));
            }
        }
    }
    html! {
        section #finds {
            h2 { "Finds" }
            p { (sentences::finds(comparison)) }
            @if !groups.is_empty() {
                p.note {
                    "Paths are as seen from the folder in which the comparison was started; run the commands there. A \
                     time is that of a trial’s first input that fails; 0 is a seed."
                }
            }
            @for ((check, target), found) in &groups {
                article.find {
                    h3 { code { (check) } " " span.aside { "on " (target) } }
                    @if *check == UNREPRODUCED {
                        p {
                            "The engine reported these inputs, and they pass when replayed: something was different \
                             under the engine."
                        }
                    }
                    (who(engines, check, target, found))
                    @for (engine, group) in found {
                        p { (engine.title) ", the shortest:" }
                        pre {
                            code {
                                "cargo campaign replay --target " (shell_word(target)) " "
                                (shell_word(&group.example))
                            }
                        }
                    }
                }
            }
        }
    }
}

fn who(
    engines: &Engines<'_>,
    check: &str,
    target: &str,
    found: &[(&EngineResult, &FindGroup)],
) -> Markup {
    let none = || NONE.to_owned();
    let rows: Vec<Vec<Markup>> = found
        .iter()
        .map(|(engine, group)| {
            let first = group.trials.iter().map(|first| first.time_ms).min();
            let each = group.trials.iter();
            let each = each.map(|one| format!("{} ({})", milliseconds(one.time_ms), one.trial));
            let each: Vec<String> = each.collect();
            vec![
                html! { (engines.key(&engine.engine)) (engine.title) },
                html! { (count(group.inputs)) },
                html! { (group.trials.len()) " of " (engine.trials.len()) },
                html! { (first.map_or_else(none, milliseconds)) },
                html! { (each.join(", ")) },
            ]
        })
        .collect();
    let headings = [
        "engine",
        "inputs",
        "trials",
        "first time",
        "in each trial (its number)",
    ];
    table(
        &format!("Who found {check} on {target}"),
        &headings,
        &[4],
        &rows,
    )
}

/// `word` as one word of a POSIX shell, quoted only when it must be.
fn shell_word(word: &str) -> String {
    let is_plain =
        |character: char| character.is_ascii_alphanumeric() || "-_./:=+,@%".contains(character);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_one_word() {
        assert_eq!(shell_word("results/finds/0f3e"), "results/finds/0f3e");
        assert_eq!(shell_word("my file"), "'my file'");
        assert_eq!(shell_word("it's; rm"), r"'it'\''s; rm'");
        assert_eq!(shell_word("~x"), "'~x'");
        assert_eq!(shell_word(""), "''");
    }
}
