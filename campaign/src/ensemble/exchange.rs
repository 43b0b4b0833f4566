//! Giving an engine what the others found, in the way that it reads such inputs by itself.
//!
//! - AFL++'s main instance reads the folder named with `-F` twice a minute. It tells new files by their time of
//!   change, in whole seconds, and takes none that is not later than the latest it has seen. So each batch has a
//!   time later than the last one's, and is offered once more with the next: a file that appeared while AFL++ was
//!   reading would be passed over otherwise.
//! - libFuzzer reads its own corpus folder every second when the folder's time of change has gone on, and takes
//!   files whose time is not before the last reading.
//! - honggfuzz reads the folder named with `--dynamic_input` every second or two, and deletes what it has read:
//!   it is given copies, in a folder that holds nothing else.
//!
//! A file is written elsewhere and then moved, so that no engine sees half of one.

use std::fs::{self, File, FileTimes};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};

use super::member::Member;
use super::pool::Pool;
use crate::engine::Engine;

/// The beginning of the name of a file that libFuzzer was given, in its corpus folder.
pub(super) const GIVEN: &str = "from-";

/// The times of change that files were given, for engines that tell new files by it.
#[derive(Debug, Default)]
pub(super) struct Stamps {
    latest: Option<SystemTime>,
    last_batch: Vec<PathBuf>,
}

impl Stamps {
    /// A time of change for the next batch: of now, and at least a second after the last.
    fn next(&mut self) -> SystemTime {
        let now = SystemTime::now();
        let next = self
            .latest
            .map_or(now, |latest| now.max(latest + Duration::from_secs(1)));
        self.latest = Some(next);
        next
    }
}

/// Gives `member` what others have kept since the last time, until some moment; the rest the next time. Returns
/// how many inputs.
///
/// # Errors
/// When a file cannot be written.
pub(super) fn give(member: &mut Member, pool: &Pool, until: Instant) -> Result<usize> {
    let (folder, outside) = (member.import(), member.task.folder.join("incoming"));
    for folder in [&folder, &outside] {
        fs::create_dir_all(folder)
            .with_context(|| format!("{} cannot be made", folder.display()))?;
    }
    let all = pool.entries();
    let mut batch = Vec::new();
    while member.offered < all.len() && Instant::now() < until {
        let entry = &all[member.offered];
        member.offered += 1;
        let is_new = member.has.insert(entry.name.clone());
        let is_wanted = is_new || member.offered <= member.forgot;
        if entry.is_empty || !is_wanted || !member.reads_others {
            continue;
        }
        let name = match member.engine {
            Engine::Libfuzzer => format!("{GIVEN}{}-{}", entry.engine, entry.name),
            Engine::Afl | Engine::Honggfuzz => entry.name.clone(),
        };
        batch.push(place(&entry.path, &outside, &folder.join(name))?);
    }
    let given = batch.len();
    match member.engine {
        Engine::Afl => stamp(&mut member.stamps, batch)?,
        Engine::Libfuzzer if given > 0 => {
            // Later than whatever libFuzzer has seen of the folder within this second.
            let time = SystemTime::now() + Duration::from_secs(1);
            for file in batch.iter().chain([&folder]) {
                set_time(file, time)?;
            }
        }
        Engine::Libfuzzer | Engine::Honggfuzz => {}
    }
    member.given += given;
    Ok(given)
}

/// Copies `from` to `to` by way of `outside`, a folder of the same file system.
fn place(from: &Path, outside: &Path, to: &Path) -> Result<PathBuf> {
    let before = outside.join(to.file_name().unwrap_or_default());
    fs::copy(from, &before)
        .and_then(|_| fs::rename(&before, to))
        .with_context(|| format!("{} cannot be copied to {}", from.display(), to.display()))?;
    Ok(to.to_owned())
}

/// Gives a batch, and once more the one before it, a time later than all before.
fn stamp(stamps: &mut Stamps, batch: Vec<PathBuf>) -> Result<()> {
    if batch.is_empty() && stamps.last_batch.is_empty() {
        return Ok(());
    }
    let time = stamps.next();
    for file in batch.iter().chain(&stamps.last_batch) {
        set_time(file, time)?;
    }
    stamps.last_batch = batch;
    Ok(())
}

fn set_time(file: &Path, time: SystemTime) -> Result<()> {
    File::open(file)
        .and_then(|opened| opened.set_times(FileTimes::new().set_modified(time)))
        .with_context(|| format!("the time of {} cannot be set", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(file: &Path) -> u64 {
        let time = file.metadata().unwrap().modified().unwrap();
        time.duration_since(SystemTime::UNIX_EPOCH)
            .unwrap()
            .as_secs()
    }

    #[test]
    fn each_batch_is_later_than_the_last_and_offered_twice() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            let path = folder.path().join(name);
            fs::write(&path, name).unwrap();
            path
        };
        let mut stamps = Stamps::default();
        let (a, b) = (file("a"), file("b"));
        stamp(&mut stamps, vec![a.clone()]).unwrap();
        let first = seconds(&a);
        stamp(&mut stamps, vec![b.clone()]).unwrap();
        assert!(seconds(&b) > first);
        assert_eq!(seconds(&a), seconds(&b), "offered once more");
        let second = seconds(&b);
        stamp(&mut stamps, Vec::new()).unwrap();
        assert_eq!(seconds(&a), second, "not a third time");
        assert!(seconds(&b) > second);
        let third = seconds(&b);
        stamp(&mut stamps, Vec::new()).unwrap();
        assert_eq!(seconds(&b), third);
    }

    #[test]
    fn a_file_is_moved_into_its_place_and_the_original_stays() {
        let folder = tempfile::tempdir().unwrap();
        let from = folder.path().join("from");
        fs::write(&from, "x").unwrap();
        let (outside, inside) = (folder.path().join("outside"), folder.path().join("inside"));
        fs::create_dir(&outside).unwrap();
        fs::create_dir(&inside).unwrap();
        let to = place(&from, &outside, &inside.join("to")).unwrap();
        assert_eq!(fs::read(to).unwrap(), b"x");
        assert!(from.exists());
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
        assert!(place(&folder.path().join("gone"), &outside, &inside.join("y")).is_err());
    }
}
