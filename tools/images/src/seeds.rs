//! The seed corpus: real images, and good calculator inputs.
//!
//! - [`calc`]: the inputs of `fuzz_measure_calc`: every format, every option, sizes up to the limits.
//! - [`detect`](mod@detect): the files that are inputs of `fuzz_measure_detect`.
//! - [`image`](mod@image): the recipes that are inputs of `fuzz_measure_image`.
//! - [`recipe`]: the images that are made for `fuzz_measure_scan`, with qemu-img and qemu-io.
//! - [`scan`]: an image file as an input of `fuzz_measure_scan`, verified.
//!
//! A seed is named by its content in words. Seeds are written to a new folder, read back, verified, and
//! only then moved to their place. Nothing is deleted: a seed that is there already is kept when it
//! is the same case (images hold identifiers and times, so that no two of a recipe are equal), and
//! replaced when it does not.

pub(crate) mod calc;
pub(crate) mod detect;
pub(crate) mod image;
pub(crate) mod recipe;
pub(crate) mod scan;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::differential::qemu::Qemu;
use super::shown;
use super::source::Source;

/// What the targets are called in the registry.
const CALC: &str = "fuzz_measure_calc";
const SCAN: &str = "fuzz_measure_scan";
const IMAGE: &str = "fuzz_measure_image";
const DETECT: &str = "fuzz_measure_detect";

/// A seed: its name, and the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seed {
    /// What it shows, in words joined by dashes; also its file's name.
    pub name: String,
    pub input: Vec<u8>,
}

/// What was written for one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    /// The target's name.
    pub target: &'static str,
    /// The folder of its seeds.
    pub folder: PathBuf,
    /// How many seeds are new or were replaced.
    pub new: usize,
    /// How many were there already.
    pub kept: usize,
    /// How long all of them are, in bytes.
    pub bytes: u64,
}

/// Writes the seeds of all targets that have any, each to the folder of its target's name in `out`.
/// Needs qemu-img and qemu-io. Fails when an image cannot be made, an input has a wrong answer, or `out` cannot be
/// written to. What was in `out` before is then as it was.
pub(crate) fn write(out: &Path) -> Result<Vec<Written>> {
    let qemu = Qemu::find(Duration::from_secs(60))?;
    let calc = calc::seeds()?;
    let image = image::seeds()?;
    let detect = detect::seeds()?;
    let mut scan = Vec::new();
    for recipe in recipe::all() {
        let make = || -> Result<Vec<u8>> {
            let folder = tempfile::tempdir()?;
            let image = recipe.make(&qemu, folder.path())?;
            scan::input(&Source::open(&image, Some(recipe.format))?, recipe.unit)
        };
        scan.push(Seed {
            name: recipe.name.to_owned(),
            input: make().with_context(|| format!("the seed {}", recipe.name))?,
        });
    }
    Ok(vec![
        store(out, CALC, &calc, calc::same_case)?,
        store(out, SCAN, &scan, scan::same_answer)?,
        store(out, IMAGE, &image, image::same_case)?,
        store(out, DETECT, &detect, |_, _| false)?,
    ])
}

/// Makes a seed of `fuzz_measure_scan` of every image in the folder `from`, and writes them to the
/// folder of that name in `out`. `skipped` is called for each file that is none, with the reason. Fails when no seed
/// could be made of any file, `from` cannot be read, or `out` cannot be written to.
pub(crate) fn import(
    from: &Path,
    out: &Path,
    mut skipped: impl FnMut(&Path, &str),
) -> Result<Written> {
    let mut seeds = Vec::new();
    let entries = fs::read_dir(from).with_context(|| shown(from))?;
    let mut paths = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()
        .with_context(|| shown(from))?;
    paths.sort();
    for path in &paths {
        let input = Source::open(path, None).and_then(|source| scan::input(&source, None));
        match input {
            Ok(input) => seeds.push(Seed {
                name: imported_name(path, &input),
                input,
            }),
            Err(error) => skipped(path, &format!("{error:#}")),
        }
    }
    ensure!(
        !seeds.is_empty(),
        "{}: none of its {} files became a seed",
        shown(from),
        paths.len()
    );
    store(out, SCAN, &seeds, |_, _| false)
}

