//! The command `manual`: a man page for each command, from the same text as `--help`.
//!
//! A help text ends with parts such as "Exit codes:" and "Examples:". On a page each is a section, whose lines stay
//! as they are: they are tables.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::builder::Resettable;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};
use fs_err as fs;

use crate::outln;
use crate::output::from_here;

/// Write man pages: one for the whole tool, and one for each command.
///
/// They contain what --help prints. Older pages in DIR are replaced; other files there are left alone.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes:
  0  every page is written
  1  one could not be written
  2  the command line is wrong

Examples:
  cargo TOOL manual target/man && man -l target/man/cargo-TOOL.1
  cargo TOOL manual ~/.local/share/man/man1 && man cargo-TOOL")]
pub(crate) struct Manual {
    /// The folder to write to; it is made when it is not there.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Runs the command; `tool` is the definition of the whole command line.
pub(crate) fn run(args: &Manual, tool: clap::Command) -> Result<ExitCode> {
    fs::create_dir_all(&args.folder)?;
    let name = format!("cargo-{}", tool.get_name());
    let mut tool = tool.disable_help_subcommand(true).display_name(&name);
    tool.build();
    let mut commands: Vec<_> = tool.get_subcommands().cloned().collect();
    for command in &mut commands {
        let name = format!("{name}-{}", command.get_name());
        *command = command.clone().display_name(name);
    }
    let first = args.folder.join(format!("{name}.1"));
    for command in std::iter::once(&tool).chain(&commands) {
        let (file, text) = page(command)?;
        fs::write(args.folder.join(&file), text)?;
    }
    outln!(
        "{} pages in {}; to read the first: man -l {}",
        commands.len() + 1,
        from_here(&args.folder).display(),
        from_here(&first).display()
    );
    Ok(ExitCode::SUCCESS)
}

/// The name of a command's page, and its text.
fn page(command: &clap::Command) -> Result<(String, Vec<u8>)> {
    let mut text = Vec::new();
    let page = Man::new(command.clone().after_help(Resettable::Reset))
        .source(concat!("measure-fuzz ", env!("CARGO_PKG_VERSION")))
        .manual("measure-fuzz");
    page.render(&mut text)?;
    let ending = command.get_after_help().map(ToString::to_string);
    let mut roff = Roff::default();
    for line in ending.unwrap_or_default().lines() {
        match line.strip_suffix(':').filter(|text| !text.starts_with(' ')) {
            Some(heading) => {
                let heading = heading.to_uppercase().replace("EXIT CODES", "EXIT STATUS");
                roff.control("fi", []);
                roff.control("SH", [heading.as_str()]);
                roff.control("nf", []);
            }
            None => {
                roff.text([roman(line)]);
            }
        }
    }
    roff.control("fi", []);
    roff.to_writer(&mut text)?;
    Ok((page.get_filename(), text))
}
