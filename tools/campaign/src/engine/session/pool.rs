//! What the engines of a session kept: every input once, by content, in the order in which they came.
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
    /// Whether it is empty: no engine takes such a file from another.
    pub is_empty: bool,
}

/// All of them.
#[derive(Debug)]
pub struct Pool {
    store: Store,
    kept: Vec<Kept>,
    /// The names of all of them and of the inputs to begin from.
    known: HashSet<String>,
}

impl Pool {
    /// An empty pool in `folder`. What the session begins from is known, and never kept.
    ///
    /// # Errors
    /// When the folder cannot be made or an input cannot be read.
    pub(super) fn new(folder: &Path, inputs: &[PathBuf]) -> Result<Self> {
        let mut known = HashSet::new();
        for path in inputs {
            let content =
                fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
            known.insert(content_name(&content));
        }
        Ok(Self {
            store: Store::open(folder)?,
            kept: Vec::new(),
            known,
        })
    }

    /// Adds an input that `engine` kept, unless it is known; `name` is its content's.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn add(
        &mut self,
        engine: Engine,
        name: &str,
        content: &[u8],
        (time, executions): (Duration, Option<u64>),
    ) -> Result<()> {
        if !self.known.contains(name) {
            let (path, _) = self.store.add(content)?;
            self.known.insert(name.to_owned());
            self.kept.push(Kept {
                name: name.to_owned(),
                path,
                engine,
                time,
                executions,
                is_empty: content.is_empty(),
            });
        }
        Ok(())
    }

    /// All of them, in the order in which they were seen.
    #[must_use]
    pub fn kept(&self) -> &[Kept] {
        &self.kept
    }

    /// How many `engine` was the first to keep.
    #[must_use]
    pub fn of(&self, engine: Engine) -> usize {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_belongs_to_the_engine_that_kept_it_first() {
        let folder = tempfile::tempdir().unwrap();
        let seed = folder.path().join("seed");
        fs::write(&seed, b"seed").unwrap();
        let mut pool = Pool::new(&folder.path().join("pool"), &[seed]).unwrap();
        for (engine, content, seconds) in [
            (Engine::Afl, &b"seed"[..], 1),
            (Engine::Afl, b"a", 9),
            (Engine::Libfuzzer, b"a", 9),
            (Engine::Honggfuzz, b"", 4),
        ] {
            let name = content_name(content);
            let arrival = (Duration::from_secs(seconds), None);
            pool.add(engine, &name, content, arrival).unwrap();
        }
        assert_eq!(fs::read(&pool.kept()[0].path).unwrap(), b"a");
        assert_eq!((pool.of(Engine::Afl), pool.of(Engine::Libfuzzer)), (1, 0));
        let kept: Vec<(Engine, bool)> = pool
            .into_kept()
            .iter()
            .map(|kept| (kept.engine, kept.is_empty))
            .collect();
        assert_eq!(kept, [(Engine::Honggfuzz, true), (Engine::Afl, false)]);
    }
}
