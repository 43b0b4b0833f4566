//! The engines over all targets: Friedman's test, and mean ranks on a line (Demšar's critical-difference
//! diagram).

use std::fmt::Write as _;

use super::axis::{Scale, Spacing};
use super::engines::Engines;
use super::markup::{counted, escape, p_figure, p_value, percent, scroll};
use super::svg::{Drawing, Svg, key};
use crate::{Comparison, Friedman, MeanRank};
use statistics::ALPHA;

const WIDTH: f64 = 430.0;
const SIDE: f64 = 124.0;
const ROW: f64 = 22.0;

/// The section over all targets; nothing with fewer than two.
pub(super) fn section(comparison: &Comparison, engines: &Engines<'_>) -> String {
    if comparison.targets.len() < 2 {
        return String::new();
    }
    format!(
        "<section id=\"across\">\n<h2>All targets together</h2>\n{}{}</section>\n",
        shares(comparison, engines),
        comparison
            .across_targets
            .as_ref()
            .map_or(String::new(), |friedman| ranks(friedman, engines))
    )
}

/// Each engine's median as a share of what was reached of each target at all.
fn shares(comparison: &Comparison, engines: &Engines<'_>) -> String {
    let mut table = String::from("<table>\n<thead>\n<tr><th scope=\"col\">engine</th>");
    for target in &comparison.targets {
        let _ = write!(
            table,
            "<th scope=\"col\" class=\"figure\"><code>{}</code></th>",
            escape(&target.target)
        );
    }
    table += "</tr>\n</thead>\n<tbody>\n";
    for (name, title) in engines.iter() {
        let _ = write!(
            table,
            "<tr><th scope=\"row\">{}{}</th>",
            key(engines.style(name)),
            escape(title)
        );
        for target in &comparison.targets {
            let engine = target.engines.iter().find(|engine| engine.engine == name);
            let median = engine.and_then(|engine| engine.regions);
            let cell = median.map_or("–".to_owned(), |regions| {
                percent(regions.median.round() as usize, target.union.regions)
            });
            let _ = write!(table, "<td>{cell}</td>");
        }
        table += "</tr>\n";
    }
    format!(
        "<p>The median of the regions that a trial reached, as a share of what all engines and the seeds \
         reached of that target together:</p>\n{}",
        scroll(
            "Medians as shares of each target's union",
            &(table + "</tbody>\n</table>\n")
        )
    )
}

/// Friedman's test and the mean ranks.
fn ranks(friedman: &Friedman, engines: &Engines<'_>) -> String {
    let verdict = if friedman.p < ALPHA {
        "so the engines’ ranks differ by more than chance would have it"
    } else {
        "so the ranks could be chance"
    };
    let few = if friedman.blocks < 5 {
        " So few targets say little: they are not a sample of all programs."
    } else {
        ""
    };
    let mut html = format!(
        "<h3>Ranks</h3>\n<p>Friedman’s test on the engines’ ranks \
         (by median regions) over {}: χ² = {:.2}, {}, {verdict}.{few}</p>\n<div class=\"beside\">\n\
         <figure>\n{}</figure>\n",
        counted(friedman.blocks, "target", "targets"),
        friedman.chi_square,
        p_value(friedman.p),
        drawing(friedman, engines),
    );
    let mut table = String::from(
        "<table>\n<thead>\n<tr><th scope=\"col\">pair</th><th scope=\"col\" class=\"figure\">p, adjusted\
         </th></tr>\n</thead>\n<tbody>\n",
    );
    for pair in &friedman.pairs {
        let _ = writeln!(
            table,
            "<tr><th scope=\"row\">{} – {}</th><td>{}</td></tr>",
            escape(engines.title(&pair.first)),
            escape(engines.title(&pair.second)),
            escape(&p_figure(pair.p)),
        );
    }
    html += &scroll(
        "Pairs of engines over all targets",
        &(table + "</tbody>\n</table>\n"),
    );
    html + "</div>\n<p class=\"note\">Rank 1 is best. Engines that a bar joins are not told apart: their mean \
           ranks are nearer than the critical difference (Nemenyi). The table’s p-values are adjusted by \
           Holm’s method.</p>\n"
}

