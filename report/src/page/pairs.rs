//! Every two engines on one target, compared.

use std::fmt::Write as _;

use super::engines::Engines;
use super::markup::{count, escape, list, middling, p_figure, scroll};
use super::words;
use crate::{Contrast, PairVerdict, TargetResult};

/// The pairs of a target; nothing when there is no pair.
pub(super) fn section(engines: &Engines<'_>, target: &TargetResult, number: usize) -> String {
    if target.pairs.is_empty() {
        return String::new();
    }
    let mut table = String::from(
        "<table>\n<thead>\n<tr><th scope=\"col\">pair</th><th scope=\"col\">compared</th>\
         <th scope=\"col\" class=\"figure\">medians</th><th scope=\"col\" class=\"figure\">U</th>\
         <th scope=\"col\" class=\"figure\">p</th><th scope=\"col\" class=\"figure\">p, adjusted</th>\
         <th scope=\"col\" class=\"figure\">A<sub>12</sub></th><th scope=\"col\">effect</th>\
         <th scope=\"col\">verdict</th></tr>\n</thead>\n<tbody>\n",
    );
    for pair in &target.pairs {
        let said = match pair.verdict {
            PairVerdict::TooFewTrials => "too few trials",
            PairVerdict::NotToldApart => "not told apart",
            PairVerdict::Differ => "differ",
        };
        let names = format!(
            "{} – {}",
            engines.title(&pair.first),
            engines.title(&pair.second)
        );
        table += &row(
            &names,
            "at equal time",
            &pair.regions,
            &p_figure(pair.adjusted_p),
            said,
        );
        if let Some(contrast) = &pair.at_equal_executions {
            table += &row(&names, "at equal executions", contrast, "–", "–");
        }
    }
    let least = target
        .pairs
        .iter()
        .map(|pair| pair.trials.0.min(pair.trials.1))
        .min();
    format!(
        "<h3 id=\"pairs-{number}\">Engine against engine</h3>\n{}{}\
         <p class=\"note\">Regions at the end, over the trials that count, {} at least of each. p is of the \
         two-sided Mann–Whitney U test with ties, “exact” where no normal approximation was needed; “adjusted” is \
         for all pairs of this target, by Holm’s method. A<sub>12</sub> (Vargha and Delaney) is how often a \
         trial of the first beats one of the second, equals counting half: 0.5 is no difference, from 0.56 \
         (or below 0.44) it is small, from 0.64 medium, from 0.71 large. A small p says that there is a \
         difference, A<sub>12</sub> says how much of one.</p>\n",
        list(&words::differences(engines, target)),
        scroll(
            &format!("Pairs of engines on {}", target.target),
            &(table + "</tbody>\n</table>\n")
        ),
        count(least.unwrap_or(0)),
    )
}

fn row(names: &str, compared: &str, contrast: &Contrast, adjusted: &str, said: &str) -> String {
    let mut html = format!(
        "<tr><th scope=\"row\">{}</th><td class=\"word\">{compared}</td>",
        escape(names)
    );
    for cell in [
        format!(
            "{} – {}",
            middling(contrast.first),
            middling(contrast.second)
        ),
        format!("{}", (contrast.u * 10.0).round() / 10.0),
        format!(
            "{}{}",
            p_figure(contrast.p),
            if contrast.exact { " exact" } else { "" }
        ),
        adjusted.to_owned(),
        format!("{:.2}", contrast.a12),
    ] {
        let _ = write!(html, "<td>{}</td>", escape(&cell));
    }
    let _ = writeln!(
        html,
        "<td class=\"word\">{}</td><td class=\"word\">{said}</td></tr>",
        contrast.magnitude.word()
    );
    html
}
