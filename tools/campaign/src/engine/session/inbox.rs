//! Giving an engine what the others found, in the way that it reads such inputs by itself.
//!
//! - AFL++'s main instance reads the folder named with `-F` twice a minute. It knows new files by their time of
//!   change, in whole seconds, and takes none that is not later than the latest it has seen. So each batch has a
//!   time later than the last one's, and is offered once more with the next: a file that appeared while AFL++ was
//!   reading would be passed over otherwise.
//! - libFuzzer reads its own corpus folder every second when the folder's time of change is later than before,
//!   and takes files whose time is not before the last reading.
//! - honggfuzz reads the folder named with `--dynamic_input` every second or two, and deletes what it has read:
//!   it is given copies, in a folder that holds nothing else.
//!
//! A file is written elsewhere and then moved, so that no engine sees half of one.

use std::collections::HashSet;
use std::fs::{self, File, FileTimes};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};

use super::pool::Pool;
use crate::engine::Engine;

/// The beginning of the name of a file that libFuzzer was given, in its corpus folder.
pub(super) const GIVEN: &str = "from-";

/// Through what an engine reads the inputs of others.
#[derive(Debug)]
pub(super) struct Inbox {
    engine: Engine,
    /// The folder that the engine reads.
    folder: PathBuf,
    /// A folder of the same file system that it does not.
    outside: PathBuf,
    /// How many of the pool's inputs it was offered.
    offered: usize,
    /// How many it is to be given even if it had them, because it was started again without them.
    forgot: usize,
    /// How many it was given.
    pub(super) given: usize,
    stamps: Stamps,
}

/// The times of change that files were given, for AFL++.
#[derive(Debug, Default)]
struct Stamps {
    latest: Option<SystemTime>,
    last_batch: Vec<PathBuf>,
}

impl Inbox {
    pub(super) fn new(engine: Engine, folder: PathBuf, outside: PathBuf) -> Self {
        Self {
            engine,
            folder,
            outside,
            offered: 0,
            forgot: 0,
            given: 0,
            stamps: Stamps::default(),
        }
    }

    /// The engine was started again and knows only what it began from.
    pub(super) fn forget(&mut self) {
        self.forgot = self.offered.max(self.forgot);
        self.offered = 0;
    }

    /// Gives the engine what is in the pool since the last time, until some moment; the rest the next time.
    /// `has` are the contents that it has.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(super) fn give(
        &mut self,
        pool: &Pool,
        has: &mut HashSet<String>,
        until: Instant,
    ) -> Result<()> {
        for folder in [&self.folder, &self.outside] {
            fs::create_dir_all(folder)
                .with_context(|| format!("{} cannot be made", folder.display()))?;
        }
        let all = pool.kept();
        let mut batch = Vec::new();
        while self.offered < all.len() && Instant::now() < until {
            let kept = &all[self.offered];
            self.offered += 1;
            let is_new = has.insert(kept.name.clone());
            let is_wanted = is_new || self.offered <= self.forgot;
            if kept.is_empty || !is_wanted {
                continue;
            }
            let name = match self.engine {
                Engine::Libfuzzer => format!("{GIVEN}{}-{}", kept.engine, kept.name),
                Engine::Afl | Engine::Honggfuzz => kept.name.clone(),
            };
            let to = self.folder.join(name);
            place(&kept.path, &self.outside, &to)?;
            batch.push(to);
        }
        self.given += batch.len();
        match self.engine {
            Engine::Afl => self.stamps.stamp(batch)?,
            Engine::Libfuzzer if !batch.is_empty() => {
                // Later than whatever libFuzzer has seen of the folder within this second.
                let time = SystemTime::now() + Duration::from_secs(1);
                for file in batch.iter().chain([&self.folder]) {
                    set_time(file, time)?;
                }
            }
            Engine::Libfuzzer | Engine::Honggfuzz => {}
        }
        Ok(())
    }
}

impl Stamps {
    /// Gives a batch, and once more the one before it, a time of change: of now, and at least a second after
    /// the last.
    fn stamp(&mut self, batch: Vec<PathBuf>) -> Result<()> {
        if batch.is_empty() && self.last_batch.is_empty() {
            return Ok(());
        }
        let now = SystemTime::now();
        let later = self.latest.map(|latest| latest + Duration::from_secs(1));
        let time = later.map_or(now, |later| now.max(later));
        self.latest = Some(time);
        for file in batch.iter().chain(&self.last_batch) {
            set_time(file, time)?;
        }
        self.last_batch = batch;
        Ok(())
    }
}

/// Copies `from` to `to` by way of `outside`.
fn place(from: &Path, outside: &Path, to: &Path) -> Result<()> {
    let before = outside.join(to.file_name().unwrap_or_default());
    fs::copy(from, &before)
        .and_then(|_| fs::rename(&before, to))
        .with_context(|| format!("{} cannot be copied to {}", from.display(), to.display()))
}

fn set_time(file: &Path, time: SystemTime) -> Result<()> {
    File::open(file)
        .and_then(|opened| opened.set_times(FileTimes::new().set_modified(time)))
        .with_context(|| format!("the time of {} cannot be set", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::content_name;

    fn seconds(file: &Path) -> u64 {
        let time = file.metadata().unwrap().modified().unwrap();
        time.duration_since(SystemTime::UNIX_EPOCH)
            .unwrap()
            .as_secs()
    }

    #[test]
    fn an_engine_is_given_each_input_once_and_again_when_it_forgot() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        let mut pool = Pool::new(&place("pool"), &[]).unwrap();
        for content in [&b"a"[..], b"", b"b"] {
            let arrival = (Duration::ZERO, None);
            pool.add(Engine::Afl, &content_name(content), content, arrival)
                .unwrap();
        }
        let mut inbox = Inbox::new(Engine::Honggfuzz, place("import"), place("outside"));
        let mut has = HashSet::from([content_name(b"b")]);
        let late = Instant::now() + Duration::from_secs(60);
        inbox.give(&pool, &mut has, late).unwrap();
        let given = place("import").join(content_name(b"a"));
        assert_eq!((inbox.given, fs::read(&given).unwrap()), (1, b"a".into()));
        inbox.give(&pool, &mut has, late).unwrap();
        assert_eq!(inbox.given, 1);
        inbox.forget();
        inbox.give(&pool, &mut has, late).unwrap();
        assert_eq!(inbox.given, 3);
        assert_eq!(fs::read_dir(place("outside")).unwrap().count(), 0);
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
        stamps.stamp(vec![a.clone()]).unwrap();
        let first = seconds(&a);
        stamps.stamp(vec![b.clone()]).unwrap();
        assert!(seconds(&b) > first);
        assert_eq!(seconds(&a), seconds(&b), "offered once more");
        let second = seconds(&b);
        stamps.stamp(Vec::new()).unwrap();
        assert_eq!(seconds(&a), second, "not a third time");
        assert!(seconds(&b) > second);
    }
}
