//! One target's section: how coverage grew, which engines differ, what was reached by whom.

use std::collections::BTreeSet;

use maud::{Markup, html};
use statistics::survival::Step;

use super::chart::{Chart, Curve, Over};
use super::parts::{details, style, table};
use crate::format::{self, count, counted, estimate, median, milliseconds, percent};
use crate::results;
use crate::sentences::{self, title};
use crate::{Band, Comparison, Contrast, RegionReach, Survival, SurvivalKind, TargetResult};

pub(super) fn section(comparison: &Comparison, target: &TargetResult, number: usize) -> Markup {
    html! {
        section id=(format!("target-{number}")) {
            h2 { code { (target.target) } (target.start.suffix()) }
            p { "Drives " (target.drives) ". Inputs have at most " (count(target.max_input)) " bytes." }
            (growth(comparison, target, number))
            (pairs(target))
            (milestones(target))
            (folders(target))
            (only_here(target))
            (survivals(comparison, target, number))
        }
    }
}

/// The growth of coverage, over time and over executions.
fn growth(comparison: &Comparison, target: &TargetResult, number: usize) -> Markup {
    let seeds = target.seeds.reach.regions;
    let charts = [(Over::Time, "time"), (Over::Executions, "executions")];
    let charts = charts.into_iter().filter_map(|(over, axis)| {
        let curves = growth_curves(comparison, target, over);
        let most = curves.iter().map(|curve| curve.last().high);
        let words = curves.iter().map(|curve| {
            let Band {
                low, median, high, ..
            } = curve.last();
            let [low, middle, high] = [low, median, high].map(format::median);
            format!(
                " {}: median {middle} in the end, quartiles {low} and {high}.",
                curve.name
            )
        });
        // From a little below the seeds, so that their label has room, to a little above the highest band.
        let room = (most.fold(0.0, f64::max) - seeds as f64).max(4.0);
        let (from, to) = (seeds as f64 - room * 0.12, seeds as f64 + room * 1.06);
        let chart = Chart {
            id: &format!("growth-{number}-{axis}"),
            title: &format!("Source regions of {} over {axis}", target.title()),
            words: &format!(
                "The seeds reach {} regions.{}",
                count(seeds),
                words.collect::<String>()
            ),
            over,
            vertical: ("source regions reached", from, to),
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
                (count(target.reachable.regions)) " regions are known to be reachable: the shipped corpus, the seeds \
                 and the engines reach them together. Over executions a line ends \
                 where the trial with the fewest ended. " code { "series.csv" } " has every trial’s growth."
            }
        }
    }
}

/// The quartiles over the trials of each engine that executed something.
fn growth_curves<'a>(
    comparison: &Comparison,
    target: &'a TargetResult,
    over: Over,
) -> Vec<Curve<'a>> {
    let curves = target.engines.iter().map(|engine| {
        let bands = match over {
            Over::Time => &engine.over_time,
            Over::Executions => &engine.over_executions,
        };
        Curve {
            name: &engine.title,
            style: style(comparison, &engine.title),
            start: target.seeds.reach.regions as f64,
            steps: bands.clone(),
            end: bands.last().map_or(0.0, |band| band.at),
        }
    });
    curves.filter(|curve| curve.end > 0.0).collect()
}

/// Every two engines, compared.
fn pairs(target: &TargetResult) -> Markup {
    if target.pairs.is_empty() {
        return html! {};
    }
    let row = |names: &str, compared: &str, contrast: &Contrast| {
        let mut row = vec![
            names.to_owned(),
            compared.to_owned(),
            format!("{} – {}", median(contrast.first), median(contrast.second)),
            contrast.u.to_string(),
        ];
        row.extend(results::test(Some(contrast)));
        row
    };
    let mut rows = Vec::new();
    for pair in &target.pairs {
        let (first, second) = (title(target, &pair.first), title(target, &pair.second));
        let names = format!("{first} – {second}");
        rows.push(row(&names, "at equal time", &pair.regions));
        rows.push(row(
            &names,
            "at equal executions",
            &pair.at_equal_executions,
        ));
    }
    let headings = format!("pair | compared | medians | U | {}", results::TEST);
    html! {
        h3 { "Engine against engine" }
        (table(&format!("Pairs of engines on {}", target.title()), &headings, &[1, 7, 8], &rows))
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
            rows.push(vec![
                engine.title.clone(),
                format!("{}\u{a0}%", mark.percent),
                count(mark.regions),
                format!("{} of {}", mark.trials, engine.counting().count()),
                estimate(mark.time_ms, |time| milliseconds(time as u64)),
                estimate(mark.executions, median),
            ]);
        }
    }
    if rows.is_empty() {
        return html! {};
    }
    let headings = "engine | share | regions | trials | time | executions";
    html! {
        h3 { "Time to shares of the union" }
        p.note {
            "The union is what all engines and the seeds reach together, " (count(target.union.regions)) " regions. \
             Medians are over the trials that got there: where not all did, the others would have taken longer. 0 is \
             what the seeds reach."
        }
        (table(&format!("Time to shares of the union of {}", target.title()), headings, &[], &rows))
    }
}

