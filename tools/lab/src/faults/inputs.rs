//! The shipped corpora and the seeds, as files to replay.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use worker::TargetInfo;

use crate::digest::Digest;

use campaign::corpora::{pack, zip_of};
use campaign::corpus::{Store, files_in};
use campaign::project::Project;

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
            if zip.is_file() {
                let store = Store::open(&unpacked.join(&target.name))?;
                let mut files = pack::read(&zip)?
                    .into_values()
                    .map(|content| Ok(store.add(&content)?.0))
                    .collect::<Result<Vec<_>>>()?;
                files.sort();
                return Ok(files);
            }
            let files = files_in(&folder.join(&target.name))?;
            if files.is_empty() {
                bail!(
                    "there is no corpus of {}: neither {} nor a folder with inputs beside it",
                    target.name,
                    zip.display()
                );
            }
            Ok(files)
        })
    }

    /// The seeds that are checked in.
    ///
    /// # Errors
    /// When a target has none.
    pub fn seeds(project: &Project) -> Result<Self> {
        Self::of_each(project, "seeds", |target| {
            let folder = project.seeds(&target.name);
            let files = files_in(&folder)?;
            if files.is_empty() {
                bail!(
                    "{} has no seeds in {}; make some with `cargo images seeds`",
                    target.name,
                    folder.display()
                );
            }
            Ok(files)
        })
    }

    fn of_each(
        project: &Project,
        what: &'static str,
        mut files_of: impl FnMut(&TargetInfo) -> Result<Vec<PathBuf>>,
    ) -> Result<Self> {
        let mut files = BTreeMap::new();
        let mut digest = Digest::default();
        for target in project.fuzzed()? {
            let of_target = files_of(target)?;
            for path in &of_target {
                let content =
                    fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
                digest.add(target.name.as_bytes(), &content);
            }
            files.insert(target.name.clone(), of_target);
        }
        Ok(Self {
            what,
            files,
            digest: digest.name(),
        })
    }

    /// The targets and their inputs.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[PathBuf])> {
        self.files
            .iter()
            .map(|(target, files)| (target.as_str(), files.as_slice()))
    }

    /// The inputs of a target.
    #[must_use]
    pub fn of(&self, target: &str) -> &[PathBuf] {
        self.files.get(target).map_or(&[], Vec::as_slice)
    }

    /// How many inputs there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.files.values().map(Vec::len).sum()
    }
}
