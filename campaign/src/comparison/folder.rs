//! The folder of a comparison: what is where, written so that a kill at any moment leaves it whole.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::order::TrialId;
use crate::corpus::{content_name, files_in};
use crate::engine::{Build, Engine};

/// How long a watcher may take to end what its dead tool left, in seconds.
const WATCHER_PATIENCE: Duration = Duration::from_secs(30);

/// What may be there before there is a plan: the rest of a beginning that was killed.
const BEGINNINGS: [&str; 5] = ["lock", "watch.lock", "builds", "seeds", "dictionaries"];

/// The folder of a comparison.
#[derive(Debug, Clone)]
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    /// Makes the folder when it is missing.
    ///
    /// # Errors
    /// When it cannot be made, or has files that are no comparison's.
    pub fn open(path: &Path) -> Result<Self> {
        fs::create_dir_all(path).with_context(|| format!("{} cannot be made", path.display()))?;
        let root = path
            .canonicalize()
            .with_context(|| format!("{} cannot be opened", path.display()))?;
        let folder = Self { root };
        if !folder.plan().exists() {
            let entries =
                fs::read_dir(path).with_context(|| format!("{} cannot be read", path.display()))?;
            for entry in entries {
                let name = entry?.file_name();
                ensure!(
                    BEGINNINGS.iter().any(|known| name == **known),
                    "{} has files ({}) and no plan.json, so it is no comparison that can go on; \
                     name another folder with --out",
                    path.display(),
                    name.to_string_lossy()
                );
            }
        }
        Ok(folder)
    }

    /// Its path, without symbolic links.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The plan's file.
    #[must_use]
    pub fn plan(&self) -> PathBuf {
        self.root.join("plan.json")
    }

    /// The folder of all trials.
    #[must_use]
    pub fn trials(&self) -> PathBuf {
        self.root.join("trials")
    }

    /// The folder of a trial.
    #[must_use]
    pub fn trial(&self, trial: &TrialId) -> PathBuf {
        self.trials()
            .join(&trial.target)
            .join(trial.engine.name())
            .join(format!("{:03}", trial.number))
    }

    /// The folder of the builds.
    #[must_use]
    pub fn builds(&self) -> PathBuf {
        self.root.join("builds")
    }

    /// The worker that replays.
    #[must_use]
    pub fn worker(&self) -> PathBuf {
        self.builds().join("replay_worker")
    }

    /// The worker that was built for coverage.
    #[must_use]
    pub fn neutral(&self) -> PathBuf {
        self.builds().join("coverage_worker")
    }

    /// Keeps a copy of the worker that replays.
    ///
    /// # Errors
    /// When it cannot be copied.
    pub fn keep_worker(&self, worker: &Path) -> Result<()> {
        keep(worker, &self.worker())
    }

    /// Keeps a copy of the worker that was built for coverage.
    ///
    /// # Errors
    /// When it cannot be copied.
    pub fn keep_neutral(&self, worker: &Path) -> Result<()> {
        keep(worker, &self.neutral())
    }

    /// An engine's build of a target.
    #[must_use]
    pub fn build(&self, engine: Engine, target: &str) -> Build {
        let folder = self.builds().join(engine.name());
        Build {
            binary: folder.join(target),
            launcher: Some(folder.join("launcher")).filter(|launcher| launcher.exists()),
        }
    }

    /// Keeps a copy of an engine's build of a target.
    ///
    /// # Errors
    /// When it cannot be copied.
    pub fn keep_build(&self, engine: Engine, target: &str, build: &Build) -> Result<()> {
        let folder = self.builds().join(engine.name());
        keep(&build.binary, &folder.join(target))?;
        match &build.launcher {
            Some(launcher) => keep(launcher, &folder.join("launcher")),
            None => Ok(()),
        }
    }

    /// The seeds of a target.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn seeds(&self, target: &str) -> Result<Vec<PathBuf>> {
        files_in(&self.root.join("seeds").join(target))
    }

    /// Keeps a copy of a target's seeds.
    ///
    /// # Errors
    /// When one cannot be copied.
    pub fn keep_seeds(&self, target: &str, seeds: &[PathBuf]) -> Result<()> {
        let folder = self.root.join("seeds").join(target);
        for seed in seeds {
            keep(seed, &folder.join(seed.file_name().unwrap_or_default()))?;
        }
        Ok(())
    }

    /// The dictionary of a target, when it has one.
    #[must_use]
    pub fn dictionary(&self, target: &str) -> Option<PathBuf> {
        Some(self.root.join("dictionaries").join(target)).filter(|path| path.exists())
    }

    /// Keeps a copy of a target's dictionary.
    ///
    /// # Errors
    /// When it cannot be copied.
    pub fn keep_dictionary(&self, target: &str, dictionary: &Path) -> Result<()> {
        keep(dictionary, &self.root.join("dictionaries").join(target))
    }

    /// Removes what a beginning that was killed has kept, so that none of it is mixed with what is kept now.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn forget_kept(&self) -> Result<()> {
        ensure!(!self.plan().exists(), "the comparison has begun");
        for kept in ["builds", "seeds", "dictionaries"] {
            let path = self.root.join(kept);
            if path.exists() {
                fs::remove_dir_all(&path)
                    .with_context(|| format!("{} cannot be removed", path.display()))?;
            }
        }
        Ok(())
    }

    /// What is kept for all trials: each file's path from here, and its SHA-256.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn kept(&self) -> Result<BTreeMap<String, String>> {
        let mut kept = BTreeMap::new();
        let mut folders = ["builds", "seeds", "dictionaries"]
            .map(|name| self.root.join(name))
            .to_vec();
        while let Some(folder) = folders.pop() {
            if !folder.exists() {
                continue;
            }
            let entries = fs::read_dir(&folder)
                .with_context(|| format!("{} cannot be read", folder.display()))?;
            for entry in entries {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let content = fs::read(&path)
                    .with_context(|| format!("{} cannot be read", path.display()))?;
                let name = path.strip_prefix(&self.root).unwrap_or(&path);
                kept.insert(name.display().to_string(), content_name(&content));
            }
        }
        Ok(kept)
    }

    /// Takes the folder for this process, until the lock is dropped, and waits until the watcher of a former
    /// one has done.
    ///
    /// # Errors
    /// When another process has it.
    pub fn lock(&self) -> Result<File> {
        let lock = self.lock_file("lock")?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!(
                "another comparison is under way in {}; wait for it, or stop it",
                self.root.display()
            ),
            Err(TryLockError::Error(error)) => {
                return Err(error).context(format!("{} cannot be locked", self.root.display()));
            }
        }
        let watcher = self.lock_file(super::watcher::LOCK)?;
        let since = Instant::now();
        while watcher.try_lock().is_err() {
            ensure!(
                since.elapsed() < WATCHER_PATIENCE,
                "the watcher of a former comparison in {} does not end",
                self.root.display()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(lock)
    }

    /// Opens a file to lock.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn lock_file(&self, name: &str) -> Result<File> {
        let path = self.root.join(name);
        File::options()
            .create(true)
            .append(true)
            .open(&path)
            .with_context(|| format!("{} cannot be written", path.display()))
    }

    /// Makes the folder of a trial that is to run. What a trial that did not end has left there is moved to
    /// `unfinished/`: it counts for nothing, but there may be finds in it. Returns where it was moved.
    ///
    /// # Errors
    /// When it cannot be moved or made.
    pub fn begin(&self, trial: &TrialId) -> Result<Option<PathBuf>> {
        let folder = self.trial(trial);
        let mut moved = None;
        if folder.exists() {
            let unfinished = self.root.join("unfinished");
            fs::create_dir_all(&unfinished)
                .with_context(|| format!("{} cannot be made", unfinished.display()))?;
            let name = format!("{}-{}-{:03}", trial.target, trial.engine, trial.number);
            let place = (1..)
                .map(|number| unfinished.join(format!("{name}.{number}")))
                .find(|place| !place.exists())
                .unwrap_or_default();
            fs::rename(&folder, &place).with_context(|| {
                format!(
                    "{} cannot be moved to {}",
                    folder.display(),
                    place.display()
                )
            })?;
            moved = Some(place);
        }
        fs::create_dir_all(&folder)
            .with_context(|| format!("{} cannot be made", folder.display()))?;
        Ok(moved)
    }

    /// How many bytes are free on its disk, for us.
    #[must_use]
    pub fn free(&self) -> Option<u64> {
        let disk = rustix::fs::statvfs(&self.root).ok()?;
        Some(disk.f_bavail.saturating_mul(disk.f_frsize))
    }
}

