//! A folder of inputs, of which there may be a million: names alone are in memory.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::coverage::Contents;

/// The inputs in a folder: its files, but for hidden ones, in the order of their names.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    names: Vec<Box<OsStr>>,
    /// What else is there: folders, links, sockets.
    others: usize,
    /// The length of each input that was read, in bytes.
    lengths: RefCell<Vec<u32>>,
}

impl Folder {
    /// Lists a folder.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn list(path: &Path) -> Result<Self> {
        let unreadable = || format!("{} cannot be read", path.display());
        let (mut names, mut others) = (Vec::new(), 0);
        for entry in fs::read_dir(path).with_context(unreadable)? {
            let entry = entry.with_context(unreadable)?;
            let name = entry.file_name();
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            if entry.file_type().with_context(unreadable)?.is_file() {
                names.push(name.into_boxed_os_str());
            } else {
                others += 1;
            }
        }
        names.sort_unstable();
        Ok(Self {
            path: path.to_owned(),
            lengths: RefCell::new(vec![0; names.len()]),
            names,
            others,
        })
    }

    /// How many inputs there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// How many things are in it that are no files.
    #[must_use]
    pub const fn others(&self) -> usize {
        self.others
    }

    /// Whether an input of this name is there.
    #[must_use]
    pub fn has(&self, name: &OsStr) -> bool {
        self.names
            .binary_search_by(|other| other.as_ref().cmp(name))
            .is_ok()
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &OsStr> {
        self.names.iter().map(AsRef::as_ref)
    }

    /// The file of the input at `place`.
    ///
    /// # Panics
    /// When there is no such place.
    #[must_use]
    pub fn file(&self, place: usize) -> PathBuf {
        self.path.join(self.names[place].as_ref())
    }

    /// The content of the input at `place`.
    ///
    /// # Errors
    /// When it cannot be read.
    ///
    /// # Panics
    /// When there is no such place.
    pub fn read(&self, place: usize) -> Result<Vec<u8>> {
        let file = self.file(place);
        fs::read(&file).with_context(|| format!("{} cannot be read", file.display()))
    }

    /// The length of the input at `place` when it was last read for a replay; 0 when it was not.
    ///
    /// # Panics
    /// When there is no such place.
    #[must_use]
    pub fn length(&self, place: usize) -> u32 {
        self.lengths.borrow()[place]
    }
}

impl Contents for Folder {
    fn count(&self) -> usize {
        self.len()
    }

    fn append(&self, place: usize, buffer: &mut Vec<u8>) -> Result<(), String> {
        let file = self.file(place);
        let length = File::open(&file)
            .and_then(|mut open| open.read_to_end(buffer))
            .map_err(|why| format!("{}: {why}", file.display()))?;
        self.lengths.borrow_mut()[place] = u32::try_from(length).unwrap_or(u32::MAX);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_listed_by_name_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let put =
            |name: &str, content: &[u8]| fs::write(folder.path().join(name), content).unwrap();
        put("b", b"12");
        put("a", b"");
        put(".hidden", b"");
        fs::create_dir(folder.path().join("sub")).unwrap();
        let listed = Folder::list(folder.path()).unwrap();
        assert_eq!(listed.names().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((listed.len(), listed.others()), (2, 1));
        assert!(listed.has("a".as_ref()) && !listed.has("c".as_ref()));
        let mut buffer = b"x".to_vec();
        listed.append(1, &mut buffer).unwrap();
        assert_eq!((buffer.as_slice(), listed.length(1)), (&b"x12"[..], 2));
        fs::remove_file(listed.file(1)).unwrap();
        let why = listed.append(1, &mut buffer).unwrap_err();
        assert!(why.contains("No such file"), "{why}");
        assert!(Folder::list(&folder.path().join("none")).is_err());
    }
}
