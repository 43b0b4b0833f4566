//! Which engines reached which regions: an UpSet plot of the combinations, and lists of what one engine
//! only reached.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::engines::{Engines, counting};
use super::files::{Files, reached_by};
use super::markup::{count, counted, escape, listed, scroll};
use super::svg::{Drawing, Svg};
use crate::TargetResult;

/// The most combinations that are drawn.
const MOST: usize = 16;

const LEFT: f64 = 104.0;
const COLUMN: f64 = 38.0;
const BAR: f64 = 130.0;
const TOP: f64 = 34.0;
const ROW: f64 = 26.0;

/// The engines of a combination, by number, and how many regions they and no others reached.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Combination {
    engines: Vec<usize>,
    regions: usize,
}

/// The combinations by engines' numbers; a region counts for an engine when any of its trials reached it.
fn combinations(target: &TargetResult) -> Vec<Combination> {
    let mut counts: BTreeMap<Vec<usize>, usize> = BTreeMap::new();
    for region in &target.regions {
        let by = region.by.iter().enumerate();
        let engines = by.filter(|(_, trials)| **trials > 0).map(|(at, _)| at);
        *counts.entry(engines.collect()).or_default() += 1;
    }
    let mut combinations: Vec<Combination> = counts
        .into_iter()
        .map(|(engines, regions)| Combination { engines, regions })
        .collect();
    combinations.sort_by_key(|one| std::cmp::Reverse(one.regions));
    combinations
}

/// The combinations of a target and what one engine only reached.
pub(super) fn section(
    engines: &Engines<'_>,
    target: &TargetResult,
    files: &Files<'_>,
    number: usize,
) -> String {
    let with_trials: Vec<usize> = (0..target.engines.len())
        .filter(|&at| counting(&target.engines[at]) > 0)
        .collect();
    if with_trials.len() < 2 || target.regions.is_empty() {
        return String::new();
    }
    let all = combinations(target);
    let regions_of = |wanted: &[usize]| {
        let found = all.iter().find(|one| one.engines == wanted);
        found.map_or(0, |one| one.regions)
    };
    let mut html = format!(
        "<h3 id=\"only-{number}\">Who reached what</h3>\n<p>All of an engine’s trials together: \
         {} were reached by every engine, {} by none{}.</p>\n",
        counted(regions_of(&with_trials), "region", "regions"),
        count(regions_of(&[])),
        if with_trials.len() < target.engines.len() {
            " (engines without a trial that counts left aside)"
        } else {
            ""
        }
    );
    let between: Vec<&Combination> = all
        .iter()
        .filter(|one| !one.engines.is_empty() && one.engines != with_trials)
        .collect();
    if between.is_empty() {
        return html + "<p>Every engine reached the same regions.</p>\n";
    }
    let _ = write!(
        html,
        "<p>The others, by the engines that reached them and no others:</p>\n\
         <div class=\"beside\">\n<figure>\n{}</figure>\n{}</div>\n",
        plot(engines, target, &with_trials, &between, number),
        table(target, &between),
    );
    html += &pairwise(target, &with_trials);
    html + &only_here(target, files)
}

/// How many regions each engine reached that each other one did not.
fn pairwise(target: &TargetResult, engines: &[usize]) -> String {
    let missed = |by: usize, of: usize| {
        let regions = target.regions.iter();
        regions
            .filter(|region| reached_by(region, of) > 0 && reached_by(region, by) == 0)
            .count()
    };
    let mut table = String::from("<table>\n<thead>\n<tr><th scope=\"col\">reached by</th>");
    for &engine in engines {
        let title = escape(&target.engines[engine].title);
        let _ = write!(
            table,
            "<th scope=\"col\" class=\"figure\">and not by {title}</th>"
        );
    }
    table += "</tr>\n</thead>\n<tbody>\n";
    for &of in engines {
        let title = escape(&target.engines[of].title);
        let _ = write!(table, "<tr><th scope=\"row\">{title}</th>");
        for &by in engines {
            let cell = if by == of {
                "–".to_owned()
            } else {
                count(missed(by, of))
            };
            let _ = write!(table, "<td>{cell}</td>");
        }
        table += "</tr>\n";
    }
    format!(
        "<p>What each engine reached that another one never did:</p>\n{}",
        scroll(
            &format!(
                "Regions of {} that one engine reached and another did not",
                target.target
            ),
            &(table + "</tbody>\n</table>\n"),
        )
    )
}

