//! Runs of cargo-mutants: what became of each mutant, over one run or several.
//!
//! A run can be interrupted, and a later one tests only what the earlier ones did not settle. What is settled
//! is kept in a record beside cargo-mutants' own output, which knows only its latest run.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use campaign::atomic::read_json;
use campaign::reasons::{Place, text_at};
use fs_err as fs;
use serde::{Deserialize, Serialize};

/// What became of a mutant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Fate {
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
    /// The tool does not know.
    #[serde(other)]
    Unknown,
}

/// A mutant, as cargo-mutants writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mutant {
    /// `file:line:column: change in function`.
    name: String,
    pub(crate) package: String,
    /// The file, from the project's root.
    file: String,
    function: Option<Function>,
    span: Span,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Function {
    function_name: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Span {
    start: Position,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Position {
    line: usize,
    column: usize,
}

impl Mutant {
    /// What names it in a list, by the source as it is.
    pub(crate) fn place(&self, root: &Path) -> Result<Place> {
        let path = root.join(&self.file);
        let Position { line, column } = self.span.start;
        let source = fs::read_to_string(&path)?;
        let text = text_at(&source, line, column, None)
            .with_context(|| format!("{} changed since the run", path.display()))?;
        let function = self.function.as_ref().map(|f| f.function_name.clone());
        let function = function.unwrap_or_default();
        let change = self
            .name
            .trim_start_matches(&format!("{}:{line}:{column}: ", self.file))
            .trim_end_matches(&format!(" in {function}"));
        Ok(Place {
            file: self.file.clone(),
            change: change.to_owned(),
            text: text.to_owned(),
            function,
        })
    }
}

/// What is settled.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// What the fates are of: the files that they depend on, by content.
    pub(crate) fingerprint: String,
    /// The mutants and their fates, by full names.
    pub(crate) outcomes: BTreeMap<String, (Mutant, Fate)>,
}

impl Record {
    /// Takes over what cargo-mutants wrote to `outcomes.json`, if it did.
    pub(crate) fn take(&mut self, path: &Path) -> Result<()> {
        let file: Option<OutcomesFile> = read_json(path)?;
        for outcome in file.into_iter().flat_map(|file| file.outcomes) {
            if let Scenario::Mutant(mutant) = outcome.scenario {
                let name = mutant.name.clone();
                self.outcomes.insert(name, (mutant, outcome.summary));
            }
        }
        Ok(())
    }

    /// How many mutants of a package, or of all, had which fate.
    pub(crate) fn count(&self, package: Option<&str>, fate: Fate) -> usize {
        let outcomes = self.outcomes.values();
        let counted = outcomes.filter(|(mutant, became)| {
            *became == fate && package.is_none_or(|package| mutant.package == package)
        });
        counted.count()
    }
}

/// `outcomes.json`, as far as it matters here.
#[derive(Debug, Deserialize)]
struct OutcomesFile {
    outcomes: Vec<Outcome>,
}

#[derive(Debug, Deserialize)]
struct Outcome {
    scenario: Scenario,
    summary: Fate,
}

#[derive(Debug, Deserialize)]
enum Scenario {
    Baseline,
    Mutant(Mutant),
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
        let kept = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<Record>(&kept).unwrap(), record);
        assert_eq!(record.count(None, Fate::Missed), 1);
        assert_eq!(record.count(Some("x"), Fate::Missed), 1);
        assert_eq!(record.count(Some("y"), Fate::Missed), 0);
        assert_eq!(record.count(None, Fate::Caught), 0);

        let (mutant, _) = record.outcomes.values().next().unwrap();
        assert!(mutant.place(root).is_err());
        fs::create_dir_all(root.join("crates/x/src")).unwrap();
        fs::write(root.join(&mutant.file), "fn f() {\n if a < b {\n").unwrap();
        let place = mutant.place(root).unwrap().to_string();
        assert_eq!(
            place,
            "crates/x/src/lib.rs, X::f: replace < with <= `< b {`"
        );
    }
}
