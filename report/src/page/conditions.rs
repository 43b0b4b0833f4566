//! Under which conditions all was measured.

use std::fmt::Write as _;

use super::markup::{count, counted, escape, listed, span};
use super::tables;
use crate::Comparison;
use crate::analysis::METHODS;

/// The section.
pub(super) fn section(comparison: &Comparison) -> String {
    let mut html = String::from("<section id=\"conditions\">\n<h2>Conditions</h2>\n");
    html += HOW;
    let _ = write!(
        html,
        "<h3>How the statistics were made</h3>\n<p>{}</p>\n",
        escape(METHODS)
    );
    let machine = &comparison.machine;
    let _ = write!(
        html,
        "<h3>Machine and versions</h3>\n<dl class=\"facts-list\">\n\
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
    let _ = write!(
        html,
        "<dt>Trials</dt><dd>{} of {} each, looked at every {}; in an order drawn from the seed {}</dd>\n\
         </dl>\n<h3>Trials</h3>\n",
        count(comparison.trials),
        span(comparison.time_seconds),
        span(comparison.snapshot_seconds),
        comparison.order_seed,
    );
    for target in &comparison.targets {
        let seeds = &target.seeds;
        let _ = write!(
            html,
            "<h4><code>{}</code></h4>\n<p>Inputs of at most {} bytes; {} dictionary. {} \
             of their own: {}, {} and {}.</p>\n<details class=\"small\">\n<summary>Every trial on {0}</summary>\n\
             {}</details>\n",
            escape(&target.target),
            count(target.max_input),
            if target.dictionary { "a" } else { "no" },
            counted(
                seeds.inputs,
                "seed, with a coverage",
                "seeds, with a coverage"
            ),
            counted(seeds.reach.regions, "region", "regions"),
            counted(seeds.reach.lines, "line", "lines"),
            counted(seeds.reach.functions, "function", "functions"),
            tables::trials(target),
        );
    }
    html += "<h3>Checks never evaluated</h3>\n<ul>\n";
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
    html += "</ul>\n<h3>Commands</h3>\n<details class=\"small\">\n\
             <summary>What was run in the first trials, word for word</summary>\n";
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

const HOW: &str = "<h3>How coverage was measured</h3>\n\
    <p>In source regions, of all the code under test, as the compiler cuts it: a branch, \
    an arm of a <code>match</code>, the rest of a function. However many copies of a generic function there \
    are, a region counts once. Every input that an engine kept was replayed through one neutral \
    build with <code>-C instrument-coverage</code>, without any engine’s instrumentation; \
    an engine’s own figure (edges, features, blocks) is never used, for those are different units. \
    What the seeds reach counts for every engine, for each began by running them.</p>\n\
    <p>AFL++ notes in a kept input’s name when, and after how many executions, it came. For engines that do \
    not, the time is that of the file, and the executions are those of their progress reports, in \
    proportion between two of them.</p>\n\
    <p>All engines had the same seeds, oracle, Cargo profile and largest input, one core each, and \
    no sanitizer; overflow checks and debug assertions were on.</p>\n";
