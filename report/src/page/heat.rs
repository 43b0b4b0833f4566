//! The heat map: which share of each file's and function's regions a trial of each engine reached, and
//! every single region as a strip.

use std::fmt::Write as _;

use super::files::{Files, reached_by};
use super::markup::{count, counted, escape, scroll};
use super::svg::px;
use crate::{RegionReach, TargetResult};

/// The most functions that are listed.
const MOST_FUNCTIONS: usize = 60;

/// The height of an engine's row in a strip, and the greatest width of a region and of a strip.
const STRIP_ROW: f64 = 7.0;
const STRIP_CELL: f64 = 6.0;
const STRIP_WIDTH: f64 = 360.0;

/// The heat map of a target: two tables, of which radio buttons show one.
pub(super) fn section(target: &TargetResult, files: &Files<'_>, number: usize) -> String {
    let mut html = format!(
        "<h3 id=\"heat-{number}\">Heat map of the code</h3>\n\
         <p class=\"note\">Shares are of a file’s or function’s regions, averaged over an engine’s trials: \
         100\u{a0}% is every region in every trial; the shades lie closer together towards that. In the strips each region is a cell, in the order of \
         the source, a row for each engine: filled when every trial reached it, paler the fewer did, and \
         a red stroke where none did. The file names lead to the source below.</p>\n",
    );
    if files.reached().next().is_none() {
        return html + "<p>Nothing was reached.</p>\n";
    }
    let group = format!("heat-{number}-by");
    html += "<div class=\"switched\">\n<fieldset>\n<legend>Rows are</legend>\n";
    for (at, (name, word)) in [("one", "files"), ("two", "functions that differ")]
        .into_iter()
        .enumerate()
    {
        let checked = if at == 0 { " checked=\"checked\"" } else { "" };
        let _ = write!(
            html,
            "<input type=\"radio\" class=\"pick-{name}\" name=\"{group}\" id=\"{group}-{name}\"{checked}/>\
             <label for=\"{group}-{name}\">{word}</label>"
        );
    }
    let _ = write!(
        html,
        "\n</fieldset>\n<div class=\"panel show-one\">\n{}</div>\n<div class=\"panel show-two\">\n{}</div>\n</div>\n",
        files_table(target, files),
        functions_table(target, files),
    );
    let unreached: Vec<String> = files
        .unreached()
        .map(|file| format!("<li><code>{}</code></li>", escape(file.path)))
        .collect();
    if !unreached.is_empty() {
        let regions: usize = files.unreached().map(|file| file.regions.len()).sum();
        let _ = writeln!(
            html,
            "<details>\n<summary>{} with {} that nothing reached on this target</summary>\n\
             <ul class=\"places\">\n{}\n</ul>\n</details>",
            counted(unreached.len(), "file", "files"),
            counted(regions, "region", "regions"),
            unreached.join("\n"),
        );
    }
    html
}

fn files_table(target: &TargetResult, files: &Files<'_>) -> String {
    let mut table = head(target, "file");
    table.insert_str(
        table.len() - "</tr>\n</thead>\n<tbody>\n".len(),
        "<th scope=\"col\">region by region</th>",
    );
    for (number, file) in files.reached() {
        let _ = writeln!(
            table,
            "<tr><th scope=\"row\">{}</th>{}<td class=\"word\">{}</td></tr>",
            files.link(number),
            cells(files, &file.regions),
            strip(files, &file.regions),
        );
    }
    scroll(
        &format!("Heat map of {} by file", target.target),
        &(table + "</tbody>\n</table>\n"),
    )
}

fn functions_table(target: &TargetResult, files: &Files<'_>) -> String {
    // The difference of the shares, and the row.
    let mut rows: Vec<(f64, String)> = Vec::new();
    for (_, file) in files.reached() {
        for function in file.functions() {
            let shares: Vec<f64> = files
                .shares(&function.regions)
                .into_iter()
                .flatten()
                .collect();
            let most = shares.iter().copied().fold(0.0, f64::max);
            let difference = most - shares.iter().copied().fold(most, f64::min);
            if difference > 0.0 {
                let place = format!("{}:{}", file.path, function.line);
                let row = format!(
                    "<tr><th scope=\"row\"><code>{}</code> <span class=\"aside\">{}</span></th>{}</tr>\n",
                    escape(&function.name),
                    files.link_to_line(file.path, function.line, &place),
                    cells(files, &function.regions),
                );
                rows.push((difference, row));
            }
        }
    }
    if rows.is_empty() {
        return "<p>No function is known of which the engines reached different shares.</p>\n"
            .to_owned();
    }
    rows.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut html = format!(
        "<p>{} of which engines reached different shares{}.</p>\n",
        counted(rows.len(), "function", "functions"),
        if rows.len() > MOST_FUNCTIONS {
            format!("; the {MOST_FUNCTIONS} with the greatest difference")
        } else {
            ", the greatest difference first".to_owned()
        }
    );
    rows.truncate(MOST_FUNCTIONS);
    let mut table = head(target, "function");
    for (_, row) in rows {
        table += &row;
    }
    html += &scroll(
        &format!("Heat map of {} by function", target.target),
        &(table + "</tbody>\n</table>\n"),
    );
    html
}