/// The image's own name, in characters that suit any tool, and a part of the content's hash: two users'
/// `disk.img` are two seeds.
fn imported_name(image: &Path, input: &[u8]) -> String {
    let name = image.file_name().unwrap_or_default().to_string_lossy();
    let name: String = name
        .chars()
        .take(64)
        .map(|c| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '_' => c,
            _ => '-',
        })
        .collect();
    let hash = cli::content_name(input);
    format!("imported-{}-{}", name.trim_start_matches('.'), &hash[..8])
}

/// Moves `seeds` to the folder of `target` in `out`, by way of a new folder in which they are read
/// back. One that is there already and is `same` is kept.
fn store(
    out: &Path,
    target: &'static str,
    seeds: &[Seed],
    same: impl Fn(&[u8], &[u8]) -> bool,
) -> Result<Written> {
    let folder = out.join(target);
    fs::create_dir_all(&folder).with_context(|| shown(&folder))?;
    let new_folder = tempfile::Builder::new()
        .prefix(".new-")
        .tempdir_in(out)
        .with_context(|| shown(out))?;
    let mut written = Written {
        target,
        folder: folder.clone(),
        new: 0,
        kept: 0,
        bytes: 0,
    };
    let mut moves = Vec::new();
    for seed in seeds {
        let place = folder.join(&seed.name);
        if let Ok(there) = fs::read(&place)
            && (there == seed.input || same(&there, &seed.input))
        {
            written.kept += 1;
            written.bytes += there.len() as u64;
            continue;
        }
        let path = new_folder.path().join(&seed.name);
        fs::write(&path, &seed.input).with_context(|| shown(&path))?;
        let read_back = fs::read(&path).with_context(|| shown(&path))?;
        ensure!(
            read_back == seed.input,
            "{} is not what was written",
            shown(&path)
        );
        written.new += 1;
        written.bytes += seed.input.len() as u64;
        moves.push((path, place));
    }
    for (path, place) in moves {
        fs::rename(&path, &place).with_context(|| shown(&place))?;
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seed(name: &str, input: &[u8]) -> Seed {
        Seed {
            name: name.to_owned(),
            input: input.to_owned(),
        }
    }

    #[test]
    fn what_is_there_is_kept_or_replaced_and_nothing_else_is_touched() {
        let out = tempfile::tempdir().unwrap();
        let folder = out.path().join("target");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("other"), "other").unwrap();
        let both = [seed("a", b"1"), seed("b", b"2")];
        let first = store(out.path(), "target", &both, |_, _| false).unwrap();
        assert_eq!((first.new, first.kept, first.bytes), (2, 0, 2));
        let again = store(out.path(), "target", &both, |_, _| false).unwrap();
        assert_eq!((again.new, again.kept, again.bytes), (0, 2, 2));
        let changed = [seed("a", b"3"), seed("b", b"456")];
        let same_length = |a: &[u8], b: &[u8]| a.len() == b.len();
        let third = store(out.path(), "target", &changed, same_length).unwrap();
        assert_eq!((third.new, third.kept, third.bytes), (1, 1, 4));
        assert_eq!(fs::read(folder.join("a")).unwrap(), b"1");
        assert_eq!(fs::read(folder.join("b")).unwrap(), b"456");
        assert_eq!(fs::read(folder.join("other")).unwrap(), b"other");
        let left = fs::read_dir(out.path()).unwrap().count();
        assert_eq!(left, 1, "the new folder is gone");
    }

    #[test]
    fn the_name_of_an_import_is_tame_and_tells_contents_apart() {
        let path = Path::new("/x/../.my disk\n(1).qcow2");
        let name = imported_name(path, b"1");
        assert!(name.starts_with("imported-my-disk--1-.qcow2-"), "{name}");
        assert_ne!(name, imported_name(path, b"2"));
    }
}
