//! Inputs to make a corpus from: in folders, files and zips, whoever wrote them.
//!
//! An input belongs to the target that its path names ([`inputs::target_of`]).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use cli::inputs;
use fs_err as fs;
use worker::TargetInfo;

use super::pack::{self, Inputs};
use crate::project::names;

/// Inputs of each target, by its name, and what was left out.
#[derive(Debug, Default)]
pub struct Candidates {
    /// The inputs.
    pub inputs: BTreeMap<String, Inputs>,
    /// How many were longer than their target takes.
    pub too_long: usize,
}

impl Candidates {
    /// Adds an input of a target, unless it is too long for it.
    pub(crate) fn add(&mut self, target: &TargetInfo, content: Vec<u8>) -> Result<()> {
        if content.len() > target.max_input {
            self.too_long += 1;
            return Ok(());
        }
        let inputs = self.inputs.entry(target.name.clone()).or_default();
        pack::insert(inputs, content)
    }

    /// Adds the files of a folder, not of its sub-folders.
    pub(crate) fn add_files(&mut self, target: &TargetInfo, files: &[PathBuf]) -> Result<()> {
        for path in files {
            self.add(target, fs::read(path)?)?;
        }
        Ok(())
    }

    /// Adds the inputs in a zip.
    pub(crate) fn add_zip(&mut self, target: &TargetInfo, path: &Path) -> Result<()> {
        for content in pack::read(path)?.into_values() {
            self.add(target, content)?;
        }
        Ok(())
    }

    /// Adds everything below `path`, a folder or a zip, that is of one of `targets`. Returns how many inputs
    /// there were. Fails when something cannot be read; when nothing there is of one of the targets.
    pub fn add_from(&mut self, path: &Path, targets: &[&TargetInfo]) -> Result<usize> {
        let known = || self.inputs.values().map(Inputs::len).sum::<usize>();
        let before = known();
        let mut found = 0;
        for file in &inputs::files(path)? {
            let Some(target) = target_of(file, targets)? else {
                continue;
            };
            found += 1;
            for (_, content) in inputs::read(file)? {
                self.add(target, content)?;
            }
        }
        ensure!(
            found > 0,
            "{} has no inputs: nothing there has {} in its path",
            path.display(),
            names(targets.iter().copied()).join(" or ")
        );
        Ok(self.inputs.values().map(Inputs::len).sum::<usize>() - before)
    }
}

/// The target that a path names, if it is one of `targets`.
pub(crate) fn target_of<'a>(
    path: &Path,
    targets: &[&'a TargetInfo],
) -> Result<Option<&'a TargetInfo>> {
    let named = inputs::target_of(path, targets.iter().map(|target| &*target.name))?;
    let is_named = |target: &&&TargetInfo| named.is_some_and(|name| name == target.name);
    Ok(targets.iter().find(is_named).copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_found_by_their_path_and_long_ones_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let put = |path: &str, content: &[u8]| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        };
        put("runs/fuzz_measure_calc/afl/queue/id:0", &[1; 42]);
        put("runs/fuzz_measure_calc/honggfuzz/x", &[1; 42]);
        put("runs/fuzz_measure_calc/honggfuzz/long", &[1; 4242]);
        put("runs/fuzz_measure_scan/y", &[2; 3]);
        put("runs/fuzz_measure_scanner/z", &[3; 3]);
        put("fuzz_measure_scan.before-2026-01-01T00-00-00/w", &[4; 3]);
        put("notes", b"of no target");
        let zip = folder.path().join("fuzz_measure_calc_seed_corpus.zip");
        let mut inputs = Inputs::new();
        pack::insert(&mut inputs, vec![9; 50]).unwrap();
        fs::write(zip, pack::pack(&inputs, &[String::new()]).unwrap()).unwrap();

        let calc = &TargetInfo::new("fuzz_measure_calc", "calculators", 4096);
        let scan = &TargetInfo::new("fuzz_measure_scan", "scanners", 1 << 20);
        let mut candidates = Candidates::default();
        assert_eq!(
            candidates.add_from(folder.path(), &[calc, scan]).unwrap(),
            3
        );
        let contents = |target: &TargetInfo| -> Vec<Vec<u8>> {
            candidates.inputs[&target.name].values().cloned().collect()
        };
        assert_eq!(contents(scan), [vec![2; 3]]);
        assert_eq!(contents(calc).len(), 2);
        assert!(contents(calc).contains(&vec![9; 50]));
        assert_eq!(candidates.too_long, 1);

        let notes = folder.path().join("notes");
        let error = candidates.add_from(&notes, &[calc]).unwrap_err();
        assert!(error.to_string().contains("has no inputs"), "{error}");
    }
}
