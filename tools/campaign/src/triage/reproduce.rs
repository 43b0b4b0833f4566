//! The smallest input of each group: taken over from the last triage, or minimised now.

use std::path::Path;

use anyhow::{Context, Result};
use fs_err as fs;
use tempfile::NamedTempFile;
use worker::Violation;

use super::group::{Group, Report, Reproducer, Status};
use super::judge::Bench;
use super::key::Key;
use super::minimise::{Minimised, minimise};
use crate::atomic;
use crate::corpus::content_name;
use crate::engine::session;
use crate::replay::{NO_HANG, Replayer, Verdict};
use crate::schedule::Queue;

/// The longest input that a report shows in hexadecimal, in bytes.
const LONGEST_SHOWN: usize = 512;

/// Finds the smallest input of every group that fails, on every core at once, and writes it into the folder `out`,
/// with the find that it was made from. Groups whose files have vanished get none. `last` is the report in `out`.
pub(crate) fn reproduce_all(
    bench: &Bench,
    groups: &mut [Group],
    last: Option<&Report>,
    out: &Path,
) -> Result<()> {
    let failing: Vec<usize> = (0..groups.len())
        .filter(|&index| groups[index].status == Status::Fails)
        .collect();
    if failing.is_empty() {
        return Ok(());
    }
    let progress = &bench.progress;
    let line = progress.counted("minimise a reproducer", "groups", failing.len() as u64);
    let reproduce = |index: usize| {
        let group = &groups[index];
        let work = Work {
            bench,
            group,
            out,
            file: NamedTempFile::new().context("no file for inputs to try")?,
        };
        let reproducer = work.reproduce(last);
        let reproducer = reproducer.with_context(|| format!("{}: no reproducer", group.key))?;
        line.step();
        Ok((index, reproducer))
    };
    let cores = vec![None; bench.cores];
    let (done, left) = Queue::new(failing, &cores)
        .run(|queue, index, _| reproduce(index).inspect_err(|_| queue.stop()));
    let mut done = done.into_iter().collect::<Result<Vec<_>>>()?;
    // After Ctrl-C the groups that are left get their reproducers as they were found.
    for index in left {
        done.push(reproduce(index)?);
    }
    line.done(progress);
    for (index, reproducer) in done {
        groups[index].reproducer = reproducer;
    }
    Ok(())
}

/// A minimisation under way.
struct Work<'a> {
    bench: &'a Bench,
    group: &'a Group,
    out: &'a Path,
    file: NamedTempFile,
}

impl Work<'_> {
    /// The group's reproducer; none when its files have vanished.
    fn reproduce(&self, last: Option<&Report>) -> Result<Option<Reproducer>> {
        let (start, original) = match self.known(last)? {
            Some((known, original, violation)) if known.complete => {
                return self.keep(&known, &original, Some(violation)).map(Some);
            }
            Some((known, original, _)) => (known.content, original),
            None => match self.best_find() {
                Some(content) => (content.clone(), content),
                None => return Ok(None),
            },
        };
        let mut minimised = self.smaller(&start)?;
        // It has to fail in a new worker too; otherwise the original is kept.
        let mut replayer = self.bench.replayer(self.bench.time_out);
        let mut violation = self.failing(&mut replayer, &minimised.content)?;
        if violation.is_none() {
            violation = self.failing(&mut replayer, &original)?;
            minimised.content.clone_from(&original);
            minimised.complete = false;
        }
        self.keep(&minimised, &original, violation).map(Some)
    }

    /// The first of the group's finds that is still there and fails the group's check.
    fn best_find(&self) -> Option<Vec<u8>> {
        let inputs = self.group.inputs.iter();
        inputs
            .filter(|input| input.check == self.group.check)
            .filter(|input| input.find.target == self.group.target)
            .filter(|input| input.shows == self.group.key.what)
            .flat_map(|input| &input.find.sightings)
            .find_map(|sighting| fs::read(&sighting.path).ok())
    }

    /// What an earlier triage left, when it is still there and still fails in the same way, and its original.
    fn known(&self, last: Option<&Report>) -> Result<Option<(Minimised, Vec<u8>, Violation)>> {
        let mut groups = last.into_iter().flat_map(Report::known);
        let old = groups.find(|known| {
            known.status == Status::Fails
                && known.key == self.group.key
                && known.check == self.group.check
        });
        let Some((old, reproducer)) = old.and_then(|old| Some((old, old.reproducer.as_ref()?)))
        else {
            return Ok(None);
        };
        let read = |name: &str, file: &str| {
            let folder = self.out.join(name).join(&old.target);
            fs::read(folder.join(file)).ok()
        };
        let content = read("regressions", &reproducer.file);
        let content = content.filter(|content| content_name(content) == reproducer.content);
        let original = read("originals", &reproducer.original);
        let Some((content, original)) = content.zip(original) else {
            return Ok(None);
        };
        let mut replayer = self.bench.replayer(self.bench.time_out);
        let violation = self.failing(&mut replayer, &content)?;
        let minimised = Minimised {
            content,
            tries: reproducer.tries,
            complete: reproducer.complete,
        };
        Ok(violation.map(|violation| (minimised, original, violation)))
    }

    /// Minimises `start`. A hang is tried with a short time.
    fn smaller(&self, start: &[u8]) -> Result<Minimised> {
        let mut replayer = self.bench.replayer(if self.group.check == NO_HANG {
            self.bench.short_time()
        } else {
            self.bench.time_out
        });
        minimise(start, self.bench.budget, &mut |candidate| {
            if session::interrupted() {
                return Ok(None);
            }
            let failing = self.failing(&mut replayer, candidate)?;
            Ok(Some(failing.is_some()))
        })
    }

    /// What `content` violates, when it fails the group's check in the group's way.
    fn failing(&self, replayer: &mut Replayer, content: &[u8]) -> Result<Option<Violation>> {
        let file = self.file.path();
        fs::write(file, content)?;
        Ok(match replayer.verdict(&self.group.target, file)? {
            Verdict::Fail(violation) => {
                let same = violation.check == self.group.check
                    && Key::of(&violation, &self.bench.root) == self.group.key;
                same.then_some(*violation)
            }
            _ => None,
        })
    }

    fn keep(
        &self,
        minimised: &Minimised,
        original: &[u8],
        violation: Option<Violation>,
    ) -> Result<Reproducer> {
        let content = &minimised.content;
        let name = content_name(content);
        let reproducer = Reproducer {
            file: format!("{}-{}", self.group.check, &name[..8]),
            size: content.len(),
            hex: (content.len() <= LONGEST_SHOWN)
                .then(|| content.iter().map(|byte| format!("{byte:02x}")).collect()),
            content: name,
            violation,
            original: content_name(original),
            original_size: original.len(),
            tries: minimised.tries,
            complete: minimised.complete,
        };
        let folder = |name: &str| self.out.join(name).join(&self.group.target);
        atomic::write(&folder("regressions").join(&reproducer.file), content)?;
        atomic::write(&folder("originals").join(&reproducer.original), original)?;
        Ok(reproducer)
    }
}
