//! Many inputs through a worker: in batches while all goes well, one by one where a worker died.
//!
//! A batch saves a small input most of what it costs. When a worker dies or falls silent in one, its unanswered
//! inputs are replayed one by one: whatever happens then is due to that input, and what is left of the worker's
//! counters is that input's.

use super::contents::Contents;
use super::source_map::SourceMap;
use super::worker_process::{Answer, Settings, Worker};
use crate::replay::Verdict;
use anyhow::{Context, Result};
use harness_core::counters::Profile;
use harness_core::worker::batch::SEND_AFTER;
use harness_core::worker::escape;
use std::collections::{BTreeSet, VecDeque};
use std::fs;
use std::ops::Range;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

/// How many inputs a batch has at most: also how many are run again when one of them kills a worker.
const BATCH_INPUTS: usize = 512;
/// A batch takes no more inputs when it has so many bytes.
const BATCH_BYTES: usize = 256 << 10;
/// How many batches are under way: the worker runs one, and has the next when it is done.
const BATCHES_AHEAD: usize = 2;
/// How long a worker may be silent in a batch before its inputs are replayed one by one, when the time-out of
/// one input is longer.
const BATCH_PATIENCE: Duration = Duration::from_secs(1);

/// What became of one input.
pub(super) enum Told<'a> {
    /// The answer's fields, escaped, and the probes reached with the class of how often.
    Answer(&'a [u8], &'a [(usize, u64)]),
    /// It could not be read.
    Unreadable(String),
    /// The worker died of it, and had reached these regions.
    Died(Verdict, BTreeSet<usize>),
}

/// What is asked of which inputs.
pub(super) struct Questions<'a> {
    pub(super) workers: Settings<'a>,
    pub(super) command: &'a str,
    pub(super) target: &'a str,
    pub(super) contents: &'a (dyn Contents + 'a),
    pub(super) map: &'a SourceMap,
    /// How long one input may take.
    pub(super) timeout: Duration,
}

/// Takes an input's place and what became of it.
type Visit<'a> = dyn FnMut(usize, Told<'_>) -> Result<()> + 'a;

/// Where a run is.
struct Progress<'a> {
    questions: &'a Questions<'a>,
    /// The first input that was not visited.
    next: usize,
    worker: Option<Worker>,
    workers_started: usize,
    hits: Vec<(usize, u64)>,
}

impl Questions<'_> {
    /// Asks about every input, and visits each in order.
    ///
    /// # Errors
    /// When a worker cannot be started or does not speak the protocol, and those of `visit`.
    pub(super) fn ask(&self, visit: &mut Visit<'_>) -> Result<()> {
        self.workers.prepare(self.map.probes())?;
        let mut progress = Progress {
            questions: self,
            next: 0,
            worker: None,
            workers_started: 0,
            hits: Vec::new(),
        };
        let count = self.contents.count();
        while progress.next < count {
            let mut worker = progress.take_worker()?;
            if !worker.takes_batches {
                progress.worker = Some(worker);
                progress.one_by_one(count, visit)?;
            } else if let Some(stopped) = progress.batches(&mut worker, visit)? {
                let how = worker.end(stopped.why);
                drop(worker);
                let died = progress.one_by_one(stopped.until, visit)?;
                if !died && stopped.why == RecvTimeoutError::Disconnected {
                    eprintln!("a worker died ({how}), and of no input that it then ran alone");
                }
            }
        }
        Ok(())
    }

    /// The inputs from `first` on that go together, and the request.
    fn batch(&self, first: usize) -> (Batch, Vec<u8>) {
        let mut payload = Vec::new();
        let mut unreadable = VecDeque::new();
        let mut next = first;
        let count = self.contents.count();
        while next < count && next - first < BATCH_INPUTS && payload.len() < BATCH_BYTES {
            if let Err(why) = self.append(next, &mut payload) {
                unreadable.push_back((next, why));
            }
            next += 1;
        }
        let inputs = next - first - unreadable.len();
        let request = self.request(inputs, &payload);
        let batch = Batch {
            places: first..next,
            unreadable,
        };
        (batch, request)
    }

    /// Appends an input with its length before it; nothing when it cannot be read.
    fn append(&self, place: usize, payload: &mut Vec<u8>) -> Result<(), String> {
        let start = payload.len();
        payload.extend_from_slice(&[0; 4]);
        let length = self.contents.append(place, payload).and_then(|()| {
            let length = payload.len() - start - 4;
            u32::try_from(length).map_err(|_| format!("{length} bytes are too many"))
        });
        match length {
            Ok(length) => {
                payload[start..start + 4].copy_from_slice(&length.to_le_bytes());
                Ok(())
            }
            Err(why) => {
                payload.truncate(start);
                Err(why)
            }
        }
    }

    fn request(&self, inputs: usize, payload: &[u8]) -> Vec<u8> {
        let (command, target) = (self.command, escape(self.target));
        let bytes = payload.len();
        let line = format!("batch\t{command}\t{target}\t{inputs}\t{bytes}\n");
        [line.as_bytes(), payload].concat()
    }
}

