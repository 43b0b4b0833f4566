//! Coverage as pages: an index of the files, and every file's source. They have no script, load nothing from
//! outside the folder, and are light or dark as the reader prefers.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use maud::{DOCTYPE, Markup, html};
use report::format::{count, grouped, percent};

use super::counted::{CountedFile, pieces_of};
use super::source_map::{Portion, Summary};

/// Writes the pages into `folder`, which is made when it is missing; pages that are there are overwritten.
///
/// `about` is a sentence on what was replayed.
///
/// # Errors
/// When they cannot be written.
pub fn write(folder: &Path, files: &[CountedFile<'_>], about: &str) -> Result<()> {
    let put = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))
    };
    fs::create_dir_all(folder)
        .with_context(|| format!("the folder {} cannot be made", folder.display()))?;
    put("style.css", include_str!("pages.css"))?;
    put("index.html", &index(files, about).into_string())?;
    for file in files {
        put(&page_of(file.name), &source(file).into_string())?;
    }
    Ok(())
}

/// The name of a file's page.
fn page_of(file: &str) -> String {
    format!("{}.html", file.replace(['/', '\\'], "."))
}

fn page(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                link rel="stylesheet" href="style.css";
            }
            body { h1 { (title) } (body) }
        }
    }
}

fn index(files: &[CountedFile<'_>], about: &str) -> Markup {
    let body = html! {
        p { (about) }
        div.wide { table {
            tr { @for name in ["file", "regions", "lines", "functions"] { th scope="col" { (name) } } }
            @for file in files {
                tr { th scope="row" { a href=(page_of(file.name)) { (file.name) } } (cells([file])) }
            }
            tr.all { th scope="row" { "all" } (cells(files)) }
        } }
        p.faint {
            "A region is a piece of source that is executed as a whole. A line counts as llvm-cov has it: the \
             greatest count of the regions that begin on it or are open where it begins."
        }
    };
    page("Coverage of the code under test", &body)
}

fn portions(summary: &Summary) -> [Portion; 3] {
    [summary.regions, summary.lines, summary.functions]
}

fn cells<'a>(files: impl IntoIterator<Item = &'a CountedFile<'a>>) -> Markup {
    let mut total = [Portion::default(); 3];
    for file in files {
        for (total, portion) in total.iter_mut().zip(portions(&file.summary)) {
            total.covered += portion.covered;
            total.total += portion.total;
        }
    }
    html! {
        @for of in total {
            td {
                (count(of.covered)) " of " (count(of.total)) " "
                span.faint { (percent(of.covered, of.total)) }
            }
        }
    }
}

fn source(file: &CountedFile<'_>) -> Markup {
    let [regions, lines, functions] =
        portions(&file.summary).map(|of| format!("{} of {}", of.covered, of.total));
    let body = html! {
        p {
            a href="index.html" { "All files" }
            ". " (regions) " regions, " (lines) " lines, " (functions) " functions were executed. Beside each line \
             is how many inputs executed it; what none did is marked."
        }
        div.source { table {
            @for (line, text) in (1..).zip(file.source.lines()) {
                @let count = file.lines.get(&line);
                tr id=(format!("L{line}")) class=[(count == Some(&0)).then_some("never")] {
                    td { (line) }
                    td { @if let Some(&count) = count { (grouped(count)) } }
                    td { (marked(file, line, text)) }
                }
            }
        } }
    };
    page(file.name, &body)
}

/// A line of source, with what no input executed marked.
fn marked(file: &CountedFile<'_>, line: usize, text: &str) -> Markup {
    // Each part, and whether it is marked.
    let mut parts = Vec::new();
    let mut at = 0;
    for piece in pieces_of(&file.pieces, line).filter(|piece| piece.count == 0) {
        let start = piece.start.1 - 1;
        // A piece that continues in the next line ends beyond this one.
        let end = if piece.end.0 > line {
            text.len()
        } else {
            text.len().min(piece.end.1 - 1)
        };
        if let (Some(before), Some(never)) = (text.get(at..start), text.get(start..end)) {
            parts.extend([(before, false), (never, !never.trim().is_empty())]);
            at = end;
        }
    }
    parts.push((&text[at..], false));
    html! {
        @for (part, is_marked) in parts {
            @if is_marked { mark { (part) } } @else { (part) }
        }
    }
}