/// The regions of each crate: of each folder that has a `src`.
fn folders(target: &TargetResult) -> Markup {
    fn folder(region: &RegionReach) -> &str {
        region.file.split("/src/").next().unwrap_or_default()
    }
    let folders: BTreeSet<&str> = target.regions.iter().map(folder).collect();
    if folders.is_empty() {
        return html! {};
    }
    let rows = folders.into_iter().map(|name| {
        let regions = target
            .regions
            .iter()
            .filter(|region| folder(region) == name);
        let regions: Vec<&RegionReach> = regions.collect();
        let share = |is_reached: &dyn Fn(&RegionReach) -> bool| {
            let reached = regions.iter().filter(|region| is_reached(region)).count();
            format!("{} [{}]", count(reached), percent(reached, regions.len()))
        };
        let mut row = vec![
            name.to_owned(),
            count(regions.len()),
            share(&|region| region.seeds),
        ];
        let places = 0..target.engines.len();
        row.extend(places.map(|place| share(&|region| region.by[place] > 0)));
        row
    });
    let mut headings = "crate | regions | seeds".to_owned();
    for engine in &target.engines {
        headings = headings + " | " + &engine.title;
    }
    let label = format!("Regions of {} by crate", target.title());
    html! {
        h3 { "Crate by crate" }
        p.note { "Regions that the trials of an engine that count reached together, and their share of the crate." }
        (table(&label, &headings, &[], &rows.collect::<Vec<_>>()))
    }
}

/// The regions that one engine only reached.
fn only_here(target: &TargetResult) -> Markup {
    let engines = target.engines.iter().enumerate();
    let engines = engines.filter(|(place, _)| target.only_here(*place).next().is_some());
    let engines: Vec<_> = engines.collect();
    if target.engines.len() < 2 || engines.is_empty() {
        return html! {};
    }
    html! {
        h3 { "What one engine only reached" }
        p.note { "All of an engine’s trials that count together, with the number of trials that reached each region." }
        @for (place, engine) in engines {
            @let regions = counted(target.only_here(place).count(), "region", "regions");
            (details(&format!("{}: {regions} that no other engine reached", engine.title), &html! {
                ul.places {
                    @for region in target.only_here(place) {
                        li {
                            code { (region.file) ":" (region.line) ":" (region.column) } " "
                            span.aside { "in " (region.by[place]) " of " (engine.counting().count()) }
                        }
                    }
                }
            }))
        }
    }
}

/// How long finds and planted faults went unnoticed, a chart for each.
fn survivals(comparison: &Comparison, target: &TargetResult, number: usize) -> Markup {
    if target.survivals.is_empty() {
        return html! {};
    }
    let same = |one: &Survival, next: &Survival| (one.kind, &one.of) == (next.kind, &next.of);
    let label = format!("Time to catch on {}", target.title());
    html! {
        h3 { "How long mistakes went unnoticed" }
        p.note {
            "A curve falls when a trial catches the mistake; where it stays at 1, no trial did. The shade is the \
             95\u{a0}% interval. " (sentences::FAULTS)
        }
        div.charts {
            @for (at, survivals) in target.survivals.chunk_by(same).enumerate() {
                @let is_fault = survivals[0].kind == SurvivalKind::Fault;
                figure {
                    figcaption {
                        code { (survivals[0].of) } " "
                        span.aside { @if is_fault { "planted fault" } @else { "find" } }
                    }
                    (survival_chart(comparison, target, survivals, &format!("survival-{number}-{at}")))
                }
            }
        }
        (table(&label, results::SURVIVALS, &[1], &results::survivals(target)))
    }
}

fn survival_chart(
    comparison: &Comparison,
    target: &TargetResult,
    survivals: &[Survival],
    id: &str,
) -> Markup {
    let steps = survivals.iter().flat_map(|survival| &survival.steps);
    let latest = steps.map(|step| step.time_ms).max().unwrap_or(0);
    let end = latest.max(comparison.time_seconds * 1000) as f64;
    let band = |step: &Step| Band {
        at: step.time_ms as f64,
        low: step.low,
        median: step.surviving,
        high: step.high,
    };
    let curves = survivals.iter().map(|survival| Curve {
        name: title(target, &survival.engine),
        style: style(comparison, title(target, &survival.engine)),
        start: 1.0,
        steps: survival.steps.iter().map(band).collect(),
        end,
    });
    let words = results::survivals(target).into_iter();
    let words = words.filter(|row| row[0] == survivals[0].of);
    let words = words.map(|row| {
        let (engine, caught, half) = (&row[1], &row[2], &row[4]);
        format!("{engine}: caught in {caught}, half of the trials by {half}.")
    });
    Chart {
        id,
        title: &format!(
            "Share of trials in which {} is not caught, over time",
            survivals[0].of
        ),
        words: &words.collect::<Vec<_>>().join(" "),
        over: Over::Time,
        vertical: ("share of trials that have not caught it", 0.0, 1.0),
        base: None,
        curves: &curves.collect::<Vec<_>>(),
    }
    .svg()
}
