//! A triage as Markdown, for the page of a CI job: a table, and each group's case to unfold.

use std::fmt::Write as _;

use report::format::counted;

use super::group::{Report, Status};
use super::issue::{engine_title, issue, title};

/// After so many bytes no more groups are unfolded: a job's page on GitHub takes 1 MiB.
const LONGEST_PAGE: usize = 700 << 10;

/// The summary of a report; `out` is the folder of the results.
pub(crate) fn summary(report: &Report, out: &str) -> String {
    let mut text = format!("# Finds\n\n{}", overview(report));
    for (nth, group) in report.groups.iter().enumerate() {
        if text.len() > LONGEST_PAGE {
            let left = report.groups.len() - nth;
            let _ = writeln!(text, "{left} more groups are in `{out}/issues`.\n");
            break;
        }
        let issue = issue(report, group, out);
        let (_, body) = issue.split_once('\n').unwrap_or_default();
        let _ = writeln!(
            text,
            "<details><summary>{} {}</summary>\n{}\n</details>\n",
            group.id,
            escaped(&group.title()),
            body.replace("\n## ", "\n#### "),
        );
    }
    for trouble in &report.troubles {
        let _ = writeln!(text, "- Not read: {}", escaped(trouble));
    }
    text
}

/// What a triage found, in a sentence or a few, and the groups as a table.
pub(crate) fn overview(report: &Report) -> String {
    let mut text = format!("{}\n\n", in_words(report));
    if report.groups.is_empty() {
        return text;
    }
    let mut row = |[group, inputs, smallest, engines, first, title]: [&str; 6]| {
        let start = format!("| {group:<15} | {inputs:>6} | {smallest:>11} | {engines:<27} |");
        let _ = writeln!(text, "{start} {first:<20} | {title} |");
    };
    row(["group", "inputs", "smallest", "found by", "first", "title"]);
    row(["---", "---:", "---:", "---", "---", "---"]);
    for group in &report.groups {
        let engines: Vec<&str> = group
            .engines
            .keys()
            .map(|name| engine_title(name))
            .collect();
        let reproducer = group.reproducer.as_ref();
        let smallest = reproducer.map(|reproducer| format!("{} bytes", reproducer.size));
        row([
            &format!("`{}`", group.id),
            &group.inputs.len().to_string(),
            &smallest.unwrap_or_default(),
            &engines.join(", "),
            &group.first(),
            &escaped(&title(group)),
        ]);
    }
    text + "\n"
}

fn in_words(report: &Report) -> String {
    let inputs = |status| {
        let groups = report.of(status);
        groups.map(|group| group.inputs.len()).sum::<usize>()
    };
    let counted = |number| counted(number, "input", "inputs");
    let (failing, replayed) = (inputs(Status::Fails), report.replayed);
    let mut words = match report.of(Status::Fails).count() {
        0 => format!("Nothing fails: {} replayed.", counted(replayed)),
        1 => format!("Failing: {} in 1 group.", counted(failing)),
        groups => format!("Failing: {} in {groups} groups.", counted(failing)),
    };
    let (unreproduced, mended) = (inputs(Status::Unreproduced), inputs(Status::Mended));
    if unreproduced > 0 {
        words += &format!(" **Not reproduced: {}.**", counted(unreproduced));
    }
    if mended > 0 {
        words += &format!(" Mended: {}.", counted(mended));
    }
    if !report.troubles.is_empty() {
        words += &format!(" Not read: {}.", report.troubles.len());
    }
    words += &format!(" What was {}.", report.judged);
    if report.interrupted {
        words += &format!(
            " Interrupted: {replayed} of {} replayed, and reproducers may not be the smallest.",
            counted(report.finds)
        );
    }
    words
}

/// Text that has no meaning of its own in a table or in HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('|', "\\|")
        .replace('\n', " ")
}
