//! The smallest input of each group: taken over from the last triage, or minimised now.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;
use worker::Violation;

use super::group::{Group, Report, Reproducer, Status};
use super::judge::Bench;
use super::key::Key;
use super::minimise::{Budget, Minimised, minimise};
use super::pool;
use crate::corpus::content_name;
use crate::engine::session;
use crate::replay::{NO_HANG, Replayer, Verdict};

/// The longest input that a report shows in hexadecimal, in bytes.
const LONGEST_SHOWN: usize = 512;

/// A reproducer and the contents that are kept of it.
#[derive(Debug, Clone)]
pub struct Reproduced {
    /// What the report says.
    pub reproducer: Reproducer,
    /// The smallest input.
    pub content: Vec<u8>,
    /// The find that it was made from.
    pub original: Vec<u8>,
}

/// What earlier triages left: their report, and the folder that it lies in.
#[derive(Debug, Clone, Copy)]
pub struct Before<'a> {
    /// The last report.
    pub report: Option<&'a Report>,
    /// The output's folder.
    pub out: &'a Path,
}

/// Finds the smallest input of every group that fails, on every core at once. `None` for other groups,
/// and for those whose files have vanished.
///
/// # Errors
/// When no worker can be started.
pub fn reproduce_all(
    bench: &Bench,
    groups: &[Group],
    before: Before<'_>,
    budget: Budget,
) -> Result<Vec<Option<Reproduced>>> {
    let failing: Vec<usize> = (0..groups.len())
        .filter(|&index| groups[index].status == Status::Fails)
        .collect();
    let scratch = || tempfile::tempdir().context("no folder for inputs to try");
    let work = |scratch: &mut TempDir, index: usize| {
        let group = &groups[index];
        let file = scratch.path().join("input");
        let reproduced = Work { bench, group, file }.reproduce(before, budget);
        let reproduced = reproduced.with_context(|| format!("{}: no reproducer", group.key))?;
        Ok(Some(reproduced))
    };
    let mut reproduced = vec![None; groups.len()];
    for (index, of_group) in pool::for_each(
        bench,
        ("minimise a reproducer", "groups"),
        &failing,
        scratch,
        work,
    )? {
        reproduced[index] = of_group;
    }
    Ok(reproduced)
}

/// A minimisation under way.
struct Work<'a> {
    bench: &'a Bench,
    group: &'a Group,
    file: PathBuf,
}

impl Work<'_> {
    /// The group's reproducer; none when its files have vanished.
    fn reproduce(&self, before: Before<'_>, budget: Budget) -> Result<Option<Reproduced>> {
        let known = self.known(before)?;
        if known
            .as_ref()
            .is_some_and(|known| known.reproducer.complete)
        {
            return Ok(known);
        }
        let (start, original) = match known {
            Some(known) => (known.content, known.original),
            None => match self.best_find() {
                Some(content) => (content.clone(), content),
                None => return Ok(None),
            },
        };
        let minimised = self.smaller(&start, budget)?;
        self.finish(minimised, original).map(Some)
    }

    /// The first of the group's finds that is still there and fails the group's check.
    fn best_find(&self) -> Option<Vec<u8>> {
        let inputs = self.group.inputs.iter();
        inputs
            .filter(|input| input.check == self.group.check && input.target == self.group.target)
            .filter(|input| input.shows == self.group.key.what)
            .flat_map(|input| &input.sightings)
            .find_map(|sighting| fs::read(&sighting.path).ok())
    }

    /// What an earlier triage left, when it is still there and still fails in the same way.
    fn known(&self, before: Before<'_>) -> Result<Option<Reproduced>> {
        let mut groups = before.report.iter().flat_map(|report| report.known());
        let same = |known: &&Group| {
            known.status == Status::Fails
                && known.key == self.group.key
                && known.check == self.group.check
        };
        let Some(old) = groups.find(same) else {
            return Ok(None);
        };
        let Some(reproducer) = &old.reproducer else {
            return Ok(None);
        };
        let folder = |name: &str| before.out.join(name).join(&old.target);
        let kept = fs::read(folder("regressions").join(&reproducer.file))
            .ok()
            .zip(fs::read(folder("originals").join(&reproducer.original)).ok());
        let Some((content, original)) = kept else {
            return Ok(None);
        };
        if content_name(&content) != reproducer.content {
            return Ok(None);
        }
        let minimised = Minimised {
            content,
            tries: reproducer.tries,
            complete: reproducer.complete,
        };
        let mut replayer = self.bench.replayer(self.bench.time_out);
        Ok(match self.failing(&mut replayer, &minimised.content)? {
            None => None,
            violation => Some(reproduced(self.group, minimised, original, violation)),
        })
    }

    /// Minimises `start`. A hang is tried with a short time, and then held to the whole of it.
    fn smaller(&self, start: &[u8], budget: Budget) -> Result<Minimised> {
        let hangs = self.group.check == NO_HANG;
        let time_out = match hangs {
            true => self.bench.short_time(),
            false => self.bench.time_out,
        };
        let mut replayer = self.bench.replayer(time_out);
        minimise(start, budget, &mut |candidate| {
            if session::interrupted() {
                return Ok(None);
            }
            let failing = self.failing(&mut replayer, candidate)?;
            Ok(Some(failing.is_some()))
        })
    }

    /// Holds that what was minimised fails in a new worker too, or else goes back to the original.
    fn finish(&self, minimised: Minimised, original: Vec<u8>) -> Result<Reproduced> {
        let mut replayer = self.bench.replayer(self.bench.time_out);
        let violation = self.failing(&mut replayer, &minimised.content)?;
        if violation.is_some() {
            return Ok(reproduced(self.group, minimised, original, violation));
        }
        let violation = self.failing(&mut replayer, &original)?;
        let as_it_was = Minimised {
            content: original.clone(),
            tries: minimised.tries,
            complete: false,
        };
        Ok(reproduced(self.group, as_it_was, original, violation))
    }

    /// What `content` violates, when it fails the group's check in the group's way.
    fn failing(&self, replayer: &mut Replayer, content: &[u8]) -> Result<Option<Violation>> {
        fs::write(&self.file, content)
            .with_context(|| format!("{} cannot be written", self.file.display()))?;
        Ok(match replayer.verdict(&self.group.target, &self.file)? {
            Verdict::Fail(violation) => {
                let same = violation.check == self.group.check
                    && Key::of(&violation, &self.bench.root) == self.group.key;
                same.then_some(*violation)
            }
            _ => None,
        })
    }
}

fn reproduced(
    group: &Group,
    minimised: Minimised,
    original: Vec<u8>,
    violation: Option<Violation>,
) -> Reproduced {
    let Minimised {
        content,
        tries,
        complete,
    } = minimised;
    let name = content_name(&content);
    let reproducer = Reproducer {
        file: format!("{}-{}", group.check, &name[..8]),
        size: content.len(),
        hex: (content.len() <= LONGEST_SHOWN)
            .then(|| content.iter().map(|byte| format!("{byte:02x}")).collect()),
        content: name,
        violation,
        original: content_name(&original),
        original_size: original.len(),
        tries,
        complete,
    };
    Reproduced {
        reproducer,
        content,
        original,
    }
}

/// The budget of a minimisation by default: enough for inputs of some KiB to come to an end.
pub const BUDGET: Budget = Budget {
    tries: 20_000,
    time: Duration::from_secs(30),
};
