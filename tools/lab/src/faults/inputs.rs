//! The shipped corpora and the seeds, as files to replay.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use campaign::corpora::{pack, zip_of};
use campaign::corpus::{Store, files_in};
use campaign::project::Project;
use worker::TargetInfo;

use crate::sources::digest;

/// Inputs of each target.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// What they are called.
    pub what: &'static str,
    files: BTreeMap<String, Vec<PathBuf>>,
    /// The same as long as no input is added, changed or taken away.
    pub digest: String,
}

impl Inputs {
    /// The corpora in `folder`: for each target `TARGET_seed_corpus.zip`, which is unpacked below
    /// `unpacked`, or a folder called like it.
    ///
    /// # Errors
    /// When a target has none.
    pub fn corpora(project: &Project, folder: &Path, unpacked: &Path) -> Result<Self> {
        Self::of_each(project, "corpora", |target| {
            let zip = zip_of(folder, target);
            if !zip.is_file() {
                return files_in(&folder.join(&target.name));
            }
            let store = Store::open(&unpacked.join(&target.name))?;
            let inputs = pack::read(&zip)?.into_values();
            inputs.map(|content| Ok(store.add(&content)?.0)).collect()
        })
    }

    /// The seeds that are checked in.
    ///
    /// # Errors
    /// When a target has none.
    pub fn seeds(project: &Project) -> Result<Self> {
        Self::of_each(project, "seeds", |target| {
            files_in(&project.seeds(&target.name))
        })
    }

    fn of_each(
        project: &Project,
        what: &'static str,
        files_of: impl Fn(&TargetInfo) -> Result<Vec<PathBuf>>,
    ) -> Result<Self> {
        let mut files = BTreeMap::new();
        let mut contents = Vec::new();
        for target in project.fuzzed()? {
            let of_target = files_of(target)?;
            let name = &target.name;
            ensure!(!of_target.is_empty(), "there are no {what} of {name}");
            for path in &of_target {
                let content =
                    fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
                contents.push((name.clone(), content));
            }
            files.insert(name.clone(), of_target);
        }
        let contents = contents.iter();
        let digest = digest(contents.map(|(name, content)| (name.clone(), content.as_slice())));
        Ok(Self {
            what,
            files,
            digest,
        })
    }

    /// The targets and their inputs.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[PathBuf])> {
        let files = self.files.iter();
        files.map(|(target, files)| (target.as_str(), files.as_slice()))
    }

    /// The inputs of a target.
    #[must_use]
    pub fn of(&self, target: &str) -> &[PathBuf] {
        self.files.get(target).map_or(&[], Vec::as_slice)
    }
}
