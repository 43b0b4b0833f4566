//! A comparison as one self-contained HTML page.
//!
//! The page needs no network, no script and no mouse: its style is in it, charts are drawn here as SVG,
//! and what can be switched are radio buttons that the style looks at. It is well-formed XML too, which
//! is how its tests read it. Everything that comes from outside goes through `markup::escape`.
//!
//! A module each: the words (`words`), the drawings (`chart`, `boxes`, `heat`, `upset`, `ranks`, `survival`),
//! the tables (`results`, `tables`, `pairs`, `finds`, `conditions`) and the source (`files`, `lines`, `source`).

mod axis;
mod boxes;
mod chart;
mod conditions;
mod engines;
mod files;
mod finds;
mod growth;
mod heat;
mod lines;
mod markup;
mod pairs;
mod ranks;
mod results;
mod source;
mod survival;
mod svg;
mod tables;
mod target;
mod upset;
mod words;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use self::engines::Engines;
use self::markup::{counted, escape, list, listed, span};
use super::Comparison;

const STYLE: &str = include_str!("page/style.css");

/// A file of the code under test, to be shown beside what was reached of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// The path, as [`RegionReach::file`](super::RegionReach::file) has it.
    pub path: String,
    /// What is in it.
    pub text: String,
}

/// The files of the code under test that a comparison speaks of, below the project's root. What is not
/// there any more, or is no text, is left out, and the page says so.
#[must_use]
pub fn sources(comparison: &Comparison, root: &Path) -> Vec<SourceFile> {
    let regions = comparison.targets.iter().flat_map(|target| &target.regions);
    let paths: BTreeSet<&str> = regions.map(|region| region.file.as_str()).collect();
    let read = |path: &str| {
        let text = fs::read_to_string(root.join(path)).ok()?;
        Some(SourceFile {
            path: path.to_owned(),
            text,
        })
    };
    paths.into_iter().filter_map(read).collect()
}

/// The page, with the source of the code under test as far as `sources` have it.
#[must_use]
pub fn html(comparison: &Comparison, sources: &[SourceFile]) -> String {
    let engines = Engines::of(comparison);
    let titles = engines.titles();
    let names = if titles.is_empty() {
        "No engine".to_owned()
    } else {
        listed(&titles)
    };
    let heading = escape(&format!("{names} on one oracle"));
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <title>{heading}</title>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <meta name=\"color-scheme\" content=\"light dark\"/>\n\
         <meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; style-src 'unsafe-inline'\"/>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#summary\">To the summary</a>\n"
    );
    page += &header(comparison, &heading);
    page += &contents(comparison);
    page += "<main>\n";
    page += &summary(comparison, &engines);
    page += &results::section(comparison, &engines);
    page += &ranks::section(comparison, &engines);
    for (number, target) in comparison.targets.iter().enumerate() {
        page += &target::section(comparison, &engines, sources, target, number);
    }
    page += &finds::section(comparison, &engines);
    page += &conditions::section(comparison);
    page + "</main>\n</body>\n</html>\n"
}

fn header(comparison: &Comparison, heading: &str) -> String {
    format!(
        "<header>\n<p class=\"kicker\">measure-fuzz: engines compared</p>\n<h1>{heading}</h1>\n\
         <p class=\"facts\">{}, {} of {} for each engine on each. Started <time \
         datetime=\"{}\">{}</time>.</p>\n</header>\n",
        counted(comparison.targets.len(), "target", "targets"),
        counted(comparison.trials, "trial", "trials"),
        span(comparison.time_seconds),
        escape(&comparison.started),
        escape(
            &comparison
                .started
                .replacen('T', " ", 1)
                .replace('Z', " UTC")
        ),
    )
}

/// The parts of the page, to go to.
fn contents(comparison: &Comparison) -> String {
    let mut html = String::from(
        "<nav aria-label=\"Parts of this page\">\n<ul>\n<li><a href=\"#summary\">In words</a></li>\n\
         <li><a href=\"#results\">Results</a></li>\n",
    );
    if comparison.targets.len() > 1 {
        html += "<li><a href=\"#across\">All targets together</a></li>\n";
    }
    for (number, target) in comparison.targets.iter().enumerate() {
        let _ = write!(
            html,
            "<li><a href=\"#target-{number}\"><code>{}</code></a>",
            escape(&target.target)
        );
        if !target.regions.is_empty() {
            let _ = write!(
                html,
                "\n<ul>\n<li><a href=\"#heat-{number}\">heat map</a></li>\n\
                 <li><a href=\"#source-{number}\">source</a></li>\n</ul>\n"
            );
        }
        html += "</li>\n";
    }
    html + "<li><a href=\"#finds\">Finds</a></li>\n<li><a href=\"#conditions\">Conditions</a></li>\n\
            </ul>\n</nav>\n"
}

/// The result in words.
fn summary(comparison: &Comparison, engines: &Engines<'_>) -> String {
    let mut html = String::from("<section id=\"summary\">\n<h2>In words</h2>\n");
    let problems = words::problems(comparison);
    if !problems.is_empty() {
        html += "<div class=\"problems\" role=\"note\">\n<h3>Read this first</h3>\n<ul>\n";
        for problem in &problems {
            let _ = writeln!(html, "<li>{}</li>", escape(problem));
        }
        html += "</ul>\n</div>\n";
    }
    html += "<dl class=\"verdicts\">\n";
    for (number, target) in comparison.targets.iter().enumerate() {
        let only_here = words::only_here(target);
        let _ = writeln!(
            html,
            "<dt><a href=\"#target-{number}\"><code>{}</code></a></dt>\n<dd><p>{}</p>\n{}{}</dd>",
            escape(&target.target),
            escape(&words::reached(target)),
            list(&words::differences_in_short(engines, target)),
            only_here.map_or(String::new(), |text| format!("<p>{}</p>\n", escape(&text))),
        );
    }
    let _ = writeln!(
        html,
        "<dt>Finds</dt>\n<dd><p>{}</p></dd>\n<dt>Caution</dt>\n<dd><p>{}</p></dd>\n</dl>\n</section>",
        escape(&words::finds(comparison)),
        escape(&words::caution(comparison)),
    );
    html
}
