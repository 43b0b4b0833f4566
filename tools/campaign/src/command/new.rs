//! `campaign new`: a project for a library of one's own.
//!
//! Its files are those of `subjects/example`, with the library's name and the place of the harness in them, and some
//! of `templates/`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail, ensure};
use cli::output::outln;
use fs_err as fs;
use fs_err::os::unix::fs::symlink;
use pathdiff::diff_paths;

/// Write a project that judges a library of your own.
///
/// It has the targets under all three engines, links to the seeds and corpora, a workflow for GitHub, and an adapter
/// with one function that is left to write. It may be anywhere, and refers to the harness by a relative path.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes:
  0  the project is written
  1  it could not be written, or DIR exists
  2  the command line is wrong

Examples:
  cargo campaign new ../imago-judged --package imago@0.2.6
  cargo campaign new ../ours-judged --package our-images --path ../our-images
  cargo campaign --project ../ours-judged replay ../ours-judged/corpus/seeds/fuzz_measure_scan")]
pub(super) struct New {
    /// The folder to make.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The library's package, and its version on crates.io if it is to be that one.
    #[arg(long, value_name = "NAME[@VERSION]", value_parser = parse_package)]
    package: String,
    /// The library's folder, when it does not come from crates.io.
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
    /// The folder of measure-fuzz; by default that from which this tool was built.
    #[arg(long, value_name = "DIR", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))]
    harness: PathBuf,
}

/// The files of a project: its path, and the text of the example's file or of the template.
macro_rules! files {
    ($($example:literal)* ; $($path:literal = $template:literal)*) => {
        &[
            $(($example, include_str!(concat!("../../../../subjects/example/", $example))),)*
            $(($path, include_str!(concat!("../../templates/", $template))),)*
        ]
    };
}

const FILES: &[(&str, &str)] = files!(
    ".cargo/config.toml"
    "Cargo.lock"
    "Cargo.toml"
    "afl-targets/Cargo.toml"
    "afl-targets/src/bin/fuzz_measure_calc.rs"
    "afl-targets/src/bin/fuzz_measure_image.rs"
    "afl-targets/src/bin/fuzz_measure_scan.rs"
    "hfuzz-targets/Cargo.toml"
    "hfuzz-targets/src/bin/fuzz_measure_calc.rs"
    "hfuzz-targets/src/bin/fuzz_measure_image.rs"
    "hfuzz-targets/src/bin/fuzz_measure_scan.rs"
    "known.toml"
    "libfuzzer-targets/Cargo.toml"
    "libfuzzer-targets/fuzz_targets/fuzz_measure_calc.rs"
    "libfuzzer-targets/fuzz_targets/fuzz_measure_image.rs"
    "libfuzzer-targets/fuzz_targets/fuzz_measure_scan.rs"
    "subject/Cargo.toml"
    "subject/src/bin/replay_worker.rs";
    ".github/workflows/measure-fuzz.yml" = "measure-fuzz.yml"
    ".gitignore" = "gitignore"
    "README.md" = "README.md"
    "subject/src/lib.rs" = "adapter.rs"
);

/// The manifest that ends with the adapter's dependencies.
const ADAPTER: &str = "subject/Cargo.toml";

/// What a project shares with the harness, by links.
const LINKS: [&str; 3] = ["dictionaries", "seeds", "shipped"];

fn parse_package(text: &str) -> Result<String, String> {
    let (name, version) = text.split_once('@').unwrap_or((text, "0"));
    let is_plain = |text: &str, also: &str| {
        let is_fine = |c: char| c.is_ascii_alphanumeric() || also.contains(c);
        !text.is_empty() && text.chars().all(is_fine)
    };
    if !is_plain(name, "-_") || !is_plain(version, ".-+") {
        return Err("write NAME or NAME@VERSION, as in imago@0.2.6".to_owned());
    }
    Ok(text.to_owned())
}