fn keep(from: &Path, to: &Path) -> Result<()> {
    let folder = to.parent().unwrap_or(to);
    fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    fs::copy(from, to)
        .with_context(|| format!("{} cannot be copied to {}", from.display(), to.display()))?;
    Ok(())
}

/// Writes a file beside its place and moves it there: it is there whole, or as it was.
///
/// # Errors
/// When it cannot be written.
pub fn write_whole(path: &Path, content: &[u8]) -> Result<()> {
    let folder = path.parent().unwrap_or(path);
    let why = || format!("{} cannot be written", path.display());
    let mut file = tempfile::Builder::new()
        .prefix(".writing-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(folder)
        .with_context(why)?;
    file.write_all(content).with_context(why)?;
    // Without this, a machine that loses power may have the name and not the content.
    file.as_file().sync_data().with_context(why)?;
    file.persist(path).with_context(why)?;
    Ok(())
}

/// Writes a value as JSON, as [`write_whole`].
///
/// # Errors
/// When it cannot be written.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value)
        .with_context(|| format!("{} cannot be written", path.display()))?;
    text.push('\n');
    write_whole(path, text.as_bytes())
}

/// Reads a value from JSON; none when there is no such file.
///
/// # Errors
/// When it cannot be read or understood.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(error).with_context(|| format!("{} cannot be read", path.display()));
        }
    };
    serde_json::from_slice(&text)
        .map(Some)
        .with_context(|| format!("{} cannot be understood", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial() -> TrialId {
        TrialId {
            target: "fuzz_it".into(),
            engine: Engine::Afl,
            number: 7,
        }
    }

    #[test]
    fn what_a_trial_left_is_moved_aside_and_never_mixed() {
        let out = tempfile::tempdir().unwrap();
        let folder = Folder::open(out.path()).unwrap();
        assert_eq!(folder.begin(&trial()).unwrap(), None);
        assert!(folder.trial(&trial()).ends_with("trials/fuzz_it/afl/007"));
        for nth in 1..3 {
            fs::write(folder.trial(&trial()).join("input"), nth.to_string()).unwrap();
            let moved = folder.begin(&trial()).unwrap().unwrap();
            assert_eq!(
                fs::read_to_string(moved.join("input")).unwrap(),
                nth.to_string()
            );
            assert_eq!(fs::read_dir(folder.trial(&trial())).unwrap().count(), 0);
        }
    }

    #[test]
    fn a_folder_with_other_files_is_refused_and_a_killed_beginning_is_not() {
        let out = tempfile::tempdir().unwrap();
        fs::create_dir(out.path().join("seeds")).unwrap();
        fs::write(out.path().join("lock"), "").unwrap();
        Folder::open(out.path()).unwrap().forget_kept().unwrap();
        assert!(!out.path().join("seeds").exists());
        fs::write(out.path().join("report.json"), "{}").unwrap();
        let error = Folder::open(out.path()).unwrap_err().to_string();
        assert!(
            error.contains("report.json") && error.contains("--out"),
            "{error}"
        );
        fs::write(out.path().join("plan.json"), "{}").unwrap();
        let error = Folder::open(out.path()).unwrap().forget_kept();
        assert!(error.is_err(), "a comparison that has begun is kept");
    }

    #[test]
    fn two_do_not_run_in_one_folder() {
        let out = tempfile::tempdir().unwrap();
        let folder = Folder::open(out.path()).unwrap();
        let lock = folder.lock().unwrap();
        let error = folder.lock().unwrap_err().to_string();
        assert!(error.contains("under way"), "{error}");
        drop(lock);
        folder.lock().unwrap();
    }

    #[test]
    fn kept_files_have_their_digests() {
        let out = tempfile::tempdir().unwrap();
        let folder = Folder::open(out.path()).unwrap();
        let seed = out.path().join("lock");
        fs::write(&seed, "abc").unwrap();
        folder.keep_seeds("fuzz_it", &[seed]).unwrap();
        assert_eq!(
            folder.kept().unwrap(),
            BTreeMap::from([("seeds/fuzz_it/lock".to_owned(), content_name(b"abc"))])
        );
        assert_eq!(folder.seeds("fuzz_it").unwrap().len(), 1);
        assert_eq!(folder.dictionary("fuzz_it"), None);
    }

    #[test]
    fn a_file_is_whole_or_as_it_was() {
        let out = tempfile::tempdir().unwrap();
        let path = out.path().join("x.json");
        assert_eq!(read_json::<Vec<u8>>(&path).unwrap(), None);
        write_json(&path, &vec![1_u8, 2]).unwrap();
        assert_eq!(read_json(&path).unwrap(), Some(vec![1_u8, 2]));
        assert_eq!(fs::read_dir(out.path()).unwrap().count(), 1);
        fs::write(&path, "[1,").unwrap();
        assert!(read_json::<Vec<u8>>(&path).is_err());
    }
}
