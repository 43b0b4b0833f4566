//! Coverage as pages: an index by crate and file, and every file's source. No script, nothing from outside the
//! folder, light and dark.

use report::format::grouped;

use super::counted::CountedFile;
use super::regions::Portion;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// Writes the pages into `folder`, which is made when it is missing; pages that are there are written over.
///
/// `prefix` is the part of the files' paths before the crate's name; `about` says in words what was replayed.
///
/// # Errors
/// When they cannot be written.
pub fn write(folder: &Path, files: &[CountedFile<'_>], prefix: &str, about: &str) -> Result<()> {
    let put = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))
    };
    fs::create_dir_all(folder)
        .with_context(|| format!("the folder {} cannot be made", folder.display()))?;
    put("style.css", include_str!("pages.css"))?;
    put("index.html", &index(files, prefix, about))?;
    for file in files {
        put(&page_of(file.name), &source(file))?;
    }
    Ok(())
}

/// The name of a file's page.
fn page_of(file: &str) -> String {
    format!("{}.html", file.replace(['/', '\\'], "."))
}

fn page(title: &str, body: &str) -> String {
    let title = escaped(title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<link rel=\"stylesheet\" href=\"style.css\">\n</head>\n<body>\n\
         <h1>{title}</h1>\n{body}</body>\n</html>\n"
    )
}

fn index(files: &[CountedFile<'_>], prefix: &str, about: &str) -> String {
    let mut crates: BTreeMap<&str, Vec<&CountedFile<'_>>> = BTreeMap::new();
    for file in files {
        let inside = file.name.strip_prefix(prefix).unwrap_or(file.name);
        let name = inside.split('/').find(|part| !part.is_empty());
        crates.entry(name.unwrap_or("")).or_default().push(file);
    }
    let mut rows = String::new();
    for (name, of_crate) in &crates {
        let total = total(of_crate);
        rows += &row("crate", &escaped(name), &total);
        for file in of_crate {
            let link = format!(
                "<a href=\"{}\">{}</a>",
                escaped(&page_of(file.name)),
                escaped(file.name)
            );
            rows += &row("", &link, &portions(file));
        }
    }
    let all: Vec<&CountedFile<'_>> = files.iter().collect();
    rows += &row("crate", "all", &total(&all));
    let about = escaped(about);
    let body = format!(
        "<p>{about}</p>\n<div class=\"wide\"><table>\n<tr><th scope=\"col\">file</th>\
         <th scope=\"col\">regions</th><th scope=\"col\">lines</th><th scope=\"col\">functions</th></tr>\n\
         {rows}</table></div>\n\
         <p class=\"faint\">A region is a piece of source that is executed as a whole. A line counts as \
         llvm-cov has it: the greatest count of the regions that begin on it or are open where it begins.</p>\n"
    );
    page("Coverage of the code under test", &body)
}

fn portions(file: &CountedFile<'_>) -> [Portion; 3] {
    [
        file.regions_covered(),
        file.lines_covered(),
        file.functions_covered(),
    ]
}

fn total(files: &[&CountedFile<'_>]) -> [Portion; 3] {
    let mut total = [Portion::default(); 3];
    for file in files {
        for (total, portion) in total.iter_mut().zip(portions(file)) {
            total.covered += portion.covered;
            total.total += portion.total;
        }
    }
    total
}

fn row(class: &str, name: &str, portions: &[Portion; 3]) -> String {
    let mut cells = String::new();
    for Portion { covered, total } in portions {
        let percent = *covered as f64 * 100.0 / (*total).max(1) as f64;
        let _ = write!(
            cells,
            "<td>{} of {} <span class=\"faint\">{percent:.1} %</span></td>",
            grouped(*covered as u64),
            grouped(*total as u64)
        );
    }
    format!("<tr class=\"{class}\"><th scope=\"row\">{name}</th>{cells}</tr>\n")
}

fn source(file: &CountedFile<'_>) -> String {
    let mut rows = String::new();
    for (line, text) in (1..).zip(file.source.lines()) {
        let count = file.lines.get(&line);
        let class = if count == Some(&0) {
            " class=\"never\""
        } else {
            ""
        };
        let shown = count.map_or_else(String::new, |&count| grouped(count));
        let _ = writeln!(
            rows,
            "<tr id=\"L{line}\"{class}><td>{line}</td><td>{shown}</td><td>{}</td></tr>",
            marked(file, line, text)
        );
    }
    let [regions, lines, functions] = portions(file);
    let of = |portion: Portion| format!("{} of {}", portion.covered, portion.total);
    let body = format!(
        "<p><a href=\"index.html\">All files</a>. {} regions, {} lines, {} functions were executed. Beside each \
         line is how many inputs executed it; what none did is marked.</p>\n\
         <div class=\"source\"><table>\n{rows}</table></div>\n",
        of(regions),
        of(lines),
        of(functions)
    );
    page(file.name, &body)
}

/// A line of source, with what no input executed marked.
fn marked(file: &CountedFile<'_>, line: usize, text: &str) -> String {
    let mut html = String::new();
    let mut at = 0;
    for piece in file.counts.pieces_of(line).filter(|piece| piece.count == 0) {
        let start = piece.start.1 - 1;
        // The piece goes on in the next line.
        let end = if piece.end.0 > line {
            text.len()
        } else {
            piece.end.1 - 1
        };
        let (Some(before), Some(never)) =
            (text.get(at..start), text.get(start..end.min(text.len())))
        else {
            continue;
        };
        html += &escaped(before);
        if !never.trim().is_empty() {
            let _ = write!(html, "<mark>{}</mark>", escaped(never));
        } else {
            html += never;
        }
        at = end.min(text.len());
    }
    html + &escaped(&text[at..])
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