fn plot(
    engines: &Engines<'_>,
    target: &TargetResult,
    rows: &[usize],
    between: &[&Combination],
    number: usize,
) -> String {
    let drawn = &between[..between.len().min(MOST)];
    let words: Vec<String> = drawn
        .iter()
        .map(|one| format!("{}: {}", names(target, &one.engines), count(one.regions)))
        .collect();
    let foot = TOP + BAR;
    let most = drawn
        .iter()
        .map(|one| one.regions)
        .max()
        .unwrap_or(1)
        .max(1) as f64;
    let width = LEFT + COLUMN * (drawn.len().max(5) as f64) + 8.0;
    let mut svg = Svg::open(&Drawing {
        id: &format!("upset-{number}"),
        class: "upset natural",
        width,
        height: foot + ROW * rows.len() as f64 + 14.0,
        title: &format!(
            "Regions of {} by the engines that reached them",
            target.target
        ),
        words: &format!(
            "Regions reached by these engines and no others: {}.",
            words.join("; ")
        ),
    });
    svg.text(
        "axis",
        0.0,
        14.0,
        "start",
        "regions reached by these and no others",
    );
    let row_at = |row: usize| foot + ROW * (row as f64 + 0.5) + 8.0;
    for (row, &engine) in rows.iter().enumerate() {
        let (at, engine) = (row_at(row), &target.engines[engine]);
        svg.line("grid", (LEFT, at), (width, at));
        svg.mark(engines.style(&engine.engine), 8.0, at);
        svg.text("name", 18.0, at + 4.0, "start", &engine.title);
    }
    svg.line("axis", (LEFT, foot), (width, foot));
    for (column, one) in drawn.iter().enumerate() {
        let x = LEFT + COLUMN * (column as f64 + 0.5);
        let height = one.regions as f64 / most * (BAR - 18.0);
        svg.rectangle("bar", (x - 10.0, foot - height), (20.0, height));
        svg.text(
            "tick",
            x,
            foot - height - 5.0,
            "middle",
            &count(one.regions),
        );
        let inside: Vec<usize> = (0..rows.len())
            .filter(|&row| one.engines.contains(&rows[row]))
            .collect();
        if let (Some(&first), Some(&last)) = (inside.first(), inside.last()) {
            svg.line("link", (x, row_at(first)), (x, row_at(last)));
        }
        for row in 0..rows.len() {
            let class = if inside.contains(&row) { "in" } else { "out" };
            svg.disc(class, x, row_at(row), 5.0);
        }
    }
    svg.finish()
}

fn table(target: &TargetResult, between: &[&Combination]) -> String {
    let mut table = String::from(
        "<table>\n<thead>\n<tr><th scope=\"col\">reached by</th>\
         <th scope=\"col\" class=\"figure\">regions</th></tr>\n</thead>\n<tbody>\n",
    );
    for one in between {
        let _ = writeln!(
            table,
            "<tr><th scope=\"row\">{}</th><td>{}</td></tr>",
            escape(&names(target, &one.engines)),
            count(one.regions)
        );
    }
    scroll(
        &format!("Regions of {} by engines", target.target),
        &(table + "</tbody>\n</table>\n"),
    )
}

fn names(target: &TargetResult, engines: &[usize]) -> String {
    let titles: Vec<String> = engines
        .iter()
        .map(|&at| target.engines[at].title.clone())
        .collect();
    if let [only] = titles.as_slice() {
        return format!("{only} only");
    }
    listed(&titles)
}

/// The regions that one engine only reached, by file.
fn only_here(target: &TargetResult, files: &Files<'_>) -> String {
    let mut html = String::new();
    for engine in target
        .engines
        .iter()
        .filter(|engine| !engine.only_here.is_empty())
    {
        let trials = counting(engine);
        let mut by_file: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for region in &engine.only_here {
            let place = format!("{}:{}", region.line, region.column);
            let link = files.link_to_line(&region.file, region.line, &place);
            let place = if trials > 1 {
                format!(
                    "{link} <span class=\"aside\">({} of {trials})</span>",
                    region.trials
                )
            } else {
                link
            };
            by_file.entry(&region.file).or_default().push(place);
        }
        let _ = writeln!(
            html,
            "<details class=\"small\">\n<summary>Only {}: {} in {}</summary>\n{}<ul class=\"places\">",
            escape(&engine.title),
            counted(engine.only_here.len(), "region", "regions"),
            counted(by_file.len(), "file", "files"),
            if trials > 1 {
                "<p class=\"note\">Line and column, and in how many of its trials.</p>\n"
            } else {
                ""
            }
        );
        for (file, places) in by_file {
            let _ = writeln!(
                html,
                "<li><code class=\"file\">{}</code> <span class=\"lines\">{}</span></li>",
                escape(file),
                places.join(", "),
            );
        }
        html += "</ul>\n</details>\n";
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    #[test]
    fn a_region_belongs_to_the_engines_that_reached_it_in_any_trial() {
        let mut target = samples::target(0, &[("A", &[1, 1]), ("B", &[1]), ("C", &[1])]);
        target.regions = [&[2, 1, 1], &[1, 0, 0], &[0, 1, 1], &[0, 1, 1], &[0, 0, 0]]
            .map(|by: &[usize; 3]| samples::region("f.rs", 1, true, by))
            .to_vec();
        let found: Vec<(Vec<usize>, usize)> = combinations(&target)
            .into_iter()
            .map(|one| (one.engines, one.regions))
            .collect();
        assert_eq!(
            found,
            [
                (vec![1, 2], 2),
                (vec![], 1),
                (vec![0], 1),
                (vec![0, 1, 2], 1)
            ]
        );
        assert_eq!(names(&target, &[1, 2]), "B and C");
        assert_eq!(names(&target, &[0]), "A only");
        let table = pairwise(&target, &[0, 1, 2]);
        assert!(table.contains("<th scope=\"row\">A</th><td>–</td><td>1</td><td>1</td>"));
        assert!(table.contains("<th scope=\"row\">B</th><td>2</td><td>–</td><td>0</td>"));
    }
}