fn drawing(friedman: &Friedman, engines: &Engines<'_>) -> String {
    let mut ranked: Vec<&MeanRank> = friedman.engines.iter().collect();
    ranked.sort_by(|a, b| a.mean_rank.total_cmp(&b.mean_rank));
    let joined = cliques(&ranked, friedman.critical_difference);
    let (half, worst) = (ranked.len().div_ceil(2), ranked.len().max(2) as f64);
    let top = if friedman.critical_difference.is_some() {
        62.0
    } else {
        34.0
    };
    let bars = top + 14.0;
    let names = bars + 12.0 * joined.len() as f64 + 16.0;
    let x = Scale {
        spacing: Spacing::Linear,
        from: 1.0,
        to: worst,
        start: SIDE,
        end: WIDTH - SIDE,
    };
    let words: Vec<String> = ranked
        .iter()
        .map(|one| format!("{} {:.2}", engines.title(&one.engine), one.mean_rank))
        .collect();
    let difference = friedman
        .critical_difference
        .map_or(String::new(), |difference| {
            format!("; critical difference {difference:.2}")
        });
    let mut svg = Svg::open(&Drawing {
        id: "ranks",
        class: "ranks natural",
        width: WIDTH,
        height: names + ROW * half as f64,
        title: "Mean ranks of the engines over all targets",
        words: &format!("Mean ranks: {}{difference}.", words.join(", ")),
    });
    svg.line("axis", (x.start, top), (x.end, top));
    for rank in 1..=ranked.len().max(2) {
        let at = x.place(rank as f64);
        svg.line("axis", (at, top - 5.0), (at, top));
        svg.text("tick", at, top - 10.0, "middle", &rank.to_string());
    }
    if let Some(difference) = friedman.critical_difference {
        // Drawn to the axis' scale, and cut off where it is longer than the axis.
        let to = x.place(1.0 + difference);
        svg.line("link", (x.start, 22.0), (to, 22.0));
        for end in [x.start, to] {
            svg.line("link", (end, 17.0), (end, 27.0));
        }
        let label = format!("critical difference {difference:.2}");
        svg.text("axis", x.start, 12.0, "start", &label);
    }
    for (row, &(first, last)) in joined.iter().enumerate() {
        let at = bars + 12.0 * row as f64;
        let (from, to) = (ranked[first].mean_rank, ranked[last].mean_rank);
        svg.line("clique", (x.place(from) - 4.0, at), (x.place(to) + 4.0, at));
    }
    for (place, one) in ranked.iter().enumerate() {
        let style = engines.style(&one.engine);
        let at = x.place(one.mean_rank);
        let (row, end, anchor) = if place < half {
            (place, SIDE - 12.0, "end")
        } else {
            (ranked.len() - 1 - place, WIDTH - SIDE + 12.0, "start")
        };
        let y = names + ROW * row as f64;
        svg.path(
            &format!("stem style{style}"),
            &format!("M{at:.1} {top}V{y:.1}H{end:.1}"),
        );
        svg.mark(style, at, top);
        let name = format!("{} {:.2}", engines.title(&one.engine), one.mean_rank);
        let text = if anchor == "end" {
            end - 4.0
        } else {
            end + 4.0
        };
        svg.text("name", text, y + 4.0, anchor, &name);
    }
    svg.finish()
}

/// First and last of each longest run of engines, best first, that are no further apart than `difference`.
fn cliques(ranked: &[&MeanRank], difference: Option<f64>) -> Vec<(usize, usize)> {
    let Some(difference) = difference else {
        return Vec::new();
    };
    let mut cliques: Vec<(usize, usize)> = Vec::new();
    for first in 0..ranked.len() {
        let near = |one: &&&MeanRank| one.mean_rank - ranked[first].mean_rank < difference;
        let last = first + ranked[first..].iter().take_while(near).count() - 1;
        if last > first && cliques.last().is_none_or(|&(_, end)| end < last) {
            cliques.push((first, last));
        }
    }
    cliques
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_nearer_than_the_critical_difference_are_joined() {
        let ranks: Vec<MeanRank> = [1.0, 1.5, 2.5, 4.0]
            .map(|mean_rank| MeanRank {
                engine: String::new(),
                mean_rank,
            })
            .into();
        let ranked: Vec<&MeanRank> = ranks.iter().collect();
        assert_eq!(cliques(&ranked, Some(1.2)), [(0, 1), (1, 2)]);
        assert_eq!(cliques(&ranked, Some(9.0)), [(0, 3)]);
        assert_eq!(cliques(&ranked, Some(0.1)), []);
        assert_eq!(cliques(&ranked, None), []);
    }
}
