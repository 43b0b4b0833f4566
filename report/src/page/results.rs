//! The table of results, a group of rows for each target.

use std::fmt::Write as _;

use super::engines::{Engines, counting};
use super::markup::{count, escape, estimate, middling, percent, rate, scroll};
use super::svg::key;
use crate::{Comparison, EngineResult, TargetResult};

const COLUMNS: [&str; 9] = [
    "trials",
    "regions in a trial",
    "of all",
    "beyond seeds",
    "all trials together",
    "only here",
    "finds",
    "executions/s",
    "corpus",
];

/// The section.
pub(super) fn section(comparison: &Comparison, engines: &Engines<'_>) -> String {
    let mut table =
        String::from("<table class=\"results\">\n<thead>\n<tr><th scope=\"col\">engine</th>");
    for heading in COLUMNS {
        let _ = write!(table, "<th scope=\"col\" class=\"figure\">{heading}</th>");
    }
    table += "</tr>\n</thead>\n";
    for (number, target) in comparison.targets.iter().enumerate() {
        let _ = writeln!(
            table,
            "<tbody>\n<tr class=\"target\"><th scope=\"rowgroup\" colspan=\"{}\">\
             <span class=\"stay\"><a href=\"#target-{number}\"><code>{}</code></a> \
             <span class=\"aside\">{} source regions</span></span></th></tr>",
            COLUMNS.len() + 1,
            escape(&target.target),
            count(target.total.regions),
        );
        let seeds = &target.seeds;
        let mut cells: [String; COLUMNS.len()] = std::array::from_fn(|_| "–".to_owned());
        cells[1] = count(seeds.reach.regions);
        cells[2] = percent(seeds.reach.regions, target.total.regions);
        cells[8] = count(seeds.inputs);
        table += &row("seeds alone", "seeds", &cells);
        for engine in &target.engines {
            table += &engine_row(comparison, engines, target, engine);
        }
        table += "</tbody>\n";
    }
    format!(
        "<section id=\"results\">\n<h2>Results</h2>\n{}<p class=\"note\">Medians over the trials that count, \
         and below them 95\u{a0}% bootstrap intervals of the median where they have a width. “Beyond seeds” are regions that the \
         seeds alone do not reach; “only here” are those that no other engine reached in any trial. \
         “Corpus” is how many inputs were kept. Engines are in no order of merit.</p>\n</section>\n",
        scroll("Table of results", &(table + "</table>\n"))
    )
}

fn engine_row(
    comparison: &Comparison,
    engines: &Engines<'_>,
    target: &TargetResult,
    engine: &EngineResult,
) -> String {
    let trials = counting(engine);
    let lost = comparison.trials.saturating_sub(trials);
    let mark = key(engines.style(&engine.engine));
    let name = format!("{mark}{}", escape(&engine.title));
    let finds: usize = engine.finds.iter().map(|group| group.inputs).sum();
    let finds = if finds == 0 {
        "0".to_owned()
    } else {
        format!("<a href=\"#finds\" class=\"found\">{}</a>", count(finds))
    };
    let beyond = engine.regions.map_or("–".to_owned(), |regions| {
        let beyond = regions.median - target.seeds.reach.regions as f64;
        if beyond > 0.0 {
            format!("+{}", middling(beyond))
        } else {
            "0".to_owned()
        }
    });
    let median = engine
        .regions
        .map(|regions| regions.median.round() as usize);
    row(
        &if trials == 0 {
            format!("{name} (failed)")
        } else {
            name
        },
        if trials == 0 { "failed" } else { "" },
        &[
            if lost > 0 {
                format!(
                    "<strong class=\"lost\">{trials} of {}</strong>",
                    comparison.trials
                )
            } else {
                count(trials)
            },
            estimate(engine.regions, middling),
            median.map_or("–".to_owned(), |median| {
                percent(median, target.total.regions)
            }),
            beyond,
            count(engine.reach.regions),
            count(engine.only_here.len()),
            finds,
            estimate(engine.executions_per_second, rate),
            estimate(engine.corpus, middling),
        ],
    )
}

/// A row; all of it is markup.
fn row(name: &str, class: &str, cells: &[String; COLUMNS.len()]) -> String {
    let mut html = format!("<tr class=\"{class}\"><th scope=\"row\">{name}</th>");
    for cell in cells {
        let _ = write!(html, "<td>{cell}</td>");
    }
    html + "</tr>\n"
}
