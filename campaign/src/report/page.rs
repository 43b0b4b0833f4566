//! A comparison as one self-contained HTML page.
//!
//! The page needs no network, no script and no mouse: its style is in it, charts are drawn here as SVG,
//! and what can be switched are radio buttons that the style looks at. It is well-formed XML too, which
//! is how its tests read it. Everything that comes from outside goes through `markup::escape`.

mod axis;
mod chart;
mod growth;
mod markup;
#[cfg(test)]
mod samples;
mod target;
mod words;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use self::markup::{count, counted, escape, listed, measured, percent, rate, shell_word, span};
use super::{Comparison, EngineResult, FindGroup, TargetResult, grouped};
use crate::fuzz::UNREPRODUCED;

const STYLE: &str = include_str!("page/style.css");

/// The page.
#[must_use]
pub fn html(comparison: &Comparison) -> String {
    let titles: Vec<String> = words::engines(comparison)
        .into_iter()
        .map(str::to_owned)
        .collect();
    let engines = if titles.is_empty() {
        "No engine".to_owned()
    } else {
        listed(&titles)
    };
    let heading = escape(&format!("{engines} on one oracle"));
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <title>{heading}</title>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <meta name=\"color-scheme\" content=\"light dark\"/>\n\
         <meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; style-src 'unsafe-inline'\"/>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n"
    );
    page += &header(comparison, &heading);
    page += &summary(comparison);
    page += &results(comparison);
    for (number, target) in comparison.targets.iter().enumerate() {
        page += &target::section(comparison, target, number);
    }
    page += &finds(comparison);
    page += &conditions(comparison);
    page + "</main>\n</body>\n</html>\n"
}

