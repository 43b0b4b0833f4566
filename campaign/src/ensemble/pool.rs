//! What the engines of an ensemble kept: every input once, by content, in the order in which they came.
//!
//! An input is copied here as soon as it is seen. So nothing is lost when an engine replaces its own files,
//! and what the engines are given, what is measured and what is kept at the end is one and the same.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::corpus::{Store, content_name};
use crate::engine::Engine;

/// An input that an engine of the ensemble was the first to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its content's name, see [`content_name`].
    pub name: String,
    /// The file in the pool.
    pub path: PathBuf,
    /// The engine that kept it first.
    pub engine: Engine,
    /// When, since the ensemble's start.
    pub time: Duration,
    /// Whether it is empty: no engine takes such a file from another.
    pub is_empty: bool,
}

/// All entries.
#[derive(Debug)]
pub struct Pool {
    store: Store,
    entries: Vec<Entry>,
    /// The names of all entries and of the inputs to begin from.
    known: HashSet<String>,
}

impl Pool {
    /// An empty pool in `folder`. What the ensemble begins from is known, and never an entry.
    ///
    /// # Errors
    /// When the folder cannot be made or an input cannot be read.
    pub fn new(folder: &Path, beginnings: &[PathBuf]) -> Result<Self> {
        let mut known = HashSet::new();
        for path in beginnings {
            let content =
                fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
            known.insert(content_name(&content));
        }
        Ok(Self {
            store: Store::open(folder)?,
            entries: Vec::new(),
            known,
        })
    }

    /// Adds an input that `engine` kept, unless it is known; `name` is its content's.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add(
        &mut self,
        engine: Engine,
        name: &str,
        content: &[u8],
        time: Duration,
    ) -> Result<()> {
        if !self.known.contains(name) {
            let (path, _) = self.store.add(content)?;
            self.known.insert(name.to_owned());
            self.entries.push(Entry {
                name: name.to_owned(),
                path,
                engine,
                time,
                is_empty: content.is_empty(),
            });
        }
        Ok(())
    }

    /// The entries, in the order in which they were seen.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// How many entries `engine` was the first to keep.
    #[must_use]
    pub fn of(&self, engine: Engine) -> usize {
        let entries = self.entries.iter();
        entries.filter(|entry| entry.engine == engine).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_belongs_to_the_engine_that_kept_it_first() {
        let folder = tempfile::tempdir().unwrap();
        let seed = folder.path().join("seed");
        fs::write(&seed, b"seed").unwrap();
        let mut pool = Pool::new(&folder.path().join("pool"), &[seed]).unwrap();
        let second = Duration::from_secs(1);
        for (engine, content) in [
            (Engine::Afl, &b"seed"[..]),
            (Engine::Afl, b"a"),
            (Engine::Libfuzzer, b"a"),
            (Engine::Honggfuzz, b""),
        ] {
            let name = content_name(content);
            pool.add(engine, &name, content, second).unwrap();
        }
        let entries: Vec<(Engine, bool)> = pool
            .entries()
            .iter()
            .map(|entry| (entry.engine, entry.is_empty))
            .collect();
        assert_eq!(entries, [(Engine::Afl, false), (Engine::Honggfuzz, true)]);
        assert_eq!(fs::read(&pool.entries()[0].path).unwrap(), b"a");
        assert_eq!((pool.of(Engine::Afl), pool.of(Engine::Libfuzzer)), (1, 0));
    }
}
