//! The folder of a comparison: what is where, written so that a kill at any moment leaves it whole.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use fs_err as fs;
use report::Start;

use super::contestant::Contestant;
use super::order::TrialId;
use crate::corpus::content_name;
use crate::engine::{Build, Engine};

/// What is kept for all trials.
const KEPT: [&str; 5] = ["builds", "seeds", "nothing", "shipped", "dictionaries"];
/// What may be there before there is a plan, beside what is kept: the rest of a start that was killed.
const LOCKS: [&str; 2] = ["lock", "lock.watch"];

/// The folder of a comparison.
#[derive(Debug, Clone)]
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    /// Makes the folder when it is missing. Fails when it cannot be made, or has files that are no comparison's.
    pub fn open(path: &Path) -> Result<Self> {
        fs::create_dir_all(path)?;
        let folder = Self {
            root: fs::canonicalize(path)?,
        };
        if !folder.plan().exists() {
            for entry in fs::read_dir(path)? {
                let name = entry?.file_name();
                ensure!(
                    KEPT.iter().chain(&LOCKS).any(|known| name == **known),
                    "{} has files ({}) and no plan.json, so it is no comparison to resume; \
                     name another folder with --out",
                    path.display(),
                    name.to_string_lossy()
                );
            }
        }
        Ok(folder)
    }

    /// Its path, without symbolic links.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The file that a comparison under way locks.
    pub fn lock(&self) -> PathBuf {
        self.root.join(LOCKS[0])
    }

    /// The plan's file.
    pub fn plan(&self) -> PathBuf {
        self.root.join("plan.json")
    }

    /// The folder of a trial.
    pub fn trial(&self, trial: &TrialId) -> PathBuf {
        let start = trial.start.suffix().replace(' ', "-");
        self.root
            .join("trials")
            .join(trial.target.clone() + &start)
            .join(trial.engine.name())
            .join(format!("{:03}", trial.number))
    }

    /// The folder of the builds.
    pub fn builds(&self) -> PathBuf {
        self.root.join("builds")
    }

    /// The worker that replays.
    pub fn worker(&self) -> PathBuf {
        self.builds().join("replay_worker")
    }

    /// The worker that was built for coverage.
    pub(crate) fn neutral(&self) -> PathBuf {
        self.builds().join("coverage_worker")
    }

    /// The build of a contestant for one of its engines.
    pub(crate) fn build(&self, contestant: Contestant, engine: Engine, target: &str) -> Build {
        let folder = self.builds().join(contestant.build(engine));
        Build {
            binary: folder.join(target),
            launcher: Some(folder.join("launcher")).filter(|launcher| launcher.exists()),
        }
    }

    /// The folder of the inputs from which trials on a target start.
    pub(crate) fn inputs(&self, target: &str, start: Start) -> PathBuf {
        match start {
            Start::Seeds => self.root.join(start.name()).join(target),
            Start::Nothing => self.root.join(start.name()),
        }
    }

    /// The shipped corpus of a target, where the project has one: it shows what can be reached.
    pub(crate) fn shipped(&self, target: &str) -> PathBuf {
        self.root.join("shipped").join(target)
    }

    /// The dictionary of a target, when it has one.
    pub(crate) fn dictionary(&self, target: &str) -> Option<PathBuf> {
        Some(self.dictionary_of(target)).filter(|path| path.exists())
    }

    /// Where the dictionary of a target is kept.
    pub(crate) fn dictionary_of(&self, target: &str) -> PathBuf {
        self.root.join("dictionaries").join(target)
    }

    /// Removes what a start that was killed has kept, so that none of it is mixed with what is kept now.
    pub(crate) fn forget_kept(&self) -> Result<()> {
        ensure!(!self.plan().exists(), "the comparison has started");
        for kept in KEPT {
            let path = self.root.join(kept);
            if path.exists() {
                fs::remove_dir_all(&path)?;
            }
        }
        Ok(())
    }

    /// What is kept for all trials: each file's path from here, and its SHA-256. Fails when one cannot be read.
    pub fn kept(&self) -> Result<BTreeMap<String, String>> {
        let mut kept = BTreeMap::new();
        let mut folders = KEPT.map(|name| self.root.join(name)).to_vec();
        folders.retain(|folder| folder.exists());
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder)? {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let content = fs::read(&path)?;
                let name = path.strip_prefix(&self.root).unwrap_or(&path);
                kept.insert(name.display().to_string(), content_name(&content));
            }
        }
        Ok(kept)
    }

    /// Makes the folder of a trial that is to run. What a trial that did not end has left there is moved to
    /// `unfinished/`: it counts for nothing, but there may be finds in it. Returns where it was moved. Fails when it
    /// cannot be moved or made.
    pub fn begin(&self, trial: &TrialId) -> Result<Option<PathBuf>> {
        let folder = self.trial(trial);
        let mut moved = None;
        if folder.exists() {
            let unfinished = self.root.join("unfinished");
            fs::create_dir_all(&unfinished)?;
            let of = folder.strip_prefix(self.root.join("trials"));
            let name = of
                .unwrap_or(&folder)
                .display()
                .to_string()
                .replace('/', "-");
            let mut places = (1..).map(|number| unfinished.join(format!("{name}.{number}")));
            let place = places.find(|place| !place.exists()).unwrap_or_default();
            fs::rename(&folder, &place)?;
            moved = Some(place);
        }
        fs::create_dir_all(&folder)?;
        Ok(moved)
    }
}

pub(crate) fn keep(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to.parent().unwrap_or(to))?;
    fs::copy(from, to)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_trial_left_is_moved_aside_and_never_mixed() {
        let out = tempfile::tempdir().unwrap();
        let folder = Folder::open(out.path()).unwrap();
        let mut trial = TrialId {
            target: "fuzz_it".into(),
            start: Start::Nothing,
            engine: Contestant::Alone(Engine::Afl),
            number: 7,
        };
        let from_nothing = folder.trial(&trial);
        assert!(from_nothing.ends_with("trials/fuzz_it-from-nothing/afl/007"));
        trial.start = Start::Seeds;
        assert_eq!(folder.begin(&trial).unwrap(), None);
        assert!(folder.trial(&trial).ends_with("trials/fuzz_it/afl/007"));
        for nth in 1..3 {
            fs::write(folder.trial(&trial).join("input"), nth.to_string()).unwrap();
            let moved = folder.begin(&trial).unwrap().unwrap();
            let left = fs::read_to_string(moved.join("input")).unwrap();
            assert_eq!(left, nth.to_string());
            assert_eq!(fs::read_dir(folder.trial(&trial)).unwrap().count(), 0);
        }
    }

    #[test]
    fn a_folder_with_other_files_is_refused_and_a_killed_start_is_not() {
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
        assert!(error.is_err(), "a comparison that has started is kept");
    }
}
