//! One target's section: how coverage grew, where it ended, what was reached by whom.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::axis::{Spacing, Tick, round_values};
use super::boxes::{Boxes, Row};
use super::curves::{Chart, Curve, Over, Step};
use super::parts::{Engines, cell, details, table};
use crate::format::{
    NONE, count, counted, estimate, listed, measured, median, median_time, milliseconds, p_value,
    percent, rounded,
};
use crate::sentences::title;
use crate::{Comparison, Contrast, Survival, SurvivalKind, TargetResult, TrialResult, Verdict};

/// The section.
pub(super) fn section(
    comparison: &Comparison,
    engines: &Engines<'_>,
    target: &TargetResult,
    number: usize,
) -> Markup {
    html! {
        section id=(format!("target-{number}")) {
            h2 { code { (target.target) } }
            p { "Drives " (target.drives) ". Inputs have at most " (count(target.max_input)) " bytes." }
            (growth(engines, target, number))
            (ends(engines, target, number))
            (pairs(target))
            (milestones(target))
            (crates(comparison, target))
            (who_reached_what(target))
            (survivals(comparison, engines, target, number))
        }
    }
}

/// The growth of coverage, over time and over executions, on linear and logarithmic axes.
fn growth(engines: &Engines<'_>, target: &TargetResult, number: usize) -> Markup {
    let seeds = target.seeds.reach.regions;
    let charts = [
        (Over::Time, Spacing::Linear, "time, linear axis"),
        (Over::Time, Spacing::Logarithmic, "time, logarithmic axis"),
        (Over::Executions, Spacing::Linear, "executions, linear axis"),
        (
            Over::Executions,
            Spacing::Logarithmic,
            "executions, logarithmic axis",
        ),
    ];
    let charts = charts.into_iter().enumerate();
    let charts = charts.filter_map(|(at, (over, spacing, axis))| {
        let curves = growth_curves(engines, target, over);
        let most = curves.iter().map(|curve| curve.last().high);
        // From a little below the seeds, so that their label has room, to a little above the highest band.
        let room = (most.fold(0.0, f64::max) - seeds as f64).max(4.0);
        let (from, to) = (seeds as f64 - room * 0.12, seeds as f64 + room * 1.06);
        let marks = round_values(from.max(0.0), to, 7, true);
        let tick = |value| Tick {
            value,
            label: median(value),
        };
        let chart = Chart {
            id: &format!("growth-{number}-{at}"),
            title: &format!("Source regions of {} over {axis}", target.target),
            words: &growth_in_words(seeds, over, &curves),
            over,
            spacing,
            vertical: (
                "source regions reached",
                from,
                to,
                marks.into_iter().map(tick).collect(),
            ),
            base: Some((seeds as f64, format!("seeds alone: {}", count(seeds)))),
            curves: &curves,
        };
        (!curves.is_empty()).then(|| chart.svg())
    });
    let charts: Vec<Markup> = charts.collect();
    html! {
        h3 { "Growth of coverage" }
        @if charts.is_empty() {
            p { "Nothing was executed in a trial that counts: there is no growth to show." }
        } @else {
            div.charts { @for chart in &charts { figure { (chart) } } }
            p.note {
                "Lines are medians over an engine’s trials that count, the shades around them reach from quartile to \
                 quartile. The vertical axis begins near what the seeds reach, " (count(seeds)) ", and not at 0; "
                (count(target.total.regions)) " regions is all of the code under test. Over executions a line ends \
                 where the trial with the fewest ended. " code { "series.csv" } " has every trial’s growth."
            }
        }
    }
}

/// The quartiles over the trials of each engine that executed something.
fn growth_curves<'a>(
    engines: &Engines<'_>,
    target: &'a TargetResult,
    over: Over,
) -> Vec<Curve<'a>> {
    let curves = target.engines.iter().map(|engine| {
        let (bands, unit) = match over {
            Over::Time => (&engine.over_time, 1000.0),
            Over::Executions => (&engine.over_executions, 1.0),
        };
        Curve {
            name: &engine.title,
            style: engines.style(&engine.engine),
            start: target.seeds.reach.regions as f64,
            steps: bands
                .iter()
                .map(|band| Step {
                    at: band.at / unit,
                    low: band.low,
                    middle: band.median,
                    high: band.high,
                })
                .collect(),
            end: bands.last().map_or(0.0, |band| band.at / unit),
        }
    });
    curves.filter(|curve| curve.end > 0.0).collect()
}

