//! Work on cores: so many pieces at once, each on a core of its own, until Ctrl-C.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use indicatif::HumanDuration;

use crate::engine::session;

/// Where a piece of work is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its number, from 0: no two pieces are done in one place at once.
    pub nth: usize,
    /// Its core; `None` is one of the system's choice.
    pub core: Option<usize>,
}

/// Pieces of work in the order in which they are begun.
#[derive(Debug)]
pub struct Queue<J> {
    shared: Mutex<Shared<J>>,
    cores: Vec<Option<usize>>,
}

#[derive(Debug)]
struct Shared<J> {
    waiting: VecDeque<J>,
    running: usize,
    done: usize,
    took: Duration,
    is_stopped: bool,
}

impl<J: Send> Queue<J> {
    /// These pieces, for these cores; `None` is a core of the system's choice.
    pub fn new(jobs: impl IntoIterator<Item = J>, cores: &[Option<usize>]) -> Self {
        Self {
            shared: Mutex::new(Shared {
                waiting: jobs.into_iter().collect(),
                running: 0,
                done: 0,
                took: Duration::ZERO,
                is_stopped: false,
            }),
            cores: cores.to_vec(),
        }
    }

    /// How many pieces wait.
    #[allow(clippy::len_without_is_empty, reason = "nobody asks that")]
    pub(crate) fn len(&self) -> usize {
        self.shared().waiting.len()
    }

    pub(crate) fn stop(&self) {
        self.shared().is_stopped = true;
    }

    /// How long all that wait take, at `each` a piece.
    pub(crate) fn left_at(&self, each: Duration) -> Duration {
        each * self.rounds(self.len())
    }

    /// How long the rest takes at the same pace, asked by a piece that took `this` and ends now; none when
    /// nothing further is begun.
    pub fn left(&self, this: Duration) -> Option<Duration> {
        let shared = self.shared();
        if shared.is_stopped || session::interrupted() {
            return None;
        }
        let done = u32::try_from(shared.done + 1).unwrap_or(u32::MAX);
        let (took, pieces) = (shared.took + this, shared.waiting.len() + shared.running);
        Some(took / done * self.rounds(pieces.saturating_sub(1)))
    }

    fn rounds(&self, pieces: usize) -> u32 {
        let rounds = pieces.div_ceil(self.cores.len().max(1));
        u32::try_from(rounds).unwrap_or(u32::MAX)
    }

    /// Does `work` on each piece. Returns what came of each, and the pieces that were not begun:
    /// none is begun after Ctrl-C, or after `stop`. Panics when `work` does.
    pub fn run<R: Send>(self, work: impl Fn(&Self, J, Place) -> R + Sync) -> (Vec<R>, Vec<J>) {
        let results = std::thread::scope(|scope| {
            let (queue, work) = (&self, &work);
            let threads: Vec<_> = self
                .cores
                .iter()
                .enumerate()
                .map(|(nth, &core)| scope.spawn(move || queue.at(Place { nth, core }, work)))
                .collect();
            let results = threads.into_iter().map(|thread| {
                let joined = thread.join();
                joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            });
            results.collect::<Vec<Vec<R>>>()
        });
        let shared = self.shared.into_inner();
        let waiting = shared.unwrap_or_else(PoisonError::into_inner).waiting;
        (results.into_iter().flatten().collect(), waiting.into())
    }

    fn at<R>(&self, place: Place, work: &(impl Fn(&Self, J, Place) -> R + Sync)) -> Vec<R> {
        let mut results = Vec::new();
        while let Some(job) = self.next() {
            let since = Instant::now();
            let result = work(self, job, place);
            let mut shared = self.shared();
            shared.running -= 1;
            shared.done += 1;
            shared.took += since.elapsed();
            results.push(result);
        }
        results
    }

    fn next(&self) -> Option<J> {
        let mut shared = self.shared();
        if shared.is_stopped || session::interrupted() {
            return None;
        }
        let job = shared.waiting.pop_front()?;
        shared.running += 1;
        Some(job)
    }

    fn shared(&self) -> MutexGuard<'_, Shared<J>> {
        // A thread that panicked ends the whole, when it is joined.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_piece_is_done_once_and_none_after_a_stop() {
        let cores = [Some(4), None];
        let (mut done, rest) = Queue::new(1..=9, &cores).run(|_, job, place| {
            assert_eq!(place.core, cores[place.nth]);
            job
        });
        done.sort_unstable();
        assert_eq!((done, rest), ((1..=9).collect(), Vec::new()));
        let (done, rest) = Queue::new(1..=9, &cores[..1]).run(|queue, job, _| {
            if job == 2 {
                queue.stop();
            }
            (job, queue.left(Duration::ZERO).is_some())
        });
        assert_eq!(done, [(1, true), (2, false)]);
        assert_eq!(rest, [3, 4, 5, 6, 7, 8, 9]);
    }

    #[test]
    fn what_waits_takes_as_long_as_the_fullest_core() {
        let queue = Queue::new(0..7, &[None, None]);
        assert_eq!(queue.left_at(Duration::from_secs(30)).as_secs(), 120);
    }
}
