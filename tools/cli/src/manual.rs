//! The command `manual`: a man page for each command, from the same text as `--help`.
//!
//! A help text ends with parts such as "Exit codes:" and "Examples:". On a page each is a section with the
//! name that readers of man pages look for, and its lines stay as they are: they are tables.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use crate::outln;
use crate::output::from_here;

/// The section of what stands under no heading: text that is filled like any other.
const NOTES: &str = "NOTES";

/// Write man pages: one for the whole tool, and one for each command.
///
/// They contain what --help prints. Older pages in DIR are replaced; other files there are left alone.
#[derive(Debug, clap::Args)]
pub struct Manual {
    /// The folder to write to; it is made when it is not there.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// The end of the help text, for the tool of that name.
pub(crate) fn help(tool: &str) -> String {
    format!(
        "\
Exit codes:
  0  every page is written
  1  one could not be written
  2  the command line is wrong

Examples:
  cargo {tool} manual target/man && man -l target/man/cargo-{tool}.1
  cargo {tool} manual ~/.local/share/man/man1 && man cargo-{tool}"
    )
}

/// Runs the command; `tool` is the definition of the whole command line.
///
/// # Errors
/// When a page cannot be written.
pub fn run(args: &Manual, tool: clap::Command) -> Result<ExitCode> {
    let pages = pages(tool)?;
    fs::create_dir_all(&args.folder)
        .with_context(|| format!("{} cannot be made", args.folder.display()))?;
    for page in &pages {
        let path = args.folder.join(&page.file);
        fs::write(&path, &page.text)
            .with_context(|| format!("{} cannot be written", path.display()))?;
    }
    let first = args.folder.join(&pages[0].file);
    outln!(
        "{} pages in {}; to read the first: man -l {}",
        pages.len(),
        from_here(&args.folder).display(),
        from_here(&first).display()
    );
    Ok(ExitCode::SUCCESS)
}

/// A page, not yet on disk.
struct Page {
    file: String,
    text: Vec<u8>,
}

/// The page of the whole tool, then that of each command.
fn pages(tool: clap::Command) -> io::Result<Vec<Page>> {
    let name = format!("cargo-{}", tool.get_name());
    let mut tool = tool.disable_help_subcommand(true).display_name(&name);
    tool.build();
    let commands: Vec<_> = tool
        .get_subcommands()
        .map(|command| {
            let name = format!("{name}-{}", command.get_name());
            command.clone().display_name(name)
        })
        .collect();
    std::iter::once(tool).chain(commands).map(page).collect()
}

fn page(command: clap::Command) -> io::Result<Page> {
    let ending = command
        .get_after_long_help()
        .or_else(|| command.get_after_help())
        .map(ToString::to_string)
        .unwrap_or_default();
    let has_commands = command.has_subcommands();
    let page = Man::new(command)
        .source(concat!("measure-fuzz ", env!("CARGO_PKG_VERSION")))
        .manual("measure-fuzz");
    let mut text = Vec::new();
    page.render_title(&mut text)?;
    page.render_name_section(&mut text)?;
    page.render_synopsis_section(&mut text)?;
    page.render_description_section(&mut text)?;
    page.render_options_section(&mut text)?;
    if has_commands {
        page.render_subcommands_section(&mut text)?;
    }
    let mut roff = Roff::default();
    for (name, lines) in sections(&ending) {
        roff.control("SH", [name.as_str()]);
        let as_it_stands = name != NOTES;
        if as_it_stands {
            roff.control("nf", []);
        }
        for line in lines {
            roff.text([roman(line)]);
        }
        if as_it_stands {
            roff.control("fi", []);
        }
    }
    roff.to_writer(&mut text)?;
    Ok(Page {
        file: page.get_filename(),
        text,
    })
}

/// The end of a help text in parts: a name, and the lines that belong to it. After an empty line, a line that
/// ends with a colon begins a part of that name, an indented one goes on with the part before, and any other
/// begins [`NOTES`].
fn sections(ending: &str) -> Vec<(String, Vec<&str>)> {
    let mut sections: Vec<(String, Vec<&str>)> = Vec::new();
    for paragraph in ending.split("\n\n") {
        let mut lines = paragraph.lines().peekable();
        let Some(first) = lines.peek() else { continue };
        let name = match (first.strip_suffix(':'), sections.last()) {
            (Some(heading), _) => {
                lines.next();
                match heading {
                    "Exit codes" => "EXIT STATUS".to_owned(),
                    other => other.to_uppercase(),
                }
            }
            (None, Some((before, _))) if first.starts_with(' ') => before.clone(),
            (None, _) => NOTES.to_owned(),
        };
        match sections.last_mut() {
            Some((last, kept)) if *last == name => {
                kept.push("");
                kept.extend(lines);
            }
            _ => sections.push((name, lines.collect())),
        }
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::sections;

    #[test]
    fn a_help_texts_end_is_taken_apart_at_its_headings() {
        let text = "Exit codes:\n  0  clean\n\nExamples:\n  a b\n\n  c d\n\nA word.\n\nAnother.";
        let parts = sections(text);
        let names: Vec<&str> = parts.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["EXIT STATUS", "EXAMPLES", "NOTES"]);
        assert_eq!(parts[0].1, ["  0  clean"]);
        assert_eq!(parts[1].1, ["  a b", "", "  c d"]);
        assert_eq!(parts[2].1, ["A word.", "", "Another."]);
        assert!(sections("").is_empty());
    }
}