fn growth_in_words(seeds: usize, over: Over, curves: &[Curve<'_>]) -> String {
    let mut words = vec![format!("The seeds reach {} regions.", count(seeds))];
    words.extend(curves.iter().map(|curve| {
        let Some(at) = curve.last_change() else {
            return format!("{}: the median stays there.", curve.name);
        };
        let last = curve.last();
        format!(
            "{}: median {} in the end, quartiles {} and {}; the median rises last after {}.",
            curve.name,
            median(last.middle),
            median(last.low),
            median(last.high),
            match over {
                Over::Time => measured(at),
                Over::Executions => format!("{} executions", rounded(at)),
            }
        )
    }));
    words.join(" ")
}

/// Where the trials ended: regions, and executions a second.
fn ends(engines: &Engines<'_>, target: &TargetResult, number: usize) -> Markup {
    let rows = |value: fn(&TrialResult) -> f64| -> Vec<Row<'_>> {
        let rows = target.engines.iter().map(|engine| Row {
            name: &engine.title,
            style: engines.style(&engine.engine),
            values: engine
                .counting()
                .map(value)
                .filter(|value| value.is_finite())
                .collect(),
        });
        rows.collect()
    };
    let regions = rows(|trial| trial.reach.regions as f64);
    let speed = rows(|trial| trial.executions_per_second);
    if regions.iter().all(|row| row.values.is_empty()) {
        return html! {};
    }
    let drawing = |name: &str, title: &str, axis, from_zero, rows: &[Row<'_>]| {
        Boxes {
            id: &format!("ends-{number}-{name}"),
            title: &format!("{title} in each trial, on {}", target.target),
            axis,
            from_zero,
            rows,
        }
        .svg()
    };
    html! {
        h3 { "Where the trials ended" }
        div.charts {
            figure { (drawing("regions", "Regions reached", "source regions in the end", false, &regions)) }
            figure { (drawing("speed", "Executions a second", "executions/s", true, &speed)) }
        }
        p.note {
            "A point is a trial, the thick stroke the median. From five trials on there is a box from quartile to \
             quartile, and whiskers to the outermost trials within one and a half boxes. The axis of regions does not \
             begin at 0. The figures of every trial are under " a href="#conditions" { "Conditions" } "."
        }
    }
}

/// Every two engines, compared.
fn pairs(target: &TargetResult) -> Markup {
    if target.pairs.is_empty() {
        return html! {};
    }
    let row = |names: &str, compared: &str, contrast: &Contrast| -> Vec<Markup> {
        let verdict = match contrast.verdict {
            Verdict::Higher | Verdict::Lower => "differ",
            Verdict::NotShown => "no difference shown",
            Verdict::TooFewTrials => "too few trials",
        };
        [
            names,
            compared,
            &format!("{} – {}", median(contrast.first), median(contrast.second)),
            &contrast.u.to_string(),
            &format!(
                "{}{}",
                p_value(contrast.p),
                if contrast.exact { " exact" } else { "" }
            ),
            &p_value(contrast.adjusted_p),
            &format!("{:.2}", contrast.a12),
            contrast.magnitude.word(),
            verdict,
        ]
        .map(cell)
        .into()
    };
    let mut rows = Vec::new();
    for pair in &target.pairs {
        let (first, second) = (title(target, &pair.first), title(target, &pair.second));
        let names = format!("{first} – {second}");
        rows.push(row(&names, "at equal time", &pair.regions));
        if let Some(contrast) = &pair.at_equal_executions {
            rows.push(row(&names, "at equal executions", contrast));
        }
    }
    let headings = [
        "pair", "compared", "medians", "U", "p", "adjusted", "A12", "effect", "verdict",
    ];
    html! {
        h3 { "Engine against engine" }
        (table(&format!("Pairs of engines on {}", target.target), &headings, &[1, 7, 8], &rows))
        p.note {
            "Regions over the trials that count. A small p shows that there is a difference, A12 how much of one. "
            a href="#conditions" { "How they are made." }
        }
    }
}

