//! What fails, by check: who found it, when, and the command that shows it again.

use maud::{Markup, html};

use super::parts::table;
use crate::format::{NONE, count, milliseconds};
use crate::{Comparison, EngineResult, FindGroup, TargetResult, sentences};

pub(super) fn section(comparison: &Comparison) -> Markup {
    let finds = comparison.engines().flat_map(|(target, engine)| {
        let groups = engine.finds.iter();
        groups.map(move |group| (group, target, engine))
    });
    let mut finds: Vec<(&FindGroup, &TargetResult, &EngineResult)> = finds.collect();
    finds.sort_by_key(|(group, target, _)| (&group.check, &target.target, target.start));
    let rows = finds.iter().map(|(group, target, engine)| {
        let first = group.trials.iter().map(|first| first.time_ms).min();
        let each = group.trials.iter();
        let each = each.map(|one| format!("{} ({})", milliseconds(one.time_ms), one.trial));
        vec![
            group.check.clone(),
            target.title(),
            engine.title.clone(),
            count(group.inputs),
            format!("{} of {}", group.trials.len(), engine.trials.len()),
            first.map_or_else(|| NONE.to_owned(), milliseconds),
            each.collect::<Vec<_>>().join(", "),
        ]
    });
    let headings =
        "check | target | engine | inputs | trials | first time | in each trial (its number)";
    html! {
        section #finds {
            h2 { "Finds" }
            p { (sentences::finds(comparison)) }
            @if !finds.is_empty() {
                (table("Who found what", headings, &[1, 2, 6], &rows.collect::<Vec<_>>()))
                p.note {
                    "A time is that of a trial’s first input that fails; 0 is a seed. The shortest input of each follows. \
                     Paths are as seen from the folder in which the comparison was started; run the commands there."
                }
            }
            @for (group, target, engine) in &finds {
                p { code { (group.check) } ", " (engine.title) ":" }
                pre {
                    code { "cargo campaign replay --target " (target.target) " " (quoted(&group.example)) }
                }
            }
        }
    }
}

/// `word` as one word of a POSIX shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}
