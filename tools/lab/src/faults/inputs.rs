//! The shipped corpora and the seeds, as files to replay.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use campaign::corpora::candidates::Candidates;
use campaign::corpus::{Store, content_name};
use campaign::project::Project;

/// Inputs of each target, named by content.
#[derive(Debug, Clone)]
pub(super) struct Inputs {
    /// What they are called.
    pub what: &'static str,
    files: BTreeMap<String, Vec<PathBuf>>,
    /// The same as long as no input is added, changed or taken away.
    pub digest: String,
}

impl Inputs {
    /// The inputs below `folder` of every target, in zips or folders that have its name. They are copied to a folder
    /// below `copies`. Fails when a target has none.
    pub(super) fn read(
        what: &'static str,
        project: &Project,
        folder: &Path,
        copies: &Path,
    ) -> Result<Self> {
        let targets = project.fuzzed()?;
        let mut candidates = Candidates::default();
        candidates.add_from(folder, &targets)?;
        let mut files = BTreeMap::new();
        let mut names = String::new();
        for target in targets {
            let target = &target.name;
            let shown = folder.display();
            let none = || format!("there are no {what} of {target} in {shown}");
            let inputs = candidates.inputs.get(target).with_context(none)?;
            let store = Store::open(&copies.join(what).join(target))?;
            let paths = inputs.values().map(|content| Ok(store.add(content)?.0));
            files.insert(target.clone(), paths.collect::<Result<_>>()?);
            names.extend(inputs.keys().map(|name| format!("{target} {name}\n")));
        }
        Ok(Self {
            what,
            files,
            digest: content_name(names.as_bytes()),
        })
    }

    /// The targets and their inputs.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &[PathBuf])> {
        let files = self.files.iter();
        files.map(|(target, files)| (target.as_str(), files.as_slice()))
    }

    /// The inputs of a target.
    pub(super) fn of(&self, target: &str) -> &[PathBuf] {
        self.files.get(target).map_or(&[], Vec::as_slice)
    }
}
