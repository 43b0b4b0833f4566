//! Inputs in folders, files and zips, and the target that a path names.

use std::io::{BufReader, Read, Seek};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use fs_err::{self as fs, File};
use zip::ZipArchive;

/// Larger inputs are not unpacked: no target takes them. In bytes.
pub const MAX_ENTRY: u64 = 1 << 20;

/// The files in and below `path`, or `path` when it is one, sorted; without hidden ones. In a folder, files come before
/// zips. Fails when something cannot be read.
pub fn files(path: &Path) -> Result<Vec<PathBuf>> {
    let metadata = std::fs::metadata(path);
    let metadata = metadata.with_context(|| format!("{} cannot be read", path.display()))?;
    if !metadata.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut inside = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        let kind = entry.file_type()?;
        if !hidden && (kind.is_file() || kind.is_dir()) {
            inside.push((is_zip(&entry.path()), entry.path()));
        }
    }
    inside.sort();
    let below = inside.iter().map(|(_, path)| files(path));
    Ok(below.collect::<Result<Vec<_>>>()?.concat())
}

/// The inputs in a file, with their names: those in a zip, or the file itself. Fails when it cannot be read; as
/// [`unpack`].
pub fn read(path: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    if is_zip(path) {
        return unpack(path);
    }
    let content = fs::read(path)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok(vec![(name.into_owned(), content)])
}

/// The inputs in a zip, with their names. Their checksums are verified. Fails when it cannot be read, or has no input,
/// or one that is too large for any target.
pub fn unpack(path: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let zip = BufReader::new(File::open(path)?);
    unpack_from(zip).with_context(|| format!("{} cannot be unpacked", path.display()))
}

/// As [`unpack`].
pub fn unpack_from(zip: impl Read + Seek) -> Result<Vec<(String, Vec<u8>)>> {
    let mut zip = ZipArchive::new(zip).context("it is no zip")?;
    let mut inputs = Vec::new();
    for index in 0..zip.len() {
        let entry = zip.by_index(index)?;
        if !entry.is_file() {
            continue;
        }
        let name = entry.name()?.into_owned();
        let mut content = Vec::new();
        // The size in the entry's header may be wrong.
        entry.take(MAX_ENTRY + 1).read_to_end(&mut content)?;
        let is_input = content.len() as u64 <= MAX_ENTRY;
        ensure!(is_input, "entry {index} is too large for an input");
        inputs.push((name, content));
    }
    ensure!(!inputs.is_empty(), "it has no inputs");
    Ok(inputs)
}

/// Whether it is a zip by its name.
fn is_zip(path: &Path) -> bool {
    path.extension().is_some_and(|name| name == "zip")
}

/// Which of `targets` a path names: a folder on the way has its name, as all our own folders do, or a file's name begins
/// with it, as those of OSS-Fuzz's zips do. Fails when the current folder is not known.
pub fn target_of<'a>(
    path: &Path,
    targets: impl Iterator<Item = &'a str> + Clone,
) -> Result<Option<&'a str>> {
    let absolute = std::path::absolute(path)?;
    let is_of = |part: &str, target: &str| {
        part.strip_prefix(target).is_some_and(|rest| {
            // What `minimize` took out of a corpus is not part of it.
            let is_old = rest.starts_with(".before-");
            let ends = !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
            ends && !is_old || rest.starts_with("_seed_corpus")
        })
    };
    let mut named = absolute.iter().rev().flat_map(|part| {
        let part = part.to_string_lossy().into_owned();
        targets.clone().find(|target| is_of(&part, target))
    });
    Ok(named.next())
}
