//! Several engines on one target at once, which give each other what they find.
//!
//! Each engine reads others' inputs by its own means: AFL++'s `-F`, libFuzzer's `-reload`, honggfuzz's
//! `--dynamic_input` (`exchange`). AFL++'s instances among themselves, and libFuzzer's workers, exchange
//! without us. Everything that any of them keeps goes into one [`pool`] as soon as it is seen, and shortly before
//! the end there is a last exchange.
//!
//! - [`allocation`]: which engine gets how many cores.
//! - `turns`: fewer cores than engines.
//! - [`left_behind`]: what a run that was killed left.
//! - [`outcome`]: what became of it.
//! - [`member`]: one engine: its processes, restarts, files.
//! - [`processes`]: processor time used, and what a killed run left running.
//! - [`live`]: what is measured while it runs: regions on the neutral build, finds with their checks.
//! - [`status`]: what is shown and written of it.
//! - [`trials`]: whether engines together reach more than the best of them alone.
//!
//! No end of one process ends the ensemble. libFuzzer stops at each find and is started again; a process that
//! dies is started again a few times, and then the others go on without it.

pub mod allocation;
mod exchange;
mod files;
pub mod left_behind;
pub mod live;
pub mod member;
pub mod outcome;
pub mod pool;
pub mod processes;
pub mod status;
pub mod trials;
mod turns;
mod worker;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};
use rustix::process::Signal;

use crate::engine::session::{self, Sample, Session};
use crate::engine::{Build, Engine, Kept, Task};
use allocation::Share;
use member::Member;
use outcome::kept;
pub use outcome::{MemberOutcome, Outcome};
use pool::Pool;
use processes::Processes;

/// How often processes are looked after.
const TICK: Duration = Duration::from_millis(100);
/// How often figures are read, and inputs exchanged.
const LOOK: Duration = Duration::from_secs(1);
/// How long an exchange may take of each second, so that processes are looked after meanwhile; what it has not
/// come to has its turn a second later.
const EXCHANGE: Duration = Duration::from_millis(500);
/// How long the last exchange may take.
const LAST_EXCHANGE: Duration = Duration::from_secs(3);
/// How long engines have to read what they are given last when the ensemble is interrupted.
const LAST_READING: Duration = Duration::from_millis(2500);
/// How long a process may take to end when it is asked to.
const GRACE: Duration = Duration::from_secs(15);

/// An AFL++ output folder that instances on other machines share, or that is kept in step with theirs.
#[derive(Debug, Clone)]
pub struct AflSharing {
    /// The folder, AFL++'s `-o`. What others have put there is read and never changed.
    pub folder: PathBuf,
    /// The name of this machine's first instance; further ones are called `NAME-2`, `NAME-3`, …
    pub name: String,
    /// Whether this machine has the main instance.
    pub is_main: bool,
}

/// What an ensemble is to do.
#[derive(Debug)]
pub struct Plan<'a> {
    /// Which engines, on which cores: see [`allocation::allocate`].
    pub shares: &'a [Share],
    /// The builds of the target, one for each engine of `shares`.
    pub builds: &'a BTreeMap<Engine, Build>,
    /// The inputs to begin from; none of them fails.
    pub inputs: &'a [PathBuf],
    /// The longest input to make, in bytes.
    pub max_input: usize,
    /// Whether the target lets engines see comparisons.
    pub comparisons_are_seen: bool,
    /// The dictionary.
    pub dictionary: Option<PathBuf>,
    /// The folder of this run; it is emptied.
    pub folder: PathBuf,
    /// How many engines may run at once; when there are more, they take turns.
    pub at_once: usize,
    /// How long.
    pub time: Duration,
    /// The folder in which AFL++ works with other machines' instances, if it does.
    pub sharing: Option<AflSharing>,
}

/// An ensemble while it runs, about every second.
#[derive(Debug)]
pub struct View<'a> {
    /// Since the start.
    pub elapsed: Duration,
    /// The engines.
    pub members: &'a [Member],
    /// All that they have kept.
    pub pool: &'a Pool,
    /// Files with finds that are new since the last view.
    pub finds: &'a [(Engine, PathBuf)],
    /// What is to be said of processes that died.
    pub said: &'a [String],
}

