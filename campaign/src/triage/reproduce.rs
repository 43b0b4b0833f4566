//! The smallest input of each group: taken over from the last triage, or minimised now.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use harness_core::{Target, targets};

use super::counter::Counter;
use super::group::{Group, Report, Reproducer, Status};
use super::judge::Bench;
use super::key::Key;
use super::minimise::{Budget, Minimised, minimise};
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
    let counter = Counter::new("minimise a reproducer of each group", failing.len());
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<Option<Reproduced>>> = Mutex::new(vec![None; groups.len()]);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..bench.cores.min(failing.len()))
            .map(|_| {
                scope.spawn(|| -> Result<()> {
                    let scratch = tempfile::tempdir().context("no folder for inputs to try")?;
                    while let Some(&index) = failing.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let group = &groups[index];
                        let reproduced = Work::new(bench, group, scratch.path())?
                            .reproduce(before, budget)
                            .with_context(|| format!("{}: no reproducer", group.key))?;
                        counter.one_more();
                        results
                            .lock()
                            .unwrap_or_else(std::sync::PoisonError::into_inner)[index] = reproduced;
                    }
                    Ok(())
                })
            })
            .collect();
        for thread in threads {
            thread.join().expect("a minimisation does not panic")?;
        }
        Ok::<_, anyhow::Error>(())
    })?;
    Ok(results
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner))
}

/// A minimisation under way.
struct Work<'a> {
    bench: &'a Bench,
    group: &'a Group,
    target: &'static Target,
    file: PathBuf,
}

impl<'a> Work<'a> {
    fn new(bench: &'a Bench, group: &'a Group, scratch: &Path) -> Result<Self> {
        Ok(Self {
            bench,
            group,
            target: targets::find(&group.target)
                .with_context(|| format!("no target is called {:?}", group.target))?,
            file: scratch.join("input"),
        })
    }

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
            Some(message) => Some(self.told(&mut replayer, minimised, original, message)?),
            None => None,
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
        if let Some(message) = self.failing(&mut replayer, &minimised.content)? {
            return self.told(&mut replayer, minimised, original, message);
        }
        let message = self.failing(&mut replayer, &original)?.unwrap_or_else(|| {
            "it failed when the finds were replayed, and passes when replayed once more".to_owned()
        });
        let as_it_was = Minimised {
            content: original.clone(),
            tries: minimised.tries,
            complete: false,
        };
        self.told(&mut replayer, as_it_was, original, message)
    }

    /// The report on `content`, when it fails the group's check in the group's way.
    fn failing(&self, replayer: &mut Replayer, content: &[u8]) -> Result<Option<String>> {
        fs::write(&self.file, content)
            .with_context(|| format!("{} cannot be written", self.file.display()))?;
        Ok(match replayer.verdict(self.target.name, &self.file)? {
            Verdict::Fail { check, message } => {
                let key = Key::of(self.target, content, &check, &message, &self.bench.root);
                (check == self.group.check && key == self.group.key).then_some(message)
            }
            _ => None,
        })
    }

    fn told(
        &self,
        replayer: &mut Replayer,
        minimised: Minimised,
        original: Vec<u8>,
        message: String,
    ) -> Result<Reproduced> {
        let Minimised {
            content,
            tries,
            complete,
        } = minimised;
        fs::write(&self.file, &content)
            .with_context(|| format!("{} cannot be written", self.file.display()))?;
        let [words, rust] = match replayer.describe(self.target.name, &self.file) {
            Ok(Ok(case)) => case,
            Ok(Err(why)) => [why, String::new()],
            Err(error) => [format!("{error:#}"), String::new()],
        };
        let name = content_name(&content);
        let reproducer = Reproducer {
            file: format!("{}-{}", self.group.check, &name[..8]),
            size: content.len(),
            hex: (content.len() <= LONGEST_SHOWN)
                .then(|| content.iter().map(|byte| format!("{byte:02x}")).collect()),
            content: name,
            message,
            words,
            rust,
            original: content_name(&original),
            original_size: original.len(),
            tries,
            complete,
        };
        Ok(Reproduced {
            reproducer,
            content,
            original,
        })
    }
}

/// The budget of a minimisation by default: enough for inputs of some KiB to come to an end.
pub const BUDGET: Budget = Budget {
    tries: 20_000,
    time: Duration::from_secs(30),
};
