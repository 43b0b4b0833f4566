//! What the engines of a session kept, and how each reads what the others did.
//!
//! An input is copied into the [`Pool`] as soon as it is seen. So nothing is lost when an engine replaces its own
//! files, and what engines exchange, what is measured and what is kept at the end is one and the same.
//!
//! - AFL++'s main instance reads the pool itself, twice a minute (`-F`). It knows new files by their time of
//!   change, in whole seconds, and takes none that is not later than the latest it has seen. So every input has a
//!   time at least a second later than the one before it, and than its own while it was written.
//! - libFuzzer reads its own corpus folder every second when the folder's time of change is later than before,
//!   and takes files whose time is not before the last reading.
//! - honggfuzz reads the folder named with `--dynamic_input` every second or two, and deletes what it has read:
//!   it is given copies, in a folder that holds nothing else.
//!
//! A copy for libFuzzer or honggfuzz is written elsewhere and then moved, so that neither sees half of one.

use std::collections::HashSet;
use std::fs::{File, FileTimes};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};
use fs_err as fs;

use crate::corpus::{Store, content_name};
use crate::engine::Engine;

/// The beginning of the name of a file that libFuzzer was given, in its corpus folder.
pub(super) const GIVEN: &str = "from-";

/// An input that an engine of the session was the first to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its content's name, see [`content_name`].
    pub name: String,
    /// The file in the pool.
    pub path: PathBuf,
    /// The engine that kept it first.
    pub engine: Engine,
    /// When, since the session's start.
    pub time: Duration,
    /// Executions until then, when the engine reports them.
    pub executions: Option<u64>,
}

/// Every input that an engine kept, once, by content.
#[derive(Debug)]
pub struct Pool {
    store: Store,
    kept: Vec<Kept>,
    /// The names of all of them and of the inputs to begin from.
    known: HashSet<String>,
    /// The time of change that the last one was given.
    latest: SystemTime,
}

impl Pool {
    /// An empty pool in `folder`. The `inputs` that the session begins from are copied to `begin`; they are known,
    /// and never kept.
    pub(super) fn new(folder: &Path, begin: &Path, inputs: &[PathBuf]) -> Result<Self> {
        let (begin, mut known) = (Store::open(begin)?, HashSet::new());
        for path in inputs {
            let content = fs::read(path)?;
            begin.add(&content)?;
            known.insert(content_name(&content));
        }
        Ok(Self {
            store: Store::open(folder)?,
            kept: Vec::new(),
            known,
            latest: SystemTime::UNIX_EPOCH,
        })
    }

    /// Adds an input that `engine` kept, unless it is known.
    pub(super) fn add(
        &mut self,
        engine: Engine,
        content: &[u8],
        (time, executions): (Duration, Option<u64>),
    ) -> Result<()> {
        let name = content_name(content);
        if self.known.insert(name.clone()) {
            let (path, _) = self.store.add(content)?;
            self.latest = SystemTime::now().max(self.latest) + Duration::from_secs(1);
            set_time(&path, self.latest)?;
            self.kept.push(Kept {
                name,
                path,
                engine,
                time,
                executions,
            });
        }
        Ok(())
    }

    /// All of them, in the order in which they were seen.
    pub fn kept(&self) -> &[Kept] {
        &self.kept
    }

    /// How many `engine` was the first to keep.
    pub(crate) fn of(&self, engine: Engine) -> usize {
        let kept = self.kept.iter();
        kept.filter(|kept| kept.engine == engine).count()
    }

    /// All of them, in the order in which they came.
    pub(super) fn into_kept(mut self) -> Vec<Kept> {
        self.kept
            .sort_by(|a, b| (a.time, &a.path).cmp(&(b.time, &b.path)));
        self.kept
    }
}

/// The copies through which libFuzzer and honggfuzz read the inputs of others.
#[derive(Debug)]
pub(super) struct Inbox {
    pub(super) engine: Engine,
    /// The folder that the engine reads.
    pub(super) folder: PathBuf,
    /// A folder of the same file system that it does not.
    pub(super) outside: PathBuf,
    /// How many of the pool's inputs it was offered.
    pub(super) offered: usize,
    /// How many it is to be given even if it found them itself, because it was started again without them.
    pub(super) forgot: usize,
    /// How many it was given.
    pub(super) given: usize,
}

impl Inbox {
    /// The engine was started again and knows only what it began from.
    pub(super) fn forget(&mut self) {
        self.forgot = self.offered.max(self.forgot);
        self.offered = 0;
    }