/// When shares of the union were reached.
fn milestones(target: &TargetResult) -> Markup {
    let mut rows = Vec::new();
    for engine in &target.engines {
        for mark in &engine.milestones {
            let trials = engine.counting().count();
            let cells = [
                engine.title.clone(),
                format!("{}\u{a0}%", mark.percent),
                count(mark.regions),
                format!("{} of {trials}", mark.trials),
                estimate(mark.time_ms, |time| milliseconds(time.max(0.0) as u64)),
                estimate(mark.executions, median),
            ];
            rows.push(cells.map(|text| cell(&text)).into());
        }
    }
    if rows.is_empty() {
        return html! {};
    }
    let headings = ["engine", "share", "regions", "trials", "time", "executions"];
    html! {
        h3 { "Time to shares of the union" }
        p.note {
            "The union is what all engines and the seeds reach together, " (count(target.union.regions)) " regions. \
             Medians are over the trials that got there: where not all did, the others would have taken longer. 0 is \
             what the seeds reach."
        }
        (table(&format!("Time to shares of the union of {}", target.target), &headings, &[], &rows))
    }
}

/// The regions of each crate.
fn crates(comparison: &Comparison, target: &TargetResult) -> Markup {
    if comparison.code.is_empty() || target.engines.iter().all(|engine| engine.crates.is_empty()) {
        return html! {};
    }
    let mut headings = vec!["crate", "regions"];
    headings.extend(target.engines.iter().map(|engine| engine.title.as_str()));
    let rows: Vec<Vec<Markup>> = comparison
        .code
        .iter()
        .map(|code| {
            let total = code.total.regions;
            let mut row = vec![html! { code { (code.name) } }, html! { (count(total)) }];
            row.extend(target.engines.iter().map(|engine| {
                let reached = engine.crates.iter().find(|reach| reach.name == code.name);
                let regions = reached.and_then(|reach| reach.regions);
                let share = regions.map(|regions| percent(regions.median.round() as usize, total));
                html! { span.aside { (share.unwrap_or_default()) } " " (cell(&estimate(regions, median))) }
            }));
            row
        })
        .collect();
    html! {
        h3 { "Crate by crate" }
        p.note { "Regions that a trial reached: the median’s share of the crate, the median, its 95\u{a0}% interval." }
        (table(&format!("Regions of {} by crate", target.target), &headings, &[], &rows))
    }
}

/// Which engines reached which regions, and what one engine only reached.
fn who_reached_what(target: &TargetResult) -> Markup {
    let with_trials = target
        .engines
        .iter()
        .filter(|engine| engine.counting().next().is_some());
    if with_trials.count() < 2 || target.regions.is_empty() {
        return html! {};
    }
    let mut groups: BTreeMap<Vec<String>, usize> = BTreeMap::new();
    for region in &target.regions {
        let by = target.engines.iter().zip(&region.by);
        let reached = by.filter(|(_, trials)| **trials > 0);
        let names = reached.map(|(engine, _)| engine.title.clone());
        *groups.entry(names.collect()).or_default() += 1;
    }
    let mut groups: Vec<(Vec<String>, usize)> = groups.into_iter().collect();
    groups.sort_by_key(|(names, regions)| (names.is_empty(), std::cmp::Reverse(*regions)));
    let rows: Vec<Vec<Markup>> = groups
        .iter()
        .map(|(names, regions)| {
            let names = if names.is_empty() {
                "no engine".to_owned()
            } else {
                listed(names)
            };
            vec![html! { (names) }, html! { (count(*regions)) }]
        })
        .collect();
    let label = format!(
        "Regions of {} by the engines that reached them",
        target.target
    );
    html! {
        h3 { "Who reached what" }
        p.note {
            "All of an engine’s trials together. The regions that one engine only reached follow, with the number of \
             trials that reached each."
        }
        (table(&label, &["reached by these and no others", "regions"], &[], &rows))
        @for engine in target.engines.iter().filter(|engine| !engine.only_here.is_empty()) {
            @let regions = counted(engine.only_here.len(), "region", "regions");
            @let trials = engine.counting().count();
            (details(&format!("{}: {regions} that no other engine reached", engine.title), &html! {
                ul.places {
                    @for place in &engine.only_here {
                        li {
                            code { (place.file) ":" (place.line) ":" (place.column) } " "
                            span.aside { "in " (place.trials) " of " (trials) }
                        }
                    }
                }
            }))
        }
    }
}

