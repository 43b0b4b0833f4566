//! A comparison as one self-contained HTML page.
//!
//! The page needs no network, no script and no mouse: its style is in it, and charts are SVG. `maud` escapes every text
//! that comes from outside.

mod chart;
mod checklist;
pub(crate) mod conditions;
mod finds;
mod parts;
mod target;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use self::parts::table;
use crate::format::{count, counted, listed, moment, span};
use crate::{Comparison, TargetResult, results, sentences};

const STYLE: &str = include_str!("page/style.css");

/// The policy that keeps everything from elsewhere away, and every script.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// The page. Control characters, and the marks that turn the direction of writing (with which a file's name could
/// pretend to be another), become U+FFFD.
pub fn html(comparison: &Comparison) -> String {
    let names = match &comparison.titles()[..] {
        [] => "No engine".to_owned(),
        titles => listed(titles),
    };
    let heading = format!("{names} on one oracle");
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { (heading) }
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#summary" { "To the summary" }
                (header(comparison, &heading))
                (contents(comparison))
                main {
                    (summary(comparison))
                    (results(comparison))
                    @for (number, target) in comparison.targets.iter().enumerate() {
                        (target::section(comparison, target, number))
                    }
                    (finds::section(comparison))
                    (conditions::section(comparison))
                    (checklist::section(comparison))
                }
            }
        }
    };
    let printable = |character: char| match character {
        '\n' => character,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        _ if character.is_control() => '\u{fffd}',
        _ => character,
    };
    page.into_string().chars().map(printable).collect()
}

fn header(comparison: &Comparison, heading: &str) -> Markup {
    html! {
        header {
            p.kicker { "measure-fuzz: engines compared" }
            h1 { (heading) }
            p.facts {
                (comparison.scope()) ", "
                (counted(comparison.trials, "trial", "trials")) " of " (span(comparison.time_seconds))
                " for each engine on each. Started "
                time datetime=(comparison.started) { (moment(&comparison.started)) } "."
            }
        }
    }
}

/// The link to a target's section.
fn link(number: usize, target: &TargetResult) -> Markup {
    html! { a href=(format!("#target-{number}")) { code { (target.target) } (target.start.suffix()) } }
}

fn contents(comparison: &Comparison) -> Markup {
    html! {
        nav aria-label="Parts of this page" {
            ul {
                li { a href="#summary" { "In words" } }
                li { a href="#results" { "Results" } }
                @for (number, target) in comparison.targets.iter().enumerate() {
                    li { (link(number, target)) }
                }
                li { a href="#finds" { "Finds" } }
                li { a href="#conditions" { "Conditions" } }
                li { a href="#checklist" { "Checklist" } }
            }
        }
    }
}

/// The result in words.
fn summary(comparison: &Comparison) -> Markup {
    html! {
        section #summary {
            h2 { "In words" }
            @if !comparison.notes.is_empty() {
                div.problems role="note" {
                    h3 { "Read this first" }
                    ul { @for note in &comparison.notes { li { (note) } } }
                }
            }
            dl.verdicts {
                @for (number, target) in comparison.targets.iter().enumerate() {
                    dt { (link(number, target)) }
                    dd {
                        p { (sentences::reached(target)) }
                        @for difference in sentences::differences(target) { p { (difference) } }
                        @if let Some(only_here) = sentences::only_here(target) { p { (only_here) } }
                    }
                }
                dt { "Finds" }
                dd {
                    p { (sentences::finds(comparison)) }
                    p { "Coverage is not finds: an engine that reaches more need not find more." }
                }
            }
        }
    }
}

/// A table of results for each target.
fn results(comparison: &Comparison) -> Markup {
    html! {
        section #results {
            h2 { "Results" }
            @for (number, target) in comparison.targets.iter().enumerate() {
                h3 {
                    (link(number, target)) " "
                    span.aside { (count(target.total.regions)) " source regions" }
                }
                (table(
                    &format!("Results of {}", target.title()),
                    results::COLUMNS,
                    &[],
                    &results::rows(target, comparison.trials),
                ))
            }
            p.note { (results::READING) }
        }
    }
}