    /// Gives the engine what is in the pool since the last time, until some moment; the rest the next time.
    pub(super) fn give(&mut self, pool: &Pool, until: Instant) -> Result<()> {
        // Later than whatever libFuzzer has seen of the folder within this second.
        let time = SystemTime::now() + Duration::from_secs(1);
        let (empty, before) = (content_name(b""), self.given);
        while self.offered < pool.kept.len() && Instant::now() < until {
            let kept = &pool.kept[self.offered];
            self.offered += 1;
            let is_its_own = kept.engine == self.engine && self.offered > self.forgot;
            // No engine takes an empty file from another.
            if is_its_own || kept.name == empty {
                continue;
            }
            let to = self.folder.join(format!("{GIVEN}{}", kept.name));
            let outside = self.outside.join(&kept.name);
            fs::copy(&kept.path, &outside)?;
            fs::rename(&outside, &to)?;
            self.given += 1;
            if self.engine == Engine::Libfuzzer {
                set_time(&to, time)?;
            }
        }
        if self.engine == Engine::Libfuzzer && self.given > before {
            set_time(&self.folder, time)?;
        }
        Ok(())
    }
}

fn set_time(file: &Path, time: SystemTime) -> Result<()> {
    File::open(file)
        .and_then(|opened| opened.set_times(FileTimes::new().set_modified(time)))
        .with_context(|| format!("the time of {} cannot be set", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::files_in;

    fn pool(folder: &Path, contents: &[(Engine, &[u8], u64)]) -> Pool {
        let seed = folder.join("seed");
        fs::write(&seed, b"seed").unwrap();
        let mut pool = Pool::new(&folder.join("pool"), &folder.join("inputs"), &[seed]).unwrap();
        for &(engine, content, seconds) in contents {
            let arrival = (Duration::from_secs(seconds), None);
            pool.add(engine, content, arrival).unwrap();
        }
        pool
    }

    #[test]
    fn an_input_belongs_to_the_engine_that_kept_it_first() {
        let folder = tempfile::tempdir().unwrap();
        let pool = pool(
            folder.path(),
            &[
                (Engine::Afl, b"seed", 1),
                (Engine::Afl, b"a", 9),
                (Engine::Libfuzzer, b"a", 9),
                (Engine::Honggfuzz, b"b", 4),
            ],
        );
        assert_eq!(fs::read(&pool.kept()[0].path).unwrap(), b"a");
        assert_eq!(files_in(&folder.path().join("inputs")).unwrap().len(), 1);
        assert_eq!((pool.of(Engine::Afl), pool.of(Engine::Libfuzzer)), (1, 0));
        let times = [0, 1].map(|nth| pool.kept[nth].path.metadata().unwrap().modified().unwrap());
        assert!(times[1] >= times[0] + Duration::from_secs(1), "{times:?}");
        let kept: Vec<Engine> = pool.into_kept().iter().map(|kept| kept.engine).collect();
        assert_eq!(kept, [Engine::Honggfuzz, Engine::Afl]);
    }

    #[test]
    fn an_engine_is_given_what_others_found_once_and_everything_when_it_forgot() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        let pool = pool(
            folder.path(),
            &[
                (Engine::Afl, b"a", 0),
                (Engine::Afl, b"", 0),
                (Engine::Libfuzzer, b"b", 0),
            ],
        );
        let mut inbox = Inbox {
            engine: Engine::Libfuzzer,
            folder: place("output"),
            outside: place("outside"),
            offered: 0,
            forgot: 0,
            given: 0,
        };
        for folder in [&inbox.folder, &inbox.outside] {
            fs::create_dir(folder).unwrap();
        }
        let late = Instant::now() + Duration::from_secs(60);
        inbox.give(&pool, late).unwrap();
        let given = place("output").join(format!("{GIVEN}{}", content_name(b"a")));
        assert_eq!((inbox.given, fs::read(&given).unwrap()), (1, b"a".into()));
        let now = SystemTime::now();
        assert!(place("output").metadata().unwrap().modified().unwrap() > now);
        inbox.give(&pool, late).unwrap();
        assert_eq!(inbox.given, 1);
        inbox.forget();
        inbox.give(&pool, late).unwrap();
        assert_eq!(inbox.given, 3);
        assert_eq!(fs::read_dir(place("outside")).unwrap().count(), 0);
    }
}