pub(super) fn run(args: &New) -> Result<ExitCode> {
    let harness = fs::canonicalize(&args.harness)?;
    ensure!(
        harness.join("harness-core/Cargo.toml").is_file(),
        "{} is not measure-fuzz: it has no harness-core; name its folder with --harness",
        harness.display()
    );
    let library = args.path.as_ref().map(fs::canonicalize).transpose()?;
    let shown = args.folder.display();
    if fs::symlink_metadata(&args.folder).is_ok() {
        bail!("{shown} exists: name a folder that does not");
    }
    fs::create_dir_all(&args.folder)?;
    let root = fs::canonicalize(&args.folder)?;
    let (name, version) = match args.package.split_once('@') {
        Some((name, version)) => (name, format!("={version}")),
        None => (&*args.package, "*".to_owned()),
    };
    let relative = |to: &Path, from: &Path| {
        diff_paths(to, from).with_context(|| format!("no way to {}", to.display()))
    };
    let dependency = match &library {
        Some(library) => format!(
            "{{ path = {:?} }}",
            relative(library, &root.join("subject"))?
        ),
        None => format!("{version:?}"),
    };
    let to_harness = relative(&harness, &root)?;
    for (path, text) in FILES {
        let file = root.join(path);
        let mut text = filled(text, name, &to_harness.display().to_string());
        if *path == ADAPTER {
            text += &format!("{name} = {dependency}\n");
        }
        fs::create_dir_all(file.parent().unwrap_or(&root))?;
        fs::write(&file, text)?;
    }
    fs::create_dir_all(root.join("corpus/regressions"))?;
    for link in LINKS {
        let shared = Path::new("..").join(&to_harness).join("corpus").join(link);
        symlink(shared, root.join("corpus").join(link))?;
    }
    outln!(
        "{shown} judges {name} with {}. Write `map` in {shown}/subject/src/lib.rs, then:",
        harness.display()
    );
    outln!("  cargo campaign --project {shown} replay {shown}/corpus/seeds/fuzz_measure_scan");
    Ok(ExitCode::SUCCESS)
}

/// A file's text for a library: what names the example, or is open in a template, is replaced.
fn filled(text: &str, name: &str, harness: &str) -> String {
    // Of a path in Rust, no blank is in front.
    text.replace(" \"../../", &format!(" \"{harness}/"))
        .replace(" ../../", &format!(" {harness}/"))
        .replace("HARNESS", harness)
        .replace("\"subject/src/\"", &format!("[{name:?}]"))
        .replace(
            "Another library under the oracle, with mistakes in it",
            &format!("{name} under the oracle"),
        )
        .replace("PACKAGE", name)
        .replace("CRATE", &name.replace('-', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_the_example_is_replaced() {
        let files = FILES.iter();
        let files = files.map(|(_, text)| filled(text, "an-images", "../harness"));
        let all: String = files.collect();
        for part in [
            "\"../harness/harness-core\"",
            "rustc-wrapper = \"../harness/.cargo/rustc-wrapper\"",
            "code-under-test = [\"an-images\"]",
            "description = \"an-images under the oracle\"",
            "include_str!(\"../../known.toml\")",
            "--manifest-path ../harness/Cargo.toml --",
            "with an_images;",
        ] {
            assert!(all.contains(part), "{part}");
        }
        let left = ["PACKAGE", "HARNESS", "CRATE", "mistakes", "example/"];
        assert_eq!(left.map(|word| all.contains(word)), [false; 5]);
    }

    #[test]
    fn packages_are_names_with_or_without_a_version() {
        for fine in ["imago", "imago@0.2.6", "a_b-c@1.0.0-rc.1+x"] {
            assert_eq!(parse_package(fine).as_deref(), Ok(fine));
        }
        for wrong in ["", "@1", "a b", "a@", "a@\"", "../a"] {
            assert!(parse_package(wrong).is_err(), "{wrong}");
        }
    }
}
