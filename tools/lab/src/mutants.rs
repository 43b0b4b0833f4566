//! Runs of cargo-mutants: what became of each mutant, over one run or several.
//!
//! A run can be interrupted, and a later one tests only what the earlier ones did not settle. What is settled
//! is kept in a record beside cargo-mutants' own output, which knows only its latest run.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::faults::copy::all_below;

use campaign::atomic::read_json;
use campaign::reasons::{Place, text_at};

/// What became of a mutant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Fate {
    /// An input fails on it.
    #[serde(rename = "CaughtMutant")]
    Caught,
    /// It hangs.
    Timeout,
    /// Every input passes.
    #[serde(rename = "MissedMutant")]
    Missed,
    /// It does not compile.
    Unviable,
    /// The tool could not tell.
    #[serde(other)]
    Unknown,
}

/// A mutant and its fate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The package that was changed.
    pub package: String,
    /// The file, from the project's root.
    pub file: String,
    /// The function.
    pub function: String,
    /// What was changed.
    pub change: String,
    /// The line of the change, from 1.
    pub line: usize,
    /// The column of the change, from 1.
    pub column: usize,
    /// What became of it.
    pub fate: Fate,
}

impl Outcome {
    /// What names it in a list, by the source as it is.
    ///
    /// # Errors
    /// When the source cannot be read, or has changed.
    pub fn place(&self, root: &Path) -> Result<Place> {
        let path = root.join(&self.file);
        let source = fs::read_to_string(&path)
            .with_context(|| format!("{} cannot be read", path.display()))?;
        let text = text_at(&source, self.line, self.column, None)
            .with_context(|| format!("{} changed since the run", path.display()))?;
        Ok(Place {
            file: self.file.clone(),
            function: self.function.clone(),
            change: self.change.clone(),
            text: text.to_owned(),
        })
    }
}

/// What is settled, by the mutants' full names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// What the fates are of: see [`fingerprint`].
    pub fingerprint: String,
    /// The mutants.
    pub outcomes: BTreeMap<String, Outcome>,
}

impl Record {
    /// Takes over what cargo-mutants wrote to `outcomes.json`, if it did.
    ///
    /// # Errors
    /// When that is there and cannot be understood.
    pub fn take(&mut self, path: &Path) -> Result<()> {
        let file: Option<OutcomesFile> = read_json(path)?;
        for outcome in file.into_iter().flat_map(|file| file.outcomes) {
            if let Scenario::Mutant(mutant) = outcome.scenario {
                let (name, outcome) = mutant.outcome(outcome.summary);
                self.outcomes.insert(name, outcome);
            }
        }
        Ok(())
    }

    /// How many had which fate.
    #[must_use]
    pub fn count(&self, package: Option<&str>, fate: Fate) -> usize {
        self.outcomes
            .values()
            .filter(|outcome| package.is_none_or(|package| outcome.package == package))
            .filter(|outcome| outcome.fate == fate)
            .count()
    }
}

/// `outcomes.json`, as far as it matters here.
#[derive(Debug, Deserialize)]
struct OutcomesFile {
    outcomes: Vec<OutcomeEntry>,
}

#[derive(Debug, Deserialize)]
struct OutcomeEntry {
    scenario: Scenario,
    summary: Fate,
}

#[derive(Debug, Deserialize)]
enum Scenario {
    Baseline,
    Mutant(Mutant),
}

#[derive(Debug, Deserialize)]
struct Mutant {
    name: String,
    package: String,
    file: String,
    function: Option<Function>,
    span: Span,
}

#[derive(Debug, Deserialize)]
struct Function {
    function_name: String,
}

#[derive(Debug, Deserialize)]
struct Span {
    start: Position,
}

#[derive(Debug, Deserialize)]
struct Position {
    line: usize,
    column: usize,
}

impl Mutant {
    fn outcome(self, fate: Fate) -> (String, Outcome) {
        let Position { line, column } = self.span.start;
        let function = self.function.map_or_else(String::new, |f| f.function_name);
        // The name is "file:line:column: change in function".
        let change = self
            .name
            .strip_prefix(&format!("{}:{line}:{column}: ", self.file))
            .unwrap_or(&self.name);
        let change = change
            .strip_suffix(&format!(" in {function}"))
            .unwrap_or(change)
            .to_owned();
        let outcome = Outcome {
            package: self.package,
            file: self.file,
            function,
            change,
            line,
            column,
            fate,
        };
        (self.name, outcome)
    }
}

/// A name for the content of `folders` below `root`: two runs with the same one ran the same.
///
/// # Errors
/// When something there cannot be read.
pub fn fingerprint(root: &Path, folders: &[&str]) -> Result<String> {
    let mut digest = Digest::default();
    for folder in folders.iter().map(|folder| root.join(folder)) {
        if !folder.exists() {
            continue;
        }
        let mut files = all_below(&folder)?;
        files.sort();
        for file in files {
            let path = folder.join(&file);
            let content =
                fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))?;
            let name = path.strip_prefix(root)?;
            digest.add(name.as_os_str().as_encoded_bytes(), &content);
        }
    }
    Ok(digest.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTCOMES: &str = r#"{"outcomes": [
        {"scenario": "Baseline", "summary": "Success"},
        {"scenario": {"Mutant": {"name": "crates/x/src/lib.rs:2:7: replace < with <= in X::f",
          "package": "x", "file": "crates/x/src/lib.rs",
          "function": {"function_name": "X::f", "return_type": ""},
          "span": {"start": {"line": 2, "column": 7}, "end": {"line": 2, "column": 8}},
          "replacement": "<=", "genre": "BinaryOperator"}},
          "summary": "MissedMutant", "log_path": "l", "diff_path": "d", "phase_results": []}
    ], "total_mutants": 1, "missed": 1}"#;

    #[test]
    fn outcomes_are_read_and_placed() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let path = root.join("outcomes.json");
        let mut record = Record::default();
        record.take(&path).unwrap();
        assert_eq!(record, Record::default());
        fs::write(&path, OUTCOMES).unwrap();
        record.take(&path).unwrap();
        assert_eq!(record.count(None, Fate::Missed), 1);
        assert_eq!(record.count(Some("x"), Fate::Missed), 1);
        assert_eq!(record.count(Some("y"), Fate::Missed), 0);
        assert_eq!(record.count(None, Fate::Caught), 0);

        let outcome = record.outcomes.values().next().unwrap();
        assert!(outcome.place(root).is_err());
        fs::create_dir_all(root.join("crates/x/src")).unwrap();
        fs::write(root.join(&outcome.file), "fn f() {\n if a < b {\n").unwrap();
        let place = outcome.place(root).unwrap().to_string();
        assert_eq!(
            place,
            "crates/x/src/lib.rs, X::f: replace < with <= `< b {`"
        );
    }

    #[test]
    fn a_fingerprint_is_of_names_and_contents() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(root.join("a/b/x"), "1").unwrap();
        let first = fingerprint(root, &["a", "missing"]).unwrap();
        assert_eq!(fingerprint(root, &["a"]).unwrap(), first);
        fs::write(root.join("a/b/x"), "2").unwrap();
        let second = fingerprint(root, &["a"]).unwrap();
        fs::rename(root.join("a/b/x"), root.join("a/b/y")).unwrap();
        let third = fingerprint(root, &["a"]).unwrap();
        assert!(first != second && second != third && first != third);
    }
}