/// Runs an ensemble. `look` is called about every second, and once when all has ended.
///
/// # Errors
/// When a folder cannot be read or written. An engine that cannot be started or dies is no error: see
/// [`Session::failure`] of its outcome.
pub fn run(plan: &Plan<'_>, look: &mut dyn FnMut(&View<'_>) -> ControlFlow<()>) -> Result<Outcome> {
    session::empty(&plan.folder)?;
    let inputs = plan.folder.join("inputs");
    session::lay_out(plan.inputs, &inputs)?;
    let pool = Pool::new(&plan.folder.join("pool"), plan.inputs)?;
    let alone = plan.shares.len() == 1;
    let members = plan.shares.iter().map(|share| {
        let task = Task {
            max_input: plan.max_input,
            inputs: inputs.clone(),
            folder: plan.folder.join(share.engine.name()),
            dictionary: plan.dictionary.clone(),
            comparisons_are_seen: plan.comparisons_are_seen,
            time: plan.time,
        };
        std::fs::create_dir_all(&task.folder)
            .with_context(|| format!("{} cannot be made", task.folder.display()))?;
        let build = plan
            .builds
            .get(&share.engine)
            .with_context(|| format!("{} was not built", share.engine.title()))?;
        Ok(Member::new(
            share,
            build,
            task,
            plan.sharing.as_ref(),
            alone,
        ))
    });
    let mut running = Running {
        members: members.collect::<Result<_>>()?,
        at_once: plan.at_once.max(1),
        turn: None,
        ended: None,
        pool,
        start: SystemTime::now(),
        clock: Instant::now(),
        samples: BTreeMap::new(),
        record: plan.folder.join("processes"),
        said: Vec::new(),
    };
    let ended = running.until_the_end(plan.time, look);
    // Whatever happened, no engine is left running.
    let stopped = running.stop();
    ended.and(stopped)?;
    running.take_the_rest()?;
    // There is nothing left to stop.
    let _ = running.look(look)?;
    running.outcome()
}

#[derive(Debug)]
struct Running {
    members: Vec<Member>,
    at_once: usize,
    /// The turn that it is.
    turn: Option<usize>,
    pool: Pool,
    start: SystemTime,
    clock: Instant,
    /// When the engines were told to end, since the start.
    ended: Option<Duration>,
    samples: BTreeMap<Engine, Vec<Sample>>,
    /// The file with the processes that run.
    record: PathBuf,
    said: Vec<String>,
}

