//! A triage as Markdown, for the page of a CI job: a table, and each group's case to unfold.

use std::fmt::Write as _;

use super::group::{Group, Report, Status};
use super::issue::{engine_title, inputs_word, issue, title};

/// After so many bytes no more groups are unfolded: a job's page on GitHub takes 1 MiB.
const LONGEST_PAGE: usize = 700 << 10;

/// The summary of a report; `out` is the folder of the results.
#[must_use]
pub fn summary(report: &Report, out: &str) -> String {
    let mut text = format!("# Finds\n\n{}\n\n", in_words(report));
    table(&mut text, report);
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

/// What a triage found, in a sentence or a few.
#[must_use]
pub fn in_words(report: &Report) -> String {
    let count = |status| report.of(status).count();
    let inputs = |status| -> usize { report.of(status).map(|group| group.inputs.len()).sum() };
    let failing = inputs(Status::Fails);
    let mut words = match count(Status::Fails) {
        0 => format!(
            "Nothing fails: {} {} replayed.",
            report.replayed,
            inputs_word(report.replayed)
        ),
        1 => format!("1 group, of {failing} {} that fail.", inputs_word(failing)),
        groups => format!("{groups} groups, of {failing} inputs that fail."),
    };
    let unreproduced = inputs(Status::Unreproduced);
    if unreproduced > 0 {
        let _ = write!(
            words,
            " **{unreproduced} {} not reproduce.**",
            if unreproduced == 1 {
                "input does"
            } else {
                "inputs do"
            }
        );
    }
    let mended = inputs(Status::Mended);
    if mended > 0 {
        let _ = write!(
            words,
            " {mended} {} failed earlier and pass now.",
            inputs_word(mended)
        );
    }
    if !report.troubles.is_empty() {
        let _ = write!(words, " {} could not be read.", report.troubles.len());
    }
    if report.interrupted {
        let _ = write!(
            words,
            " Interrupted: {} of {} inputs were replayed, and reproducers may not be the smallest.",
            report.replayed, report.finds
        );
    }
    words
}

fn table(text: &mut String, report: &Report) {
    if report.groups.is_empty() {
        return;
    }
    text.push_str(
        "| group | what | inputs | found by | first | smallest |\n|---|---|---:|---|---|---:|\n",
    );
    for group in &report.groups {
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {} | {} | {} |",
            group.id,
            escaped(&title(group)),
            group.inputs.len(),
            engines(group),
            group.first(),
            smallest(group),
        );
    }
    text.push('\n');
}

/// The engines that found a group.
#[must_use]
pub fn engines(group: &Group) -> String {
    let engines: Vec<&str> = group
        .engines
        .keys()
        .map(|name| engine_title(name))
        .collect();
    engines.join(", ")
}

/// The size of its reproducer.
#[must_use]
pub fn smallest(group: &Group) -> String {
    group
        .reproducer
        .as_ref()
        .map_or_else(String::new, |reproducer| {
            format!("{} bytes", reproducer.size)
        })
}

/// Text that has no meaning of its own in a table or in HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('|', "\\|")
        .replace('\n', " ")
}
