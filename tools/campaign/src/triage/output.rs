//! What a triage writes, and where.
//!
//! | in the output's folder | what is there |
//! |---|---|
//! | `triage.json` | the report; the next triage reads it |
//! | `summary.md` | the report for the page of a CI job |
//! | `triage.sarif` | the report for code scanning |
//! | `issues/GROUP.md` | the text of an issue, for each group |
//! | `regressions/TARGET/CHECK-HASH` | the smallest input, for each group that fails |
//! | `originals/TARGET/HASH` | the find that it was made from |
//!
//! Finds are never touched. Of what an earlier triage wrote, issue texts of groups that are gone are removed;
//! inputs are not.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use worker::TargetInfo;

use super::group::{Group, Report};
use super::issue::issue;
use super::reproduce::Reproduced;
use super::sarif::sarif;
use super::summary::summary;
use crate::atomic;

/// Where things of the output are, as a user of the project's folder writes it.
#[derive(Debug, Clone)]
pub struct Places {
    out: String,
    /// Whether the project is the harness's own, whose code under test the cases in Rust ask.
    pub has_harness: bool,
}

impl Places {
    /// Places in the folder `out` of a project at `root`.
    #[must_use]
    pub fn new(out: &Path, root: &Path) -> Self {
        Self {
            out: out.strip_prefix(root).unwrap_or(out).display().to_string(),
            has_harness: root.join("harness-core").is_dir(),
        }
    }

    /// A reproducer.
    #[must_use]
    pub fn regression(&self, target: &str, file: &str) -> String {
        format!("{}/regressions/{target}/{file}", self.out)
    }

    /// The folder of the texts of issues.
    #[must_use]
    pub fn issues(&self) -> String {
        format!("{}/issues", self.out)
    }

    /// The text of an issue.
    #[must_use]
    pub fn issue(&self, id: &str) -> String {
        format!("{}/issues/{id}.md", self.out)
    }
}

/// Writes everything. Inputs come first and the report last, so that a report never names what is not there.
///
/// # Errors
/// When something cannot be written; what was there before is then as it was, file by file.
pub fn write(
    report: &Report,
    reproduced: &[Option<Reproduced>],
    out: &Path,
    root: &Path,
    sarif_too: Option<&Path>,
) -> Result<()> {
    for (group, reproduced) in report.groups.iter().zip(reproduced) {
        let Some(reproduced) = reproduced else {
            continue;
        };
        let folder = |name: &str| out.join(name).join(&group.target);
        let Reproduced {
            reproducer,
            content,
            original,
        } = reproduced;
        atomic::write(&folder("regressions").join(&reproducer.file), content)?;
        atomic::write(&folder("originals").join(&reproducer.original), original)?;
    }
    let places = Places::new(out, root);
    let before = Report::read(out);
    for group in &report.groups {
        let text = issue(report, group, &places);
        atomic::write(&issue_path(out, group), text.as_bytes())?;
    }
    let log = serde_json::to_vec_pretty(&sarif(report, root))?;
    atomic::write(&out.join("triage.sarif"), &log)?;
    if let Some(path) = sarif_too {
        atomic::write(path, &log)?;
    }
    atomic::write(&out.join("summary.md"), summary(report, &places).as_bytes())?;
    atomic::write(&out.join("triage.json"), report.to_json()?.as_bytes())?;
    let gone = before.iter().flat_map(|before| &before.groups);
    for group in gone.filter(|old| report.groups.iter().all(|group| group.id != old.id)) {
        // It may have been removed by hand.
        let _ = fs::remove_file(issue_path(out, group));
    }
    Ok(())
}

fn issue_path(out: &Path, group: &Group) -> PathBuf {
    out.join("issues").join(format!("{}.md", group.id))
}

/// What was kept as regressions.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Files that are new there.
    pub new: Vec<PathBuf>,
    /// Reproducers that are longer than their target's inputs may be: they stay where they are.
    pub too_long: Vec<String>,
}

/// Copies the reproducers of groups into the project's regressions, unless they are longer than their target's
/// inputs may be.
///
/// # Errors
/// When one cannot be read or written.
pub fn keep(report: &Report, out: &Path, root: &Path, targets: &[TargetInfo]) -> Result<Kept> {
    let mut kept = Kept::default();
    for group in &report.groups {
        let Some(reproducer) = &group.reproducer else {
            continue;
        };
        let place = |regressions: PathBuf| regressions.join(&group.target).join(&reproducer.file);
        let from = place(out.join("regressions"));
        let to = place(root.join("corpus/regressions"));
        if to.exists() {
            continue;
        }
        let target = targets.iter().find(|target| target.name == group.target);
        if target.is_none_or(|target| reproducer.size > target.max_input) {
            kept.too_long.push(reproducer.file.clone());
            continue;
        }
        let content =
            fs::read(&from).with_context(|| format!("{} cannot be read", from.display()))?;
        atomic::write(&to, &content)?;
        kept.new.push(to);
    }
    Ok(kept)
}
