//! Puts a new folder in the place of an old one, so that a kill at any moment leaves one of the two, whole, in
//! that place.
//!
//! The new one is made beside, under a hidden name and with a mark in it. Then the two change names in one step,
//! and the old one gets the name that it keeps. What a kill leaves behind is told apart by the mark: with it, it
//! is a new folder that was not finished, and is removed; without it, it is the old one, and gets its name.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use rustix::fs::{CWD, RenameFlags, renameat_with};

/// The mark of a folder that has not taken its place.
const MARK: &str = ".being-made";

/// A folder that is to take another's place.
#[derive(Debug)]
pub struct Swap {
    /// The folder whose place it is to take.
    place: PathBuf,
    /// The folder being made.
    new: PathBuf,
}

/// What was found that an earlier swap had left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeftBehind {
    /// A folder that was not finished; it is removed.
    Unfinished,
    /// The old folder, which now has this name.
    Old(PathBuf),
}

impl Swap {
    /// Puts right what a kill left behind beside `place`.
    ///
    /// # Errors
    /// When it cannot be moved or removed.
    pub fn recover(place: &Path) -> Result<Option<LeftBehind>> {
        // A kill right after the change of names leaves the mark in the new folder, where it means no more.
        remove_if_there(&place.join(MARK))?;
        let left = hidden_beside(place)?;
        let recovered = Self::recover_hidden(place, &left)?;
        // A finished folder on its way, where two cannot change names in one step: it is made anew.
        let aside = aside(&left);
        if !aside.exists() {
            return Ok(recovered);
        }
        remove(&aside)?;
        Ok(recovered.or(Some(LeftBehind::Unfinished)))
    }

    fn recover_hidden(place: &Path, left: &Path) -> Result<Option<LeftBehind>> {
        if !left.exists() {
            return Ok(None);
        }
        let is_empty = fs::read_dir(left)
            .with_context(|| format!("{} cannot be read", left.display()))?
            .next()
            .is_none();
        if is_empty || left.join(MARK).exists() {
            remove(left)?;
            return Ok(Some(LeftBehind::Unfinished));
        }
        // Where two folders cannot change names in one step, the old one may be all there is.
        let old = if place.exists() {
            name_for_old(place)?
        } else {
            place.to_owned()
        };
        rename(left, &old)?;
        Ok(Some(LeftBehind::Old(old)))
    }

    /// Begins a new folder that is to take the place of `place`.
    ///
    /// # Errors
    /// When it cannot be made, or an earlier one is still there: see [`recover`](Self::recover).
    pub fn begin(place: &Path) -> Result<Self> {
        let new = hidden_beside(place)?;
        fs::create_dir(&new)
            .and_then(|()| File::create(new.join(MARK)))
            .with_context(|| format!("{} cannot be made", new.display()))?;
        Ok(Self {
            place: place.to_owned(),
            new,
        })
    }

    /// The folder to be filled. Hidden files in it do not count.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.new
    }

    /// Removes the new folder.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn give_up(self) -> Result<()> {
        remove(&self.new)
    }

    /// The new folder takes its place. The old one is returned, hidden as yet, to be [kept](Old::keep) or
    /// [discarded](Old::discard).
    ///
    /// # Errors
    /// When it cannot be moved; the old one is then still in its place.
    pub fn change(self) -> Result<Old> {
        let Self { place, new } = self;
        match renameat_with(CWD, &new, CWD, &place, RenameFlags::EXCHANGE) {
            Ok(()) => {}
            // Not every file system can.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
                change_in_steps(&place, &new)?;
            }
            Err(why) => bail!("{} cannot take its place: {why}", new.display()),
        }
        remove_if_there(&place.join(MARK))?;
        Ok(Old { place, hidden: new })
    }
}

/// For file systems that cannot exchange: for a moment, nothing is in the place. A kill in it leaves the new
/// folder under one more name and the old one hidden and unmarked, from where [`Swap::recover`] takes it.
fn change_in_steps(place: &Path, new: &Path) -> Result<()> {
    let aside = aside(new);
    rename(new, &aside)?;
    rename(place, new)?;
    rename(&aside, place)
}

/// The folder that was replaced.
#[derive(Debug)]
pub struct Old {
    place: PathBuf,
    hidden: PathBuf,
}

impl Old {
    /// Where it is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.hidden
    }

    /// Gives it the name that it keeps: the place's, `.before-` and the date and time of now. Returns it.
    ///
    /// # Errors
    /// When it cannot be renamed.
    pub fn keep(self) -> Result<PathBuf> {
        let old = name_for_old(&self.place)?;
        rename(&self.hidden, &old)?;
        Ok(old)
    }

    /// Removes it.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn discard(self) -> Result<()> {
        remove(&self.hidden)
    }
}

/// Where the new folder is made and the old one waits.
fn hidden_beside(place: &Path) -> Result<PathBuf> {
    let name = place.file_name().context("a corpus without a name")?;
    Ok(place.with_file_name(format!(".{}.being-minimised", name.to_string_lossy())))
}

/// Where the new folder is between two names.
fn aside(hidden: &Path) -> PathBuf {
    hidden.with_extension("on-its-way")
}

