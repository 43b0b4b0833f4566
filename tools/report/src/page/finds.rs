//! What fails, by check: who found it, when, and the command that shows it again.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::parts::table;
use crate::format::{NONE, count, milliseconds};
use crate::{Comparison, EngineResult, FindGroup, UNREPRODUCED, sentences};

/// The section.
pub(super) fn section(comparison: &Comparison) -> Markup {
    let mut groups: BTreeMap<(&str, &str), Vec<(&EngineResult, &FindGroup)>> = BTreeMap::new();
    for (target, engine) in comparison.engines() {
        for group in &engine.finds {
            let key = (group.check.as_str(), target.target.as_str());
            groups.entry(key).or_default().push((engine, group));
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
                    (who(check, target, found))
                    @for (engine, group) in found {
                        p { (engine.title) ", the shortest:" }
                        pre {
                            code {
                                "cargo campaign replay --target " (target) " " (quoted(&group.example))
                            }
                        }
                    }
                }
            }
        }
    }
}

fn who(check: &str, target: &str, found: &[(&EngineResult, &FindGroup)]) -> Markup {
    let rows: Vec<Vec<String>> = found
        .iter()
        .map(|(engine, group)| {
            let first = group.trials.iter().map(|first| first.time_ms).min();
            let each = group.trials.iter();
            let each = each.map(|one| format!("{} ({})", milliseconds(one.time_ms), one.trial));
            vec![
                engine.title.clone(),
                count(group.inputs),
                format!("{} of {}", group.trials.len(), engine.trials.len()),
                first.map_or_else(|| NONE.to_owned(), milliseconds),
                each.collect::<Vec<_>>().join(", "),
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

/// `word` as one word of a POSIX shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}