impl Running {
    fn until_the_end(
        &mut self,
        time: Duration,
        look: &mut dyn FnMut(&View<'_>) -> ControlFlow<()>,
    ) -> Result<()> {
        let mut next_look = self.clock.elapsed() + LOOK;
        let mut next_exchange = next_look;
        let mut end = time;
        let mut last_exchange_at = time.saturating_sub(last_exchange(time));
        let mut was_last_exchange = false;
        let mut stopping = false;
        loop {
            let elapsed = self.clock.elapsed();
            if elapsed >= end || self.members.iter().all(Member::is_dead) {
                return Ok(());
            }
            match was_last_exchange {
                false => self.take_turns(elapsed),
                // All run, on the cores that they have, so that all can read; AFL++ has to start for it.
                true => self
                    .members
                    .iter_mut()
                    .for_each(|member| member.pause(false)),
            }
            self.tend(end - elapsed)?;
            if (session::interrupted() || stopping) && !was_last_exchange {
                // Once more, and then a moment to read it.
                end = end.min(elapsed + LAST_READING);
                last_exchange_at = elapsed;
            }
            if elapsed >= last_exchange_at && !was_last_exchange {
                was_last_exchange = true;
                if end == time {
                    // While they end, what they are to read is put in place.
                    for member in &mut self.members {
                        member.pause(false);
                        member.read_others_once_more();
                    }
                }
                self.exchange(LAST_EXCHANGE)?;
            }
            if elapsed >= next_exchange {
                self.exchange(EXCHANGE)?;
                next_exchange = self.clock.elapsed() + LOOK;
            }
            if elapsed >= next_look {
                stopping |= self.look(look)?.is_break();
                next_look = self.clock.elapsed() + LOOK;
            }
            sleep(TICK);
        }
    }

    /// Stops and continues engines, when there are more than may run at once.
    fn take_turns(&mut self, elapsed: Duration) {
        let turn = (elapsed.as_millis() / turns::TURN.as_millis()) as usize;
        if self.turn == Some(turn) {
            return;
        }
        self.turn = Some(turn);
        let mut alive: Vec<&mut Member> = self.members.iter_mut().collect();
        alive.retain(|member| !member.is_dead());
        let running = turns::running(turn, alive.len(), self.at_once);
        // Who has to wait makes room first.
        for waits in [true, false] {
            for (place, member) in alive.iter_mut().enumerate() {
                if running.contains(&place) != waits {
                    member.pause(waits);
                }
            }
        }
    }

    fn tend(&mut self, left: Duration) -> Result<()> {
        let mut changed = false;
        for member in &mut self.members {
            let (said, other_processes) = member.tend(left)?;
            self.said.extend(said);
            changed |= other_processes;
        }
        if changed {
            let running: Vec<u32> = self.members.iter().flat_map(Member::running).collect();
            processes::record(&self.record, &running)?;
        }
        Ok(())
    }

    /// Takes what is new from every engine, and gives it to the others, for about as long as `budget` says: each
    /// engine has its part of that for taking, and for giving.
    fn exchange(&mut self, budget: Duration) -> Result<()> {
        let parts = u32::try_from(2 * self.members.len()).unwrap_or(u32::MAX);
        let part = budget / parts.max(1);
        for member in &mut self.members {
            member.scan(&mut self.pool, self.start, Some(Instant::now() + part))?;
        }
        for member in &mut self.members {
            exchange::give(member, &self.pool, Instant::now() + part)?;
        }
        Ok(())
    }

    /// Takes all that engines which have ended have left.
    fn take_the_rest(&mut self) -> Result<()> {
        for member in &mut self.members {
            member.scan(&mut self.pool, self.start, None)?;
        }
        Ok(())
    }

    fn look(
        &mut self,
        look: &mut dyn FnMut(&View<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>> {
        let processes = Processes::now();
        let elapsed = self.ended.unwrap_or_else(|| self.clock.elapsed());
        let mut finds = Vec::new();
        for member in &mut self.members {
            member.look(&processes);
            self.samples.entry(member.engine).or_default().push(Sample {
                time: elapsed,
                executions: member.status.executions,
            });
            let new = member.new_finds()?;
            finds.extend(new.into_iter().map(|path| (member.engine, path)));
        }
        Ok(look(&View {
            elapsed,
            members: &self.members,
            pool: &self.pool,
            finds: &finds,
            said: &std::mem::take(&mut self.said),
        }))
    }

    /// Ends every engine, and waits until it has ended.
    fn stop(&mut self) -> Result<()> {
        self.ended = Some(self.clock.elapsed());
        let processes = Processes::now();
        for member in &mut self.members {
            member.look(&processes);
            member.pause(false);
            member.stop(Signal::INT);
        }
        let asked = Instant::now();
        let mut killed = false;
        while !self.members.iter().all(Member::is_over) {
            for member in &mut self.members {
                member.tend(Duration::ZERO)?;
                if !killed && asked.elapsed() > GRACE {
                    member.stop(Signal::KILL);
                }
            }
            killed |= asked.elapsed() > GRACE;
            sleep(TICK);
        }
        // All of them have ended: there is nothing for a later run to end.
        let _ = std::fs::remove_file(&self.record);
        Ok(())
    }

    fn outcome(self) -> Result<Outcome> {
        let elapsed = self.ended.unwrap_or_else(|| self.clock.elapsed());
        let interrupted = session::interrupted();
        let entries = self.pool.entries();
        let mut members = Vec::new();
        let mut files = Vec::new();
        for member in &self.members {
            files.extend(member.files()?);
            let own = entries.iter().filter(|entry| entry.engine == member.engine);
            let mut kept: Vec<Kept> = own.map(kept).collect();
            kept.sort_by(|a, b| (a.time, &a.path).cmp(&(b.time, &b.path)));
            let seeds_read = member.seeds_read();
            let status = crate::engine::Status {
                corpus: kept.len() as u64,
                ..member.status
            };
            let useless = |what: &str| {
                let log = member.task.log();
                Some(format!(
                    "{} {what}; the end of {}:\n{}",
                    member.engine.title(),
                    log.display(),
                    session::end_of(&log)
                ))
            };
            let failure = member
                .failure()
                .or_else(|| match (status.executions, seeds_read) {
                    _ if interrupted => None,
                    (0, _) => useless("executed nothing"),
                    (_, 0) => useless("read no seeds"),
                    _ => None,
                });
            let readers = self.members.iter();
            let has_readers = readers
                .filter(|other| other.engine != member.engine)
                .any(|other| other.reads_others);
            members.push(MemberOutcome {
                engine: member.engine,
                workers: member.workers,
                given: member.given,
                gave: if has_readers { kept.len() } else { 0 },
                core_time: member.core_time(),
                session: Session {
                    command: member.command.clone(),
                    start: self.start,
                    elapsed,
                    seeds_read,
                    status,
                    samples: self.samples[&member.engine].clone(),
                    kept,
                    finds: member.find_files()?,
                    interrupted,
                    failure,
                },
            });
        }
        let mut entries = self.pool.entries().to_vec();
        entries.sort_by(|a, b| (a.time, &a.path).cmp(&(b.time, &b.path)));
        Ok(Outcome {
            start: self.start,
            elapsed,
            members,
            entries,
            files,
            interrupted,
        })
    }
}

/// How long before the end the last exchange is: time enough for AFL++ to start again and read.
fn last_exchange(time: Duration) -> Duration {
    let usual = (time / 20).clamp(Duration::from_secs(8), Duration::from_secs(30));
    usual.min(time / 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_exchange_leaves_time_to_read() {
        let at = |seconds| last_exchange(Duration::from_secs(seconds)).as_secs();
        assert_eq!((at(9), at(30), at(200), at(86_400)), (3, 8, 10, 30));
    }
}
