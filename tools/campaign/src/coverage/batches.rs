//! Many inputs through workers: in batches while all goes well, one by one where a worker died.
//!
//! A batch saves most of what a small input costs. When a worker dies or falls silent in a batch, the
//! unanswered inputs are replayed one by one. What happens then is due to that input alone, and so are the
//! counters that a dead worker leaves.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use anyhow::{Context, Result};
use worker::batch::{Inputs, SEND_AFTER};
use worker::protocol::Command;

use super::contents::Contents;
use super::profile::Profile;
use super::worker_process::{Answer, Worker};
use crate::replay::Verdict;

/// How many inputs a batch has at most: also how many are run again when one of them kills a worker.
const BATCH_INPUTS: usize = 512;
/// A batch takes no more inputs when it has so many bytes.
const BATCH_BYTES: usize = 256 << 10;
/// How many batches are under way: the worker runs one, and has the next when it is done.
const BATCHES_AHEAD: usize = 2;
/// How long a worker may be silent in a batch before its inputs are replayed one by one, when one input may
/// take longer.
const BATCH_PATIENCE: Duration = Duration::from_secs(1);

/// What is asked of which inputs.
pub(super) struct Questions<'a> {
    pub(super) binary: &'a Path,
    /// The counters to watch, as [`worker::counters::parse_ranges`] reads them.
    pub(super) counters: String,
    /// To run or to trace.
    pub(super) command: Command,
    pub(super) target: &'a str,
    pub(super) contents: &'a (dyn Contents + 'a),
    /// How long one input may take.
    pub(super) timeout: Duration,
}

/// An input's place, its length in bytes (0 when it cannot be read), and the answer.
pub(super) type Visit<'a> = dyn FnMut(usize, usize, Answer) -> Result<()> + 'a;

/// Inputs that were sent together: the first one's place, and of each its length or why it could not be read.
/// Unreadable ones were not sent.
struct Batch {
    first: usize,
    lengths: Vec<Result<usize, String>>,
}

impl Batch {
    fn end(&self) -> usize {
        self.first + self.lengths.len()
    }
}

/// A worker that stopped answering within the batch that ends at `until`.
struct Stopped {
    until: usize,
    worker: Worker,
    why: RecvTimeoutError,
}

impl Questions<'_> {
    /// Asks about every input, and visits each in order.
    ///
    /// # Errors
    /// When a worker cannot be started or does not speak the protocol, and those of `visit`.
    pub(super) fn ask(&self, visit: &mut Visit<'_>) -> Result<()> {
        let mut next = 0;
        while let Some(Stopped {
            until,
            mut worker,
            why,
        }) = self.in_batches(&mut next, visit)?
        {
            let (_, how) = worker.end(why, BATCH_PATIENCE);
            drop(worker);
            let died = self.one_by_one(next..until, visit)?;
            if !died && why == RecvTimeoutError::Disconnected {
                eprintln!("in a batch {how}; no input that it ran alone is the cause");
            }
            next = until;
        }
        Ok(())
    }

    /// Replays the inputs from `next` on until all are done or a worker stops answering.
    fn in_batches(&self, next: &mut usize, visit: &mut Visit<'_>) -> Result<Option<Stopped>> {
        let count = self.contents.count();
        if *next == count {
            return Ok(None);
        }
        let patience = self.timeout.min(BATCH_PATIENCE) + SEND_AFTER;
        let mut worker = self.start()?;
        let mut under_way: VecDeque<Batch> = VecDeque::new();
        let mut sent = *next;
        loop {
            while under_way.len() < BATCHES_AHEAD && sent < count {
                let (batch, request) = self.batch(sent);
                worker.ask(request);
                sent = batch.end();
                under_way.push_back(batch);
            }
            let Some(batch) = under_way.pop_front() else {
                return Ok(None);
            };
            let until = batch.end();
            for length in batch.lengths {
                let (length, answer) = match length {
                    Err(why) => (0, Answer::unreadable(why)),
                    Ok(length) => match worker.line(patience) {
                        Ok(line) => (length, Answer::parse(line)?),
                        Err(why) => return Ok(Some(Stopped { until, worker, why })),
                    },
                };
                visit(*next, length, answer)?;
                *next += 1;
            }
        }
    }

    /// Replays inputs one by one. Returns whether a worker died.
    fn one_by_one(&self, places: std::ops::Range<usize>, visit: &mut Visit<'_>) -> Result<bool> {
        let mut running = None;
        let mut died = false;
        for place in places {
            let mut inputs = Inputs::default();
            let length = match self.append(place, &mut inputs) {
                Ok(length) => length,
                Err(why) => {
                    visit(place, 0, Answer::unreadable(why))?;
                    continue;
                }
            };
            let mut worker = match running.take() {
                Some(worker) => worker,
                None => self.start()?,
            };
            worker.ask(inputs.request(self.command, self.target));
            let answer = match worker.line(self.timeout) {
                Ok(line) => {
                    let answer = Answer::parse(line)?;
                    running = Some(worker);
                    answer
                }
                Err(why) => {
                    died = true;
                    // Nothing is counted any more once it has ended.
                    let (crash, _) = worker.end(why, self.timeout);
                    let profile =
                        Profile::read(worker.profile()).context("a dead worker's profile")?;
                    Answer {
                        verdict: Verdict::crashed(crash, self.target),
                        events: String::new(),
                        grown: profile.counters(),
                    }
                }
            };
            visit(place, length, answer)?;
        }
        Ok(died)
    }

    fn start(&self) -> Result<Worker> {
        Worker::start(self.binary, &self.counters)
    }

    /// The inputs from `first` on that go together, and the request.
    fn batch(&self, first: usize) -> (Batch, Vec<u8>) {
        let mut inputs = Inputs::default();
        let mut lengths = Vec::new();
        for place in first..self.contents.count().min(first + BATCH_INPUTS) {
            lengths.push(self.append(place, &mut inputs));
            if inputs.bytes() >= BATCH_BYTES {
                break;
            }
        }
        let request = inputs.request(self.command, self.target);
        (Batch { first, lengths }, request)
    }

    /// Appends an input, and returns its length; appends nothing when it cannot be read.
    fn append(&self, place: usize, inputs: &mut Inputs) -> Result<usize, String> {
        inputs.append(|bytes| self.contents.append(place, bytes))
    }
}