/// A batch that was sent.
struct Batch {
    places: Range<usize>,
    /// Those that could not be read, and are not in it.
    unreadable: VecDeque<(usize, String)>,
}

/// Where a worker stopped answering: before the batch that ends at `until` was through.
struct Stopped {
    until: usize,
    why: RecvTimeoutError,
}

impl Progress<'_> {
    fn take_worker(&mut self) -> Result<Worker> {
        if let Some(worker) = self.worker.take() {
            return Ok(worker);
        }
        self.workers_started += 1;
        self.questions.workers.start(self.workers_started)
    }

    /// Replays in batches until all is done or the worker stops answering.
    fn batches(&mut self, worker: &mut Worker, visit: &mut Visit<'_>) -> Result<Option<Stopped>> {
        let questions = self.questions;
        let patience = questions.timeout.min(BATCH_PATIENCE) + SEND_AFTER;
        let mut under_way: VecDeque<Batch> = VecDeque::new();
        let mut sent = self.next;
        loop {
            while under_way.len() < BATCHES_AHEAD && sent < questions.contents.count() {
                let (batch, request) = questions.batch(sent);
                worker.ask(request);
                sent = batch.places.end;
                under_way.push_back(batch);
            }
            let Some(mut batch) = under_way.pop_front() else {
                return Ok(None);
            };
            for place in batch.places.clone() {
                match batch.unreadable.front_mut() {
                    Some((unreadable, why)) if *unreadable == place => {
                        visit(place, Told::Unreadable(std::mem::take(why)))?;
                        batch.unreadable.pop_front();
                    }
                    _ => match worker.line(patience) {
                        Ok(line) => tell(place, line, &mut self.hits, visit)?,
                        Err(why) => {
                            let until = batch.places.end;
                            return Ok(Some(Stopped { until, why }));
                        }
                    },
                }
                self.next = place + 1;
            }
        }
    }

    /// Replays the inputs before `until` one by one. Says whether a worker died.
    fn one_by_one(&mut self, until: usize, visit: &mut Visit<'_>) -> Result<bool> {
        let questions = self.questions;
        let mut died = false;
        while self.next < until {
            let place = self.next;
            self.next += 1;
            let mut payload = Vec::new();
            if let Err(why) = questions.append(place, &mut payload) {
                visit(place, Told::Unreadable(why))?;
                continue;
            }
            let mut worker = self.take_worker()?;
            worker.ask(if worker.takes_batches {
                questions.request(1, &payload)
            } else {
                self.request_for_file(&payload[4..])?
            });
            match worker.line(questions.timeout) {
                Ok(line) => {
                    tell(place, line, &mut self.hits, visit)?;
                    self.worker = Some(worker);
                }
                Err(why) => {
                    died = true;
                    let verdict = match why {
                        RecvTimeoutError::Timeout => Verdict::hung(questions.timeout),
                        RecvTimeoutError::Disconnected => Verdict::died(&worker.end(why)),
                    };
                    // No more is counted once it is gone.
                    worker.end(why);
                    let counters =
                        Profile::open(&worker.profile).context("a dead worker's profile")?;
                    let regions = questions.map.reached_in(&counters, true)?;
                    visit(place, Told::Died(verdict, regions))?;
                }
            }
        }
        Ok(died)
    }

    /// A request for a worker that takes no batches: it reads a file.
    fn request_for_file(&self, content: &[u8]) -> Result<Vec<u8>> {
        let Questions {
            workers,
            command,
            target,
            ..
        } = self.questions;
        let file = workers.folder.join("input");
        fs::write(&file, content).context("an input could not be written for the worker")?;
        let file = file
            .to_str()
            .context("the temporary folder's name is not UTF-8")?;
        let (target, file) = (escape(target), escape(file));
        Ok(format!("{command}\t{target}\t{file}\n").into_bytes())
    }
}

fn tell(
    place: usize,
    line: &[u8],
    hits: &mut Vec<(usize, u64)>,
    visit: &mut Visit<'_>,
) -> Result<()> {
    let answer = Answer::of(line)?;
    answer.hits(hits)?;
    visit(place, Told::Answer(answer.fields, hits))
}