fn head(target: &TargetResult, first: &str) -> String {
    let mut html = format!(
        "<table class=\"heat\">\n<thead>\n<tr><th scope=\"col\">{first}</th>\
         <th scope=\"col\" class=\"figure\">regions</th><th scope=\"col\" class=\"figure\">seeds</th>"
    );
    for engine in &target.engines {
        let _ = write!(
            html,
            "<th scope=\"col\" class=\"figure\">{}</th>",
            escape(&engine.title)
        );
    }
    html + "</tr>\n</thead>\n<tbody>\n"
}

/// The cells of a row: how many regions, and the shares of the seeds and of each engine.
fn cells(files: &Files<'_>, regions: &[&RegionReach]) -> String {
    let seeds = regions.iter().filter(|region| region.seeds).count();
    let seeds = seeds as f64 / regions.len().max(1) as f64;
    let mut html = format!("<td>{}</td>{}", count(regions.len()), cell(Some(seeds)));
    for share in files.shares(regions) {
        html += &cell(share);
    }
    html
}

/// A share with its shade. Only 0 and 1 are told as such.
fn cell(share: Option<f64>) -> String {
    let Some(share) = share else {
        return "<td>–</td>".to_owned();
    };
    let percent = match share {
        0.0 => 0.0,
        1.0 => 100.0,
        _ => (share * 100.0).round().clamp(1.0, 99.0),
    };
    format!("<td class=\"h{}\">{percent}\u{a0}%</td>", level(share))
}

/// A shade from 0 to 10; only nothing is 0, and only everything 10. They lie closer together where engines
/// differ, which is near the whole.
fn level(share: f64) -> usize {
    const BEGINNINGS: [f64; 8] = [0.25, 0.5, 0.65, 0.75, 0.85, 0.9, 0.94, 0.97];
    match share {
        0.0 => 0,
        1.0 => 10,
        _ => 1 + BEGINNINGS.iter().filter(|begin| **begin <= share).count(),
    }
}

/// Every region as a cell, in the order of the source, a row for each engine. The figures beside it say
/// what it says as a whole, and the source listing what it says of each region.
fn strip(files: &Files<'_>, regions: &[&RegionReach]) -> String {
    let cell = (STRIP_WIDTH / regions.len() as f64).min(STRIP_CELL);
    let (width, height) = (
        cell * regions.len() as f64,
        STRIP_ROW * files.trials.len() as f64,
    );
    let mut html = format!(
        "<svg class=\"strip\" width=\"{}\" height=\"{}\" viewBox=\"0 0 {0} {1}\" aria-hidden=\"true\">",
        px(width),
        px(height)
    );
    for (engine, &trials) in files.trials.iter().enumerate() {
        if trials == 0 {
            continue;
        }
        // Five shades: none, up to a half, more, and all of the trials. Runs of one shade are one piece.
        let shade = |region: &RegionReach| match reached_by(region, engine) {
            0 => 0,
            reached if reached >= trials => 3,
            reached if reached * 2 > trials => 2,
            _ => 1,
        };
        let mut paths: [String; 4] = Default::default();
        let mut start = 0;
        while start < regions.len() {
            let here = shade(regions[start]);
            let run = regions[start..]
                .iter()
                .take_while(|region| shade(region) == here);
            let length = run.count();
            let _ = write!(
                paths[here],
                "M{} {}h{}",
                px(start as f64 * cell),
                px(STRIP_ROW * (engine as f64 + 0.5)),
                px(length as f64 * cell)
            );
            start += length;
        }
        for (shade, path) in paths
            .iter()
            .enumerate()
            .filter(|(_, path)| !path.is_empty())
        {
            let _ = write!(html, "<path class=\"s{shade}\" d=\"{path}\"/>");
        }
    }
    html + "</svg>"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    #[test]
    fn only_nothing_and_everything_are_told_as_such() {
        let levels = [0.0, 0.001, 0.5, 0.999, 1.0].map(level);
        assert_eq!(levels, [0, 1, 3, 9, 10]);
        assert_eq!(cell(Some(0.001)), "<td class=\"h1\">1\u{a0}%</td>");
        assert_eq!(cell(Some(0.999)), "<td class=\"h9\">99\u{a0}%</td>");
        assert_eq!(cell(None), "<td>–</td>");
    }

    #[test]
    fn a_strip_has_a_piece_for_every_run_of_one_shade() {
        let mut target = samples::target(0, &[("A", &[4, 4]), ("B", &[1])]);
        target.regions = vec![
            samples::region("f.rs", 1, false, &[2, 1]),
            samples::region("f.rs", 2, false, &[2, 0]),
            samples::region("f.rs", 3, false, &[1, 0]),
            samples::region("f.rs", 4, false, &[0, 0]),
        ];
        let files = Files::of(&target, 0, &[]);
        let drawn = strip(&files, &files.files[0].regions);
        assert!(
            drawn.contains("<path class=\"s3\" d=\"M0 3.5h12\"/>"),
            "{drawn}"
        );
        assert!(
            drawn.contains("<path class=\"s1\" d=\"M12 3.5h6\"/>"),
            "{drawn}"
        );
        assert!(
            drawn.contains("<path class=\"s0\" d=\"M18 3.5h6\"/>"),
            "{drawn}"
        );
        assert!(
            drawn.contains("<path class=\"s3\" d=\"M0 10.5h6\"/>"),
            "{drawn}"
        );
        assert!(
            drawn.contains("<path class=\"s0\" d=\"M6 10.5h18\"/>"),
            "{drawn}"
        );
        let shares = files.shares(&files.files[0].regions);
        assert_eq!(shares, [Some(0.625), Some(0.25)]);
    }
}
