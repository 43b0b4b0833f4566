//! The source of the code under test with a gutter, a column for each engine.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::engines::Engines;
use super::files::{File, Files};
use super::lines::{Line, Reached, Shade, lines};
use super::markup::{count, counted, escape, listed};
use super::svg::key;
use crate::TargetResult;

/// Stretches without any region that are longer than this are left out, but for a few lines around.
const LONG_STRETCH: usize = 16;
/// How many digits a line's number has room for.
const NUMBER: usize = 5;
/// How many lines of such a stretch are shown before and after it: after it begins the documentation of
/// what follows.
const KEPT_BEFORE: usize = 2;
const KEPT_AFTER: usize = 8;

/// The source listings of a target.
pub(super) fn section(
    engines: &Engines<'_>,
    target: &TargetResult,
    files: &Files<'_>,
    number: usize,
) -> String {
    let columns: Vec<String> = target
        .engines
        .iter()
        .zip(column_names(target))
        .map(|(engine, column)| {
            format!(
                "<code>{column}</code>\u{a0}{}{}",
                key(engines.style(&engine.engine)),
                escape(&engine.title)
            )
        })
        .collect();
    let mut html = format!("<h3 id=\"source-{number}\">The source, line by line</h3>\n");
    let missing = files
        .reached()
        .filter(|(_, file)| file.text.is_none())
        .count();
    if missing > 0 {
        let _ = writeln!(
            html,
            "<p>The text of {} was not at hand.</p>",
            counted(missing, "file", "files")
        );
    }
    if files.reached().all(|(_, file)| file.text.is_none()) {
        return html + "<p>There is no source to show.</p>\n";
    }
    let _ = writeln!(
        html,
        "<p class=\"note\">The gutter has a column for each engine: {}. \
         <span class=\"src sample\"><b>█</b></span> all of the line in every trial, \
         <span class=\"src sample\"><b><u>▒</u></b></span> a part of it or not in every trial, \
         <span class=\"src sample\"><b><i>░</i></b></span> nothing in any trial; blank: no code. \
         In the text, <span class=\"src sample\"><i>underlined red</i></span> is what nothing ever \
         reached, the seeds included, and <span class=\"src sample\"><u>dotted</u></span> what not every \
         trial of every engine reached.</p>",
        listed(&columns)
    );
    for (at, file) in files.reached() {
        html += &listing(target, files, at, file);
    }
    html
}

fn listing(target: &TargetResult, files: &Files<'_>, number: usize, file: &File<'_>) -> String {
    let Some(text) = file.text else {
        return String::new();
    };
    let lines = lines(text, &file.regions, &files.trials);
    let unreached = runs(&lines);
    let mut html = format!(
        "<details class=\"source\" id=\"{}\">\n<summary><code>{}</code> <span class=\"aside\">{}; {}\
         </span></summary>\n",
        files.anchor(number),
        escape(file.path),
        counted(file.regions.len(), "region", "regions"),
        match lines.iter().filter(|line| line.has_unreached()).count() {
            0 => "nothing unreached".to_owned(),
            lines => format!(
                "<strong class=\"missed\">{} with unreached code</strong>",
                counted(lines, "line", "lines")
            ),
        },
    );
    if !unreached.is_empty() {
        let runs: Vec<String> = unreached
            .iter()
            .map(|&(first, last)| {
                let text = if first == last {
                    first.to_string()
                } else {
                    format!("{first}–{last}")
                };
                files.link_to_line(file.path, first, &text)
            })
            .collect();
        let _ = writeln!(
            html,
            "<p class=\"note\">Lines with code that nothing reached: {}.</p>",
            runs.join(", ")
        );
    }
    let _ = writeln!(
        html,
        "<pre class=\"src\" tabindex=\"0\" role=\"region\" aria-label=\"Source of {}\"><b>      {} </b>",
        escape(file.path),
        column_names(target).concat(),
    );
    let shown = shown_lines(&lines);
    let mut left_out = 0;
    for (at, line) in lines.iter().enumerate() {
        if !shown.contains(&at) {
            left_out += 1;
            continue;
        }
        end_stretch(&mut html, &mut left_out, files.trials.len());
        html += &show(files, number, at + 1, line);
    }
    end_stretch(&mut html, &mut left_out, files.trials.len());
    html + "</pre>\n</details>\n"
}

