//! What an engine of an ensemble leaves in its files: inputs, finds, logs.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Result;

use super::exchange::GIVEN;
use super::member::{Member, old};
use super::pool::Pool;
use crate::corpus::{content_name, files_in};
use crate::engine::{Engine, afl, honggfuzz, libfuzzer};

/// A file that was written less than this ago may not be whole.
const SETTLED: Duration = Duration::from_millis(200);

impl Member {
    /// What its processes have printed.
    pub(super) fn logs(&self) -> impl Iterator<Item = String> {
        let logs = self.processes.iter().map(|process| &process.log);
        logs.map(|log| String::from_utf8_lossy(&fs::read(log).unwrap_or_default()).into_owned())
    }

    /// The inputs that it read to begin with.
    #[must_use]
    pub(super) fn seeds_read(&self) -> u64 {
        let logs = self.logs().chain([String::from_utf8_lossy(
            &fs::read(old(&self.task.log(), 1)).unwrap_or_default(),
        )
        .into_owned()]);
        let mut read = logs.filter_map(|log| match self.engine {
            Engine::Afl => afl::seeds_read(&log),
            Engine::Libfuzzer => libfuzzer::seeds_read(&log, &self.task),
            Engine::Honggfuzz => honggfuzz::seeds_read(&log, &self.task),
        });
        read.next().unwrap_or(0)
    }

    /// Adds what it has kept since the last time to the pool, until some moment; without one it has ended, so
    /// that every file is whole.
    pub(super) fn scan(
        &mut self,
        pool: &mut Pool,
        start: SystemTime,
        until: Option<Instant>,
    ) -> Result<()> {
        for folder in self.folders() {
            for path in files_in(&folder)? {
                if self.scanned.contains(&path) {
                    continue;
                }
                if until.is_some_and(|until| Instant::now() >= until) {
                    return Ok(());
                }
                let is_given = self.engine == Engine::Libfuzzer
                    && path
                        .file_name()
                        .is_some_and(|name| name.to_string_lossy().starts_with(GIVEN));
                // It may vanish at any time: then it was replaced.
                let Ok(written) = path.metadata().and_then(|file| file.modified()) else {
                    continue;
                };
                let is_whole = until.is_none() || written.elapsed().is_ok_and(|age| age >= SETTLED);
                if !is_given {
                    let Some(content) = is_whole.then(|| fs::read(&path).ok()).flatten() else {
                        continue;
                    };
                    let name = content_name(&content);
                    if self.has.insert(name.clone()) {
                        let time = written.duration_since(start).unwrap_or_default();
                        pool.add(self.engine, &name, &content, time)?;
                    }
                }
                self.scanned.insert(path);
            }
        }
        Ok(())
    }

    /// The folders in which it keeps inputs.
    fn folders(&self) -> Vec<PathBuf> {
        match self.engine {
            Engine::Afl => {
                let names = self.processes.iter().map(|process| &process.instance.name);
                names
                    .map(|name| self.output.join(name).join("queue"))
                    .collect()
            }
            Engine::Libfuzzer | Engine::Honggfuzz => vec![self.task.output()],
        }
    }

    /// All files that it keeps, as they are now.
    pub(super) fn files(&self) -> Result<Vec<PathBuf>> {
        let folders = self.folders();
        let files = folders.iter().map(|folder| files_in(folder));
        Ok(files.collect::<Result<Vec<_>>>()?.concat())
    }

    /// All files with finds.
    pub(super) fn find_files(&self) -> Result<Vec<PathBuf>> {
        match self.engine {
            Engine::Afl => {
                let names = self.processes.iter().map(|process| &process.instance.name);
                let finds = names.map(|name| afl::instance_finds(&self.output.join(name)));
                Ok(finds.collect::<Result<Vec<_>>>()?.concat())
            }
            Engine::Libfuzzer => libfuzzer::finds(&self.task),
            Engine::Honggfuzz => honggfuzz::finds(&self.task),
        }
    }

    /// The files with finds that were not there the last time.
    pub(super) fn new_finds(&mut self) -> Result<Vec<PathBuf>> {
        let all = self.find_files()?;
        Ok(all
            .into_iter()
            .filter(|path| self.seen_finds.insert(path.clone()))
            .collect())
    }
}
