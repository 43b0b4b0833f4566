//! Trials run side by side, each on a core of its own, and measured as they end.
//!
//! A trial is measured on the core that it ran on, before the next begins there: no running engine loses a
//! core to it. What goes wrong with one trial is reported and kept, and the others run on.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use cli::output::from_here;
use report::format::grouped;

use super::measured::{self, Measured};
use super::order::TrialId;
use super::start::Opened;
use super::trial::{self, Ended, LEAST_FREE, Trial};
use crate::cores;
use crate::progress::Progress;
use crate::schedule::{HumanDuration, Queue};

/// What a trial takes beside its time, before one was timed: starting, replaying, measuring.
const OVERHEAD: Duration = Duration::from_secs(2);

/// A comparison whose trials are run.
pub(crate) struct Schedule<'a> {
    pub(crate) opened: &'a Opened,
    /// Where it reports how far it is.
    pub(crate) progress: &'a Progress,
}

/// What came of all trials.
#[derive(Debug, Default)]
pub(crate) struct Trials {
    /// Those that are whole.
    pub(crate) whole: BTreeMap<TrialId, (Trial, Measured)>,
    /// Those that could not be run or measured, and why. They are run again when the comparison is resumed.
    pub(crate) lost: BTreeMap<TrialId, String>,
    /// How many were not started, or were interrupted.
    pub(crate) not_begun: usize,
}

impl Schedule<'_> {
    /// Runs those of `order` that are not whole, and measures those that are not measured.
    pub(crate) fn run(&self, order: Vec<TrialId>) -> Trials {
        let total = order.len();
        let (folder, cores) = (&self.opened.folder, cores::of_each(self.opened.plan.cores));
        let is_whole = |id: &TrialId| trial::file(&folder.trial(id)).exists();
        let (whole, waiting): (Vec<TrialId>, Vec<TrialId>) = order.into_iter().partition(is_whole);
        let waiting = Queue::new(waiting, &cores);
        self.announce(whole.len(), &waiting);
        let (mut came, not_measured) = Queue::new(whole, &cores).run(|_, id, place| {
            let came = match Trial::read(folder, &id) {
                Ok(Some(trial)) => self.measure(place.core, trial),
                Ok(None) => Came::Lost("its trial.json has just vanished".to_owned()),
                Err(error) => Came::Lost(format!("{error:#}")),
            };
            if let Came::Lost(_) = came {
                self.progress.say(&describe(&id, &came));
            }
            (id, came)
        });
        let done = AtomicUsize::new(came.len());
        let (run, not_begun) = waiting.run(|queue, id, place| {
            let since = Instant::now();
            let came = self.attempt(place.core, &id);
            if let Came::DiskFull(_) = came {
                queue.stop();
            }
            let done = match came {
                Came::Interrupted => done.load(Ordering::SeqCst),
                _ => done.fetch_add(1, Ordering::SeqCst) + 1,
            };
            let so_far = match queue.left(since.elapsed()) {
                Some(left) if done < total => {
                    format!(" [{done} of {total}, about {} left]", HumanDuration(left))
                }
                _ => String::new(),
            };
            let event = describe(&id, &came);
            self.progress.say(&format!("{event}{so_far}"));
            (id, came)
        });
        came.extend(run);
        let mut trials = Trials {
            not_begun: not_measured.len() + not_begun.len(),
            ..Trials::default()
        };
        for (id, came) in came {
            match came {
                Came::Whole(whole) => {
                    trials.whole.insert(id, *whole);
                }
                Came::Interrupted => trials.not_begun += 1,
                Came::Lost(why) | Came::DiskFull(why) => {
                    trials.lost.insert(id, why);
                }
            }
        }
        trials
    }

    fn announce(&self, whole: usize, waiting: &Queue<TrialId>) {
        let plan = &self.opened.plan;
        let so_far = match whole {
            0 => String::new(),
            whole => format!("{whole} trials are whole; "),
        };
        self.progress.say(&match waiting.len() {
            0 => format!("{so_far}nothing is left to run"),
            waiting_count => format!(
                "{so_far}{waiting_count} trials of {} s to run, {} at once: about {}",
                plan.time_seconds,
                plan.cores,
                HumanDuration(waiting.left_at(plan.time() + OVERHEAD)),
            ),
        });
    }

    fn attempt(&self, core: Option<usize>, id: &TrialId) -> Came {
        match self.run_one(core, id) {
            Ok(Ended::Whole(trial)) => self.measure(core, *trial),
            Ok(Ended::Interrupted) => Came::Interrupted,
            Ok(Ended::Lost(why)) => Came::Lost(why),
            Ok(Ended::DiskFull(why)) => Came::DiskFull(why),
            Err(error) if trial::free(&self.opened.folder) < LEAST_FREE => {
                Came::DiskFull(format!("the disk is full: {error:#}"))
            }
            Err(error) => Came::Lost(format!("{error:#}")),
        }
    }

    fn run_one(&self, core: Option<usize>, id: &TrialId) -> Result<Ended<Trial>> {
        let Opened { folder, plan, .. } = self.opened;
        if let Some(moved) = folder.begin(id)? {
            self.progress.say(&format!(
                "{id}: it did not end before and is run again; what it left is in {}",
                from_here(&moved).display()
            ));
        }
        let title = id.engine.title();
        let mut line = self.progress.session(title, &id.target, plan.time());
        let target = &self.opened.targets[&id.target];
        trial::run(folder, plan, id, target, core, &mut |view| line.show(view))
    }

    fn measure(&self, core: Option<usize>, mut trial: Trial) -> Came {
        let Opened { folder, map, .. } = self.opened;
        match cores::on(core, || measured::trial(folder, map, &trial)) {
            Ok(measured) => {
                // A long trial keeps much, and a comparison has many.
                trial.kept = Vec::new();
                Came::Whole(Box::new((trial, measured)))
            }
            Err(error) => Came::Lost(format!("it was run, but cannot be measured: {error:#}")),
        }
    }
}

/// A trial, and what it reached.
type Came = Ended<(Trial, Measured)>;

fn describe(id: &TrialId, came: &Came) -> String {
    match came {
        Came::Whole(whole) => {
            let (trial, measured) = &**whole;
            let finds = match trial.finds.len() {
                0 => String::new(),
                finds => format!(", {finds} finds"),
            };
            let failure = match &trial.failure {
                None => String::new(),
                Some(why) => format!("; FAILED: {why}"),
            };
            format!(
                "{id}: {} executions, {} inputs kept, {} regions{finds}{failure}",
                grouped(trial.executions),
                grouped(trial.corpus as u64),
                grouped(measured.regions.len() as u64),
            )
        }
        Came::Interrupted => format!("{id}: interrupted; it will be run again"),
        Came::Lost(why) => format!("{id}: LOST: {why}"),
        Came::DiskFull(why) => format!("{id}: LOST: {why}; no further trial is started"),
    }
}