/// A name that is free, with the date and time of now.
fn name_for_old(place: &Path) -> Result<PathBuf> {
    let name = place.file_name().context("a corpus without a name")?;
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let now = now.replace(':', "-").replace('Z', "");
    let name = format!("{}.before-{now}", name.to_string_lossy());
    let numbered = (2..100).map(|number| format!("{name}-{number}"));
    std::iter::once(name.clone())
        .chain(numbered)
        .map(|name| place.with_file_name(name))
        .find(|path| !path.exists())
        .with_context(|| format!("there are a hundred folders {name}"))
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to)
        .with_context(|| format!("{} cannot become {}", from.display(), to.display()))
}

fn remove(folder: &Path) -> Result<()> {
    // The mark goes last: without it a half-removed folder would be taken for an old one. Where there is none
    // that is what it is.
    let removed = || -> std::io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_name() == MARK {
                continue;
            }
            if entry.file_type()?.is_dir() {
                fs::remove_dir_all(entry.path())?;
            } else {
                fs::remove_file(entry.path())?;
            }
        }
        fs::remove_dir_all(folder)
    };
    removed().with_context(|| format!("{} cannot be removed", folder.display()))
}

fn remove_if_there(file: &Path) -> Result<()> {
    match fs::remove_file(file) {
        Err(why) if why.kind() != std::io::ErrorKind::NotFound => {
            Err(why).with_context(|| format!("{} cannot be removed", file.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpora::folder::Folder;

    fn names(folder: &Path) -> Vec<String> {
        let listed = Folder::list(folder).unwrap();
        let names = listed
            .names()
            .map(|name| name.to_string_lossy().into_owned());
        names.collect()
    }

    fn corpus() -> (tempfile::TempDir, PathBuf) {
        let parent = tempfile::tempdir().unwrap();
        let place = parent.path().join("fuzz_x");
        fs::create_dir(&place).unwrap();
        fs::write(place.join("old"), "").unwrap();
        (parent, place)
    }

    #[test]
    fn the_new_one_is_in_the_place_and_the_old_one_is_kept() {
        let (_parent, place) = corpus();
        assert_eq!(Swap::recover(&place).unwrap(), None);
        let swap = Swap::begin(&place).unwrap();
        fs::write(swap.folder().join("new"), "").unwrap();
        let old = swap.change().unwrap().keep().unwrap();
        let name = old.file_name().unwrap().to_string_lossy().into_owned();
        assert!(name.starts_with("fuzz_x.before-2"), "{name}");
        assert_eq!(
            (names(&place), names(&old)),
            (vec!["new".into()], vec!["old".into()])
        );
        assert!(!place.join(MARK).exists());
        // Another one in the same second.
        let swap = Swap::begin(&place).unwrap();
        let older = swap.change().unwrap().keep().unwrap();
        assert!(older != old && names(&older) == ["new"]);
        // And one that is not kept.
        let swap = Swap::begin(&place).unwrap();
        let gone = swap.change().unwrap();
        let hidden = gone.folder().to_owned();
        gone.discard().unwrap();
        assert!(!hidden.exists() && place.exists());
    }

    #[test]
    fn what_is_left_behind_is_told_apart() {
        let (_parent, place) = corpus();
        let swap = Swap::begin(&place).unwrap();
        fs::write(swap.folder().join("half"), "").unwrap();
        assert!(Swap::begin(&place).is_err());
        assert_eq!(Swap::recover(&place).unwrap(), Some(LeftBehind::Unfinished));
        assert_eq!(names(&place), ["old"]);

        // Killed before the mark was made.
        fs::create_dir(hidden_beside(&place).unwrap()).unwrap();
        assert_eq!(Swap::recover(&place).unwrap(), Some(LeftBehind::Unfinished));

        // Killed after the change, with the mark still there.
        let swap = Swap::begin(&place).unwrap();
        fs::write(swap.folder().join("new"), "").unwrap();
        drop(swap.change().unwrap());
        File::create(place.join(MARK)).unwrap();
        let Some(LeftBehind::Old(old)) = Swap::recover(&place).unwrap() else {
            panic!("the old one was not found");
        };
        assert_eq!(
            (names(&place), names(&old)),
            (vec!["new".into()], vec!["old".into()])
        );
        assert!(!place.join(MARK).exists());
    }

    #[test]
    fn where_folders_cannot_change_names_at_once_a_kill_leaves_the_old_one() {
        let (_parent, place) = corpus();
        let swap = Swap::begin(&place).unwrap();
        fs::write(swap.folder().join("new"), "").unwrap();
        change_in_steps(&swap.place, &swap.new).unwrap();
        assert_eq!(
            (names(&place), names(&swap.new)),
            (vec!["new".into()], vec!["old".into()])
        );

        // Killed in the middle.
        rename(&place, &aside(&swap.new)).unwrap();
        assert_eq!(
            Swap::recover(&place).unwrap(),
            Some(LeftBehind::Old(place.clone()))
        );
        assert_eq!(names(&place), ["old"]);
        assert_eq!(fs::read_dir(place.parent().unwrap()).unwrap().count(), 1);
    }
}