/// How long finds and planted faults went unnoticed, a chart for each.
fn survivals(
    comparison: &Comparison,
    engines: &Engines<'_>,
    target: &TargetResult,
    number: usize,
) -> Markup {
    let mut mistakes: BTreeMap<(bool, &str), Vec<&Survival>> = BTreeMap::new();
    for survival in &target.survivals {
        let key = (survival.kind == SurvivalKind::Fault, survival.of.as_str());
        mistakes.entry(key).or_default().push(survival);
    }
    if mistakes.is_empty() {
        return html! {};
    }
    let mut rows = Vec::new();
    for ((_, name), curves) in &mistakes {
        for curve in curves {
            let first = curve.steps.first().map(|step| milliseconds(step.time_ms));
            rows.push(vec![
                html! { code { (name) } },
                html! { (title(target, &curve.engine)) },
                html! { (curve.caught) " of " (curve.trials) },
                html! { (first.unwrap_or_else(|| NONE.to_owned())) },
                html! { (median_time(curve.median_ms)) },
            ]);
        }
    }
    let headings = [
        "what",
        "engine",
        "caught in",
        "first",
        "half of the trials by",
    ];
    html! {
        h3 { "How long mistakes went unnoticed" }
        p.note {
            "A curve falls when a trial catches the mistake; where it stays at 1, no trial did. The shade is the \
             95\u{a0}% interval. Planted faults show how strong the oracle is; they do not rank engines."
        }
        div.charts {
            @for (at, ((is_fault, name), curves)) in mistakes.iter().enumerate() {
                figure {
                    figcaption {
                        code { (name) } " "
                        span.aside { @if *is_fault { "planted fault" } @else { "find" } }
                    }
                    (survival_chart(comparison, engines, target, name, curves, &format!("survival-{number}-{at}")))
                }
            }
        }
        (table(&format!("Time to catch on {}", target.target), &headings, &[1], &rows))
    }
}

fn survival_chart(
    comparison: &Comparison,
    engines: &Engines<'_>,
    target: &TargetResult,
    name: &str,
    survivals: &[&Survival],
    id: &str,
) -> Markup {
    let seconds = |time_ms: u64| time_ms as f64 / 1000.0;
    let steps = survivals.iter().flat_map(|survival| &survival.steps);
    let latest = steps.map(|step| seconds(step.time_ms)).fold(0.0, f64::max);
    let end = latest.max(comparison.time_seconds as f64);
    let curves = survivals.iter().map(|&survival| Curve {
        name: title(target, &survival.engine),
        style: engines.style(&survival.engine),
        start: 1.0,
        steps: survival
            .steps
            .iter()
            .map(|step| Step {
                at: seconds(step.time_ms),
                low: step.low,
                middle: step.surviving,
                high: step.high,
            })
            .collect(),
        end,
    });
    let curves: Vec<Curve<'_>> = curves.collect();
    let words: Vec<String> = survivals
        .iter()
        .map(|survival| {
            format!(
                "{}: caught in {} of {} trials, half of them by: {}.",
                title(target, &survival.engine),
                survival.caught,
                survival.trials,
                median_time(survival.median_ms)
            )
        })
        .collect();
    let tick = |value: f64| Tick {
        value,
        label: value.to_string(),
    };
    Chart {
        id,
        title: &format!("Share of trials in which {name} is not caught, over time"),
        words: &words.join(" "),
        over: Over::Time,
        spacing: Spacing::Linear,
        vertical: (
            "share of trials that have not caught it",
            0.0,
            1.0,
            [0.0, 0.5, 1.0].map(tick).into(),
        ),
        base: None,
        curves: &curves,
    }
    .svg()
}
