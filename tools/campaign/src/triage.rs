//! Triage: groups the findings of all engines by cause, and writes the files that `docs/triage.md` lists. Finds are never
//! touched. Issue texts of groups that no longer exist are removed; inputs are not.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Result;
use fs_err as fs;
use worker::TargetInfo;

use collect::Collected;
use group::{Environment, Group, Report, VERSION};
use judge::Bench;

use crate::atomic;
use crate::engine::session;

pub mod collect;
pub mod group;
mod issue;
pub mod judge;
mod key;
pub mod minimise;
mod reproduce;
mod sarif;
pub(crate) mod summary;

/// Replays the finds, groups them, makes the smallest input of each group, and writes the results into the folder
/// `out`, which has those of the last triage. Fails when no worker can be started, or something cannot be written.
pub fn triage(bench: &Bench, collected: Collected, out: &Path) -> Result<Report> {
    let (finds, mut troubles) = (collected.finds, collected.troubles);
    let last = Report::read(out);
    let outcomes = judge::replay_all(bench, &finds)?;
    let (mut groups, unknown) = group::group(&finds, &outcomes, last.as_ref());
    troubles.extend(unknown);
    reproduce::reproduce_all(bench, &mut groups, last.as_ref(), out)?;
    let report = Report {
        version: VERSION,
        made: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        environment: Environment::of(&bench.root),
        command: bench.command.clone(),
        judged: bench.judged.clone(),
        time_out_seconds: bench.time_out.as_secs_f64(),
        interrupted: session::interrupted(),
        finds: finds.len(),
        replayed: outcomes.len(),
        troubles,
        groups,
        earlier: group::earlier(last.as_ref(), &finds),
    };
    write(&report, last.as_ref(), out, &bench.root)?;
    Ok(report)
}

/// Writes everything but inputs. These exist by now, so that a report never names a file that does not. `last` is the
/// report that is replaced. On an error each file is the new one or as it was.
fn write(report: &Report, last: Option<&Report>, out: &Path, root: &Path) -> Result<()> {
    let issue_path = |group: &Group| out.join("issues").join(format!("{}.md", group.id));
    let shown = out.strip_prefix(root).unwrap_or(out).display().to_string();
    for group in &report.groups {
        let text = issue::issue(report, group, &shown);
        atomic::write(&issue_path(group), text.as_bytes())?;
    }
    let log = serde_json::to_vec_pretty(&sarif::sarif(report, root))?;
    atomic::write(&out.join("triage.sarif"), &log)?;
    atomic::write(
        &out.join("summary.md"),
        summary::summary(report, &shown).as_bytes(),
    )?;
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
/// inputs may be. Fails when one cannot be read or written.
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
        atomic::write(&to, &fs::read(&from)?)?;
        kept.new.push(to);
    }
    Ok(kept)
}
