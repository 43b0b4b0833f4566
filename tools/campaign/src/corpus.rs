//! Inputs in folders, named by their content.
//!
//! Nothing here deletes: a file is written beside its place, then moved there.

use std::fs::{File, FileType};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use anyhow::Result;
use fs_err as fs;

use crate::atomic;

pub use cli::content_name;

/// A folder of inputs that are named by their content.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// The store in `folder`, which is made when it is missing. Fails when the folder cannot be made.
    pub fn open(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    /// Adds an input. Returns its path, and whether it is new. Fails when it cannot be written; the store is then as it
    /// was.
    pub fn add(&self, content: &[u8]) -> Result<(PathBuf, bool)> {
        let path = self.folder.join(content_name(content));
        if path.exists() {
            return Ok((path, false));
        }
        atomic::write(&path, content)?;
        Ok((path, true))
    }

    /// Adds the input in a file, with the file's time, which is when an engine found it. Returns its path,
    /// and whether it is new.
    pub(crate) fn add_file(&self, file: &Path) -> Result<(PathBuf, bool)> {
        let added = self.add(&fs::read(file)?)?;
        if let (path, true) = &added
            && let Ok(modified) = file.metadata().and_then(|file| file.modified())
        {
            // A file system that keeps no such times keeps the input all the same.
            let _ = File::options()
                .append(true)
                .open(path)
                .and_then(|file| file.set_modified(modified));
        }
        Ok(added)
    }

    /// Adds every one of `files`. Returns how many were new; a file that has vanished meanwhile (an
    /// engine replaces its own) is passed over.
    pub(crate) fn add_files<'a>(&self, files: impl IntoIterator<Item = &'a Path>) -> Result<usize> {
        let mut new = 0;
        for file in files {
            if let Ok(content) = fs::read(file) {
                new += usize::from(self.add(&content)?.1);
            }
        }
        Ok(new)
    }
}

/// The files of a folder, sorted by name; without sub-folders and without hidden files. A folder that
/// is missing has none. Fails when the folder is there and cannot be read.
pub fn files_in(folder: &Path) -> Result<Vec<PathBuf>> {
    entries_in(folder, |kind| kind.is_file())
}

/// What is in a folder and of a kind, likewise.
pub(crate) fn entries_in(folder: &Path, is_wanted: fn(FileType) -> bool) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    if folder.exists() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let is_hidden = entry.file_name().as_bytes().starts_with(b".");
            if !is_hidden && entry.file_type().is_ok_and(is_wanted) {
                paths.push(entry.path());
            }
        }
    }
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_content_is_kept_once_and_under_its_own_name() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("corpus")).unwrap();
        let (path, new) = store.add(b"abc").unwrap();
        assert!(new);
        assert!(path.ends_with("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
        assert_eq!(store.add(b"abc").unwrap(), (path.clone(), false));
        let gone = folder.path().join("gone");
        assert_eq!(
            store.add_files([path.as_path(), gone.as_path()]).unwrap(),
            0
        );
        assert_eq!(files_in(&folder.path().join("corpus")).unwrap(), [path]);
        let old = folder.path().join("old");
        fs::write(&old, b"abcd").unwrap();
        let then = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
        let file = File::options().append(true).open(&old).unwrap();
        file.set_modified(then).unwrap();
        let (kept, new) = store.add_file(&old).unwrap();
        assert!(new);
        assert_eq!(kept.metadata().unwrap().modified().unwrap(), then);
        assert_eq!(files_in(&gone).unwrap(), Vec::<PathBuf>::new());
    }
}
