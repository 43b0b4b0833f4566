//! What fails, by check: who found it, when, and the command that shows it again.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::engines::{Engines, counting};
use super::markup::{count, counted, escape, measured, scroll, shell_word};
use super::svg::key;
use super::words;
use crate::UNREPRODUCED;
use crate::{Comparison, EngineResult, FindGroup};

/// The section.
pub(super) fn section(comparison: &Comparison, engines: &Engines<'_>) -> String {
    let mut html = String::from("<section id=\"finds\">\n<h2>Finds</h2>\n");
    let mut groups: BTreeMap<(&str, &str), Vec<(&EngineResult, &FindGroup)>> = BTreeMap::new();
    for target in &comparison.targets {
        for engine in &target.engines {
            for group in &engine.finds {
                let key = (group.check.as_str(), target.target.as_str());
                groups.entry(key).or_default().push((engine, group));
            }
        }
    }
    let _ = writeln!(html, "<p>{}</p>", escape(&words::finds(comparison)));
    if !groups.is_empty() {
        html += "<p class=\"note\">Paths are as seen from the folder in which the comparison was started; \
                 run the commands there. A time is that of a trial’s first input that fails; 0 is a seed.</p>\n";
    }
    for ((check, target), found) in groups {
        let _ = writeln!(
            html,
            "<article class=\"find\">\n<h3><code>{}</code> <span class=\"aside\">on {}</span></h3>",
            escape(check),
            escape(target),
        );
        if check == UNREPRODUCED {
            html += "<p>The engine reported these inputs, and they pass when replayed: \
                     something was different under the engine.</p>\n";
        }
        html += &table(engines, check, target, &found);
        for (engine, group) in found {
            let command = format!(
                "cargo campaign replay --target {} {}",
                shell_word(target),
                shell_word(&group.example),
            );
            let _ = writeln!(
                html,
                "<p>{}: {}. Replay the shortest:</p>\n<pre><code>{}</code></pre>",
                escape(&engine.title),
                counted(group.inputs, "input", "inputs"),
                escape(&command),
            );
        }
        html += "</article>\n";
    }
    html + "</section>\n"
}

fn table(
    engines: &Engines<'_>,
    check: &str,
    target: &str,
    found: &[(&EngineResult, &FindGroup)],
) -> String {
    let mut table = String::from(
        "<table>\n<thead>\n<tr><th scope=\"col\">engine</th>\
         <th scope=\"col\" class=\"figure\">inputs</th><th scope=\"col\" class=\"figure\">trials</th>\
         <th scope=\"col\" class=\"figure\">first time</th><th scope=\"col\">in each trial (its number)</th></tr>\n\
         </thead>\n<tbody>\n",
    );
    for (engine, group) in found {
        let first = group.trials.iter().map(|first| first.time_ms).min();
        let each: Vec<String> = group
            .trials
            .iter()
            .map(|first| format!("{} ({})", seconds(first.time_ms), first.trial))
            .collect();
        let _ = writeln!(
            table,
            "<tr><th scope=\"row\">{}{}</th><td>{}</td><td>{} of {}</td><td>{}</td>\
             <td class=\"word\">{}</td></tr>",
            key(engines.style(&engine.engine)),
            escape(&engine.title),
            count(group.inputs),
            group.trials.len(),
            engine.trials.len().max(counting(engine)),
            first.map_or("–".to_owned(), seconds),
            if each.is_empty() {
                "–".to_owned()
            } else {
                escape(&each.join(", "))
            }
        );
    }
    scroll(
        &format!("Who found {check} on {target}"),
        &(table + "</tbody>\n</table>\n"),
    )
}

fn seconds(time_ms: u64) -> String {
    if time_ms == 0 {
        return "0".to_owned();
    }
    measured(time_ms as f64 / 1000.0)
}
