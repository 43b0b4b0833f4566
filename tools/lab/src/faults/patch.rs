//! The faults in `tools/lab/faults/`: patches with a header.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use campaign::corpus::{content_name, files_in};
use fs_err as fs;

/// A mistake to plant.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The file's name, without its ending.
    pub name: String,
    /// What is wrong, in a sentence.
    pub sentence: String,
    /// The mistake or behaviour that it is modelled on.
    pub modelled_on: String,
    /// The ids of the checks that should fire, most likely first: a guess.
    pub expected: Vec<String>,
    /// The patch.
    pub path: PathBuf,
    /// The patch's content by name.
    pub digest: String,
    /// The names of the targets that should notice, in the order in which an engine tries them: those of the checks
    /// that should fire. What is scanned is scanned by two.
    pub targets: Vec<String>,
}

/// Every fault in `folder`, by name. Fails when there is none, or one is not as it should be.
pub fn all(folder: &Path) -> Result<Vec<Fault>> {
    let files = files_in(folder)?.into_iter();
    let patches = files.filter(|path| path.extension().is_some_and(|ending| ending == "patch"));
    let faults: Vec<Fault> = patches
        .map(|path| Fault::read(&path))
        .collect::<Result<_>>()?;
    ensure!(
        !faults.is_empty(),
        "there are no patches in {}",
        folder.display()
    );
    Ok(faults)
}

/// The names of the faults in a subset: those in `NAME.txt`, a line each; what follows `#` is a comment. Fails when there
/// is no such file in `folder`.
pub fn subset(folder: &Path, name: &str) -> Result<Vec<String>> {
    let text = fs::read_to_string(folder.join(format!("{name}.txt")))
        .with_context(|| format!("no subset of the faults is called {name:?}"))?;
    let names = text.lines().filter_map(|line| line.split('#').next());
    let names = names.map(|name| name.trim().to_owned());
    Ok(names.filter(|name| !name.is_empty()).collect())
}

impl Fault {
    /// Reads a patch. Fails when it cannot be read, lacks a line of its header, or changes something else than files
    /// below `crates/*/src/`.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        Self::parse(path, &fs::read_to_string(path)?)
            .with_context(|| format!("{} is no fault", path.display()))
    }

    /// Leaves only the first of its targets that is among `names`. Fails when there is none.
    pub(crate) fn on_first_of(mut self, names: &[String]) -> Result<Self> {
        let all = self.targets.join(" or ");
        self.targets
            .retain(|target| names.iter().any(|name| name == target));
        self.targets.truncate(1);
        ensure!(
            !self.targets.is_empty(),
            "the fault {} is hunted on {all}, and the comparison has none of these targets",
            self.name
        );
        Ok(self)
    }

    fn parse(path: &Path, text: &str) -> Result<Self> {
        let (header, diff) = text
            .split_once("\n--- ")
            .context("it has no header above a diff")?;
        let field = |key: &str| {
            header
                .lines()
                .find_map(|line| line.strip_prefix(key)?.strip_prefix(": "))
                .filter(|value| !value.trim().is_empty())
                .map(str::to_owned)
                .with_context(|| format!("its header has no line `{key}: …`"))
        };
        for changed in diff.lines().filter_map(|line| line.strip_prefix("+++ b/")) {
            let folders: Vec<&str> = changed.split('/').collect();
            let is_code = matches!(folders[..], ["crates", _, "src", ..]);
            ensure!(
                is_code,
                "it changes {changed}, and may change crates/*/src/ only"
            );
        }
        let expected = field("Expected-check")?;
        let mut families = BTreeSet::new();
        for id in expected.split(", ") {
            match id.split('.').next().unwrap_or_default() {
                "scan" | "image" => families.extend(["image", "scan"]),
                family => families.extend([family]),
            }
        }
        let targets = families
            .iter()
            .map(|family| format!("fuzz_measure_{family}"));
        let targets = targets.collect();
        let name = path.file_stem().unwrap_or_default();
        Ok(Self {
            name: name.to_string_lossy().into_owned(),
            sentence: field("Fault")?,
            modelled_on: field("Modelled-on")?,
            expected: expected.split(", ").map(str::to_owned).collect(),
            path: path.to_owned(),
            digest: content_name(text.as_bytes()),
            targets,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "Fault: a\nModelled-on: b\nExpected-check: calc.x, calc.y\n";

    fn parse(text: &str) -> Result<Fault> {
        Fault::parse(Path::new("faults/some-thing.patch"), text)
    }

    #[test]
    fn a_patch_has_a_name_a_header_and_targets() {
        let diff = "--- a/crates/measure/src/raw.rs\n+++ b/crates/measure/src/raw.rs\n@@ -1 +1 @@\n-a\n+b\n";
        let fault = parse(&format!("{HEADER}\n{diff}")).unwrap();
        assert_eq!(fault.name, "some-thing");
        assert_eq!(fault.sentence, "a");
        assert_eq!(fault.expected, ["calc.x", "calc.y"]);
        assert_eq!(fault.targets, ["fuzz_measure_calc"]);
        let both = HEADER.replace("calc.y", "scan.y");
        let fault = parse(&format!("{both}\n{diff}")).unwrap();
        assert_eq!(fault.targets.len(), 3);
        let names = ["fuzz_measure_scan", "fuzz_measure_image"].map(str::to_owned);
        let first = fault.clone().on_first_of(&names).unwrap();
        assert_eq!(first.targets, ["fuzz_measure_image"]);
        let error = fault.on_first_of(&["fuzz_x".to_owned()]).unwrap_err();
        assert!(
            error.to_string().contains("on fuzz_measure_calc or "),
            "{error}"
        );
    }

    #[test]
    fn what_lacks_a_header_or_changes_something_else_is_refused() {
        let diff = "--- a/crates/vhd/src/lib.rs\n+++ b/crates/vhd/src/lib.rs\n@@ -1 +1 @@\n";
        for header in [
            "",
            "Fault: a\n",
            "Fault: \nModelled-on: b\nExpected-check: c\n",
        ] {
            assert!(parse(&format!("{header}\n{diff}")).is_err(), "{header}");
        }
        for other in [
            "harness-core/src/lib.rs",
            "crates/vhd/tests/a.rs",
            "/etc/passwd",
        ] {
            let diff = diff.replace("crates/vhd/src/lib.rs", other);
            let error = parse(&format!("{HEADER}\n{diff}")).unwrap_err().to_string();
            assert!(error.contains("crates/*/src/ only"), "{error}");
        }
    }
}
