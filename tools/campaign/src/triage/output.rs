//! The files of a triage, as `docs/triage.md` lists them.
//!
//! Finds are never touched. Issue texts of groups that an earlier triage wrote and that no longer exist are removed;
//! inputs are not.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use worker::TargetInfo;

use super::group::{Group, Report};
use super::issue::issue;
use super::sarif::sarif;
use super::summary::summary;
use crate::atomic;

/// Writes everything but inputs. These exist by now, so that a report never names a file that does not. `last` is the
/// report that is replaced.
///
/// # Errors
/// When something cannot be written; what was there before is then as it was, file by file.
pub fn write(report: &Report, last: Option<&Report>, out: &Path, root: &Path) -> Result<()> {
    let issue_path = |group: &Group| out.join("issues").join(format!("{}.md", group.id));
    let shown = out.strip_prefix(root).unwrap_or(out).display().to_string();
    for group in &report.groups {
        let text = issue(report, group, &shown);
        atomic::write(&issue_path(group), text.as_bytes())?;
    }
    let log = serde_json::to_vec_pretty(&sarif(report, root))?;
    atomic::write(&out.join("triage.sarif"), &log)?;
    atomic::write(&out.join("summary.md"), summary(report, &shown).as_bytes())?;
    atomic::write(&out.join("triage.json"), report.to_json()?.as_bytes())?;
    let old = last.iter().flat_map(|last| &last.groups);
    for group in old.filter(|old| report.groups.iter().all(|group| group.id != old.id)) {
        // It may have been removed by hand.
        let _ = fs::remove_file(issue_path(group));
    }
    Ok(())
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
        let place = Path::new(&group.target).join(&reproducer.file);
        let from = out.join("regressions").join(&place);
        let to = root.join("corpus/regressions").join(&place);
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