fn header(comparison: &Comparison, heading: &str) -> String {
    format!(
        "<header>\n<p class=\"kicker\">measure-fuzz: engines compared</p>\n<h1>{heading}</h1>\n\
         <p class=\"facts\">{}, {} for each engine on each. Started <time \
         datetime=\"{}\">{}</time>.</p>\n</header>\n",
        counted(comparison.targets.len(), "target", "targets"),
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

/// The result in words.
fn summary(comparison: &Comparison) -> String {
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
        let mut text = words::verdict(target);
        if let Some(only) = words::only_here(target) {
            text = format!("{text} {only}");
        }
        let _ = writeln!(
            html,
            "<dt><a href=\"#target-{number}\"><code>{}</code></a></dt>\n<dd>{}</dd>",
            escape(&target.target),
            escape(&text),
        );
    }
    let _ = writeln!(
        html,
        "<dt>Finds</dt>\n<dd>{}</dd>\n<dt>Caution</dt>\n<dd>{}</dd>\n</dl>\n</section>",
        escape(&words::finds(comparison)),
        escape(&words::caution(comparison)),
    );
    html
}

/// The table of results, a group of rows for each target.
fn results(comparison: &Comparison) -> String {
    let mut html = String::from(
        "<section id=\"results\">\n<h2>Results</h2>\n\
         <div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Table of results\">\n\
         <table class=\"results\">\n<thead>\n<tr><th scope=\"col\">engine</th>",
    );
    for heading in [
        "regions",
        "of all",
        "beyond seeds",
        "only here",
        "finds",
        "executions",
        "executions/s",
        "corpus",
        "time",
    ] {
        let _ = write!(html, "<th scope=\"col\" class=\"figure\">{heading}</th>");
    }
    html += "</tr>\n</thead>\n";
    for (number, target) in comparison.targets.iter().enumerate() {
        let _ = writeln!(
            html,
            "<tbody>\n<tr class=\"target\"><th scope=\"rowgroup\" colspan=\"10\">\
             <span class=\"stay\"><a href=\"#target-{number}\"><code>{}</code></a> \
             <span class=\"aside\">{} source regions</span></span></th></tr>",
            escape(&target.target),
            count(target.total.regions),
        );
        html += &row(
            "seeds alone",
            "seeds",
            &[
                count(target.seeds.reach.regions),
                percent(target.seeds.reach.regions, target.total.regions),
                "–".into(),
                "–".into(),
                "–".into(),
                "–".into(),
                "–".into(),
                count(target.seeds.inputs),
                "–".into(),
            ],
        );
        for engine in &target.engines {
            html += &engine_row(target, engine);
        }
        html += "</tbody>\n";
    }
    html + "</table>\n</div>\n\
           <p class=\"note\">The most regions of a target are in bold. “Beyond seeds” are regions that the \
           seeds alone do not reach; “only here” are those that no other engine reached. “Corpus” is \
           how many inputs were kept.</p>\n</section>\n"
}

fn engine_row(target: &TargetResult, engine: &EngineResult) -> String {
    let finds: usize = engine.finds.iter().map(|group| group.inputs).sum();
    let is_sound = engine.failure().is_none();
    let mut others = target
        .engines
        .iter()
        .filter(|other| other.failure().is_none());
    let is_most = is_sound && others.all(|other| other.reach.regions <= engine.reach.regions);
    let name = if is_sound {
        engine.title.clone()
    } else {
        format!("{} (failed)", engine.title)
    };
    let regions = count(engine.reach.regions);
    let trial = engine.middle();
    row(
        &name,
        if is_sound { "" } else { "failed" },
        &[
            if is_most {
                format!("<strong>{regions}</strong>")
            } else {
                regions
            },
            percent(engine.reach.regions, target.total.regions),
            match engine.reach.regions.checked_sub(target.seeds.reach.regions) {
                Some(0) | None => "0".to_owned(),
                Some(more) => format!("+{}", count(more)),
            },
            count(engine.only_here.len()),
            if finds == 0 {
                "0".to_owned()
            } else {
                format!("<a href=\"#finds\" class=\"found\">{}</a>", count(finds))
            },
            grouped(trial.map_or(0, |trial| trial.executions)),
            rate(trial.map_or(0.0, |trial| trial.executions_per_second)),
            count(trial.map_or(0, |trial| trial.corpus)),
            measured(trial.map_or(0.0, |trial| trial.seconds)),
        ],
    )
}

/// A row of the results. The name is escaped here; the cells are markup.
fn row(name: &str, class: &str, cells: &[String; 9]) -> String {
    let mut html = format!(
        "<tr class=\"{class}\"><th scope=\"row\">{}</th>",
        escape(name)
    );
    for cell in cells {
        let _ = write!(html, "<td>{cell}</td>");
    }
    html + "</tr>\n"
}

/// What fails, by check, with the command that shows it again.
fn finds(comparison: &Comparison) -> String {
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
                 run the commands there.</p>\n";
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

/// Under which conditions all this was measured.
fn conditions(comparison: &Comparison) -> String {
    let machine = &comparison.machine;
    let mut html = format!(
        "<section id=\"conditions\">\n<h2>Conditions</h2>\n<h3>How coverage was measured</h3>\n\
         <p>In source regions, of all the code under <code>crates/</code>, as the compiler cuts it: a branch, \
         an arm of a <code>match</code>, the rest of a function. However many copies of a generic function there \
         are, a region counts once. Every input that an engine kept was replayed through one neutral \
         build with <code>-C instrument-coverage</code>, without any engine’s instrumentation; \
         an engine’s own figure (edges, features, blocks) is never used, for those are different units. \
         What the seeds reach counts for every engine, for each began by running them.</p>\n\
         <p>AFL++ notes in a kept input’s name when, and after how many executions, it came. For engines that do \
         not, the time is that of the file, and the executions are those of their progress reports, in \
         proportion between two of them.</p>\n\
         <p>All engines had the same seeds, oracle, Cargo profile and largest input, one core each, and \
         no sanitizer; overflow checks and debug assertions were on.</p>\n\
         <h3>Machine and versions</h3>\n<dl class=\"facts-list\">\n\
         <dt>Processor</dt><dd>{}, {}; {} at once</dd>\n<dt>System</dt><dd>{}</dd>\n",
        escape(&machine.processor),
        counted(machine.cores, "core", "cores"),
        counted(machine.jobs, "engine", "engines"),
        escape(&machine.system),
    );
    for (tool, version) in &machine.tools {
        let _ = writeln!(
            html,
            "<dt>{}</dt><dd>{}</dd>",
            escape(tool),
            escape(version)
        );
    }
    html += "</dl>\n<h3>Runs</h3>\n\
             <div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Table of runs\">\n<table>\n\
             <thead>\n<tr><th scope=\"col\">target</th><th scope=\"col\">engine</th>\
             <th scope=\"col\" class=\"figure\">largest input</th>\
             <th scope=\"col\" class=\"figure\">seeds read</th>\
             <th scope=\"col\" class=\"figure\">stability</th></tr>\n</thead>\n<tbody>\n";
    for target in &comparison.targets {
        for engine in &target.engines {
            let trial = engine.middle();
            let stability = trial
                .and_then(|trial| trial.stability)
                .map_or("–".to_owned(), |percent| format!("{percent:.1}\u{a0}%"));
            let _ = writeln!(
                html,
                "<tr><th scope=\"row\"><code>{}</code></th><td class=\"word\">{}</td>\
                 <td>{} bytes</td><td>{} of {}</td><td>{stability}</td></tr>",
                escape(&target.target),
                escape(&engine.title),
                count(target.max_input),
                grouped(trial.map_or(0, |trial| trial.seeds_read)),
                count(target.seeds.inputs),
            );
        }
    }
    html += "</tbody>\n</table>\n</div>\n<h3>Checks never evaluated</h3>\n<ul>\n";
    for target in &comparison.targets {
        let never: Vec<String> = target
            .never_evaluated
            .iter()
            .map(|check| format!("<code>{}</code>", escape(check)))
            .collect();
        let _ = writeln!(
            html,
            "<li><code>{}</code>: {}</li>",
            escape(&target.target),
            if never.is_empty() {
                "none; every check was evaluated.".to_owned()
            } else {
                listed(&never)
            },
        );
    }
    html += "</ul>\n<h3>Commands</h3>\n<details>\n<summary>What was run, word for word</summary>\n";
    for target in &comparison.targets {
        for engine in target
            .engines
            .iter()
            .filter(|engine| !engine.command.is_empty())
        {
            let _ = writeln!(
                html,
                "<p>{} on {}</p>\n<pre><code>{}</code></pre>",
                escape(&engine.title),
                escape(&target.target),
                escape(&engine.command),
            );
        }
    }
    html + "</details>\n</section>\n"
}