/// One line: its number, its gutter, its text. `<i>` is what was never reached and `<u>` what was partly.
fn show(files: &Files<'_>, file: usize, number: usize, line: &Line<'_>) -> String {
    let mut html = match files.anchor_of_line(file, number) {
        Some(anchor) => format!("<b id=\"{anchor}\">"),
        None => "<b>".to_owned(),
    };
    let _ = write!(html, "{number:NUMBER$} ");
    if line.reached.is_empty() {
        html += &" ".repeat(files.trials.len());
    }
    for run in line.reached.chunk_by(|one, next| one == next) {
        let blocks = |block: &str| block.repeat(run.len());
        html += &match run[0] {
            Reached::Always => blocks("█"),
            Reached::Partly => format!("<u>{}</u>", blocks("▒")),
            Reached::Never => format!("<i>{}</i>", blocks("░")),
            Reached::Unknown => blocks("?"),
        };
    }
    html += " </b>";
    for (shade, text) in &line.pieces {
        let text = escape(text);
        let _ = match shade {
            Shade::Plain | Shade::Always => write!(html, "{text}"),
            Shade::Partly => write!(html, "<u>{text}</u>"),
            Shade::Never => write!(html, "<i>{text}</i>"),
        };
    }
    html + "\n"
}

fn end_stretch(html: &mut String, left_out: &mut usize, engines: usize) {
    if *left_out > 0 {
        let _ = writeln!(
            html,
            "<b>{:1$}</b><em>… {2} without code under test …</em>",
            "",
            // As wide as a line's number and gutter.
            NUMBER + engines + 2,
            counted(*left_out, "line", "lines")
        );
        *left_out = 0;
    }
}

/// The lines to show: all but the middles of long stretches without regions.
fn shown_lines(lines: &[Line<'_>]) -> BTreeSet<usize> {
    let mut shown = BTreeSet::new();
    let mut at = 0;
    while at < lines.len() {
        if !lines[at].reached.is_empty() {
            shown.insert(at);
            at += 1;
            continue;
        }
        let stretch = lines[at..]
            .iter()
            .take_while(|line| line.reached.is_empty());
        let end = at + stretch.count();
        if end - at <= LONG_STRETCH {
            shown.extend(at..end);
        } else {
            if at > 0 {
                shown.extend(at..at + KEPT_BEFORE);
            }
            if end < lines.len() {
                shown.extend(end - KEPT_AFTER..end);
            }
        }
        at = end;
    }
    shown
}

/// First and last number of each run of lines with code that nothing reached.
fn runs(lines: &[Line<'_>]) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (at, _) in lines
        .iter()
        .enumerate()
        .filter(|(_, line)| line.has_unreached())
    {
        match runs.last_mut() {
            Some((_, last)) if *last == at => *last = at + 1,
            _ => runs.push((at + 1, at + 1)),
        }
    }
    runs
}

/// A letter for each engine: the first of its name, or a number when two begin alike.
fn column_names(target: &TargetResult) -> Vec<String> {
    let letters: Vec<String> = target
        .engines
        .iter()
        .map(|engine| {
            let letter = engine.title.chars().find(char::is_ascii_alphanumeric);
            letter.map_or_else(String::new, |letter| {
                letter.to_ascii_uppercase().to_string()
            })
        })
        .collect();
    let distinct: BTreeSet<&String> = letters.iter().collect();
    if distinct.len() == letters.len() && !distinct.contains(&String::new()) {
        return letters;
    }
    (1..=letters.len())
        .map(|number| count(number % 10))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::SourceFile;
    use super::*;
    use crate::samples;

    fn shown(text: &str, regions: Vec<crate::RegionReach>) -> String {
        let mut target = samples::target(0, &[("Alpha", &[1]), ("Beta", &[1])]);
        target.regions = regions;
        let sources = [SourceFile {
            path: "f.rs".to_owned(),
            text: text.to_owned(),
        }];
        let files = Files::of(&target, 0, &sources);
        listing(&target, &files, 0, &files.files[0])
    }

    #[test]
    fn a_line_has_its_number_gutter_and_text() {
        let html = shown(
            "fn f() {}\nfn <g>() {}\n\n",
            vec![
                samples::region("f.rs", 1, false, &[1, 0]),
                samples::region("f.rs", 2, false, &[0, 0]),
            ],
        );
        assert!(html.contains("<b>      AB </b>\n"), "{html}");
        assert!(
            html.contains("<b id=\"t0f0l1\">    1 █<i>░</i> </b><u>fn f() {}</u>\n"),
            "{html}"
        );
        assert!(
            html.contains("    2 <i>░░</i> </b><i>fn &lt;g&gt;() {}</i>\n"),
            "{html}"
        );
        assert!(html.contains("<b>    3    </b>\n"), "{html}");
        assert!(html.contains("<a href=\"#t0f0l2\">2</a>"), "{html}");
        assert!(html.contains("1 line with unreached code"), "{html}");
    }

    #[test]
    fn long_stretches_without_code_are_left_out_and_said() {
        let text = "code\n".to_owned() + &"// words\n".repeat(40) + "code\n" + &"test\n".repeat(50);
        let html = shown(
            &text,
            vec![
                samples::region("f.rs", 1, false, &[1, 1]),
                samples::region("f.rs", 42, false, &[1, 1]),
            ],
        );
        assert!(
            html.contains("… 30 lines without code under test …"),
            "{html}"
        );
        assert!(
            html.contains("… 48 lines without code under test …"),
            "{html}"
        );
        assert_eq!(html.matches("// words").count(), 10);
    }
}
