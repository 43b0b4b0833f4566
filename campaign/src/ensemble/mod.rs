//! Several engines on one target at once, which give each other what they find.
//!
//! Each engine reads others' inputs by its own means: AFL++'s `-F`, libFuzzer's `-reload`, honggfuzz's
//! `--dynamic_input` ([`exchange`]). AFL++'s instances among themselves, and libFuzzer's workers, exchange
//! without us. Everything that any of them keeps goes into one [`pool`] as soon as it is seen, and shortly before
//! the end there is a last exchange.
//!
//! - [`allocation`]: which engine gets how many cores.
//! - [`turns`]: fewer cores than engines.
//! - [`member`]: one engine: its processes, restarts, files.
//! - [`processes`]: processor time used, and what a killed run left running.
//! - [`live`]: what is measured while it runs: regions on the neutral build, finds with their checks.
//! - [`status`]: what is shown and written of it.
//!
//! No end of one process ends the ensemble. libFuzzer stops at each find and is started again; a process that
//! dies is started again a few times, and then the others go on without it.

pub mod allocation;
mod exchange;
pub mod live;
pub mod member;
pub mod pool;
pub mod processes;
pub mod status;
mod turns;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};
use rustix::process::Signal;

use crate::corpus::Store;
use crate::engine::session::{self, Sample, Session};
use crate::engine::{Build, Engine, Kept, Task, afl, honggfuzz, libfuzzer};
use allocation::Share;
use member::Member;
use pool::{Entry, Pool};
use processes::Processes;

/// How often processes are looked after.
const TICK: Duration = Duration::from_millis(100);
/// How often figures are read, and inputs exchanged.
const LOOK: Duration = Duration::from_secs(1);
/// Reading folders may take one part in so many of the time.
const SHARE_OF_TIME: u32 = 20;
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

/// What became of one engine.
#[derive(Debug)]
pub struct MemberOutcome {
    /// The engine.
    pub engine: Engine,
    /// How many cores it had.
    pub workers: usize,
    /// What it did. `kept` are the inputs that it was the first to keep, in the pool.
    pub session: Session,
    /// How many inputs it was given.
    pub given: usize,
    /// How many of its inputs others were given.
    pub gave: usize,
    /// The processor time that it used.
    pub core_time: Duration,
}

/// What became of an ensemble.
#[derive(Debug)]
pub struct Outcome {
    /// When it was started.
    pub start: SystemTime,
    /// How long it ran.
    pub elapsed: Duration,
    /// Each engine.
    pub members: Vec<MemberOutcome>,
    /// All that was kept, in the order in which it came.
    pub entries: Vec<Entry>,
    /// The files that the engines keep as they were at the end: some are shortened since they were seen first.
    pub files: Vec<PathBuf>,
    /// Whether Ctrl-C ended it.
    pub interrupted: bool,
}

impl Outcome {
    /// The processor time of all engines.
    #[must_use]
    pub fn core_time(&self) -> Duration {
        self.members.iter().map(|member| member.core_time).sum()
    }

    /// The ensemble as if it were one engine: executions are added up, inputs are in order of arrival.
    #[must_use]
    pub fn as_session(&self) -> Session {
        let sessions = || self.members.iter().map(|member| &member.session);
        let mut times: Vec<Duration> = sessions()
            .flat_map(|session| session.samples.iter().map(|sample| sample.time))
            .collect();
        times.sort_unstable();
        times.dedup();
        let samples = times.into_iter().map(|time| Sample {
            time,
            executions: sessions().map(|session| session.executions_at(time)).sum(),
        });
        let failures: Vec<String> = sessions()
            .filter_map(|session| session.failure.clone())
            .collect();
        Session {
            command: sessions()
                .map(|session| session.command.as_str())
                .collect::<Vec<_>>()
                .join("\n"),
            start: self.start,
            elapsed: self.elapsed,
            seeds_read: sessions().map(|one| one.seeds_read).min().unwrap_or(0),
            status: crate::engine::Status {
                executions: sessions().map(|one| one.status.executions).sum(),
                corpus: self.entries.len() as u64,
                stability: None,
            },
            samples: samples.collect(),
            kept: self.entries.iter().map(kept).collect(),
            finds: sessions().flat_map(|one| one.finds.clone()).collect(),
            interrupted: self.interrupted,
            failure: (!failures.is_empty()).then(|| failures.join("\n")),
        }
    }
}

fn kept(entry: &Entry) -> Kept {
    Kept {
        path: entry.path.clone(),
        time: entry.time,
        executions: None,
    }
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
    running.exchange(true)?;
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
            self.take_turns(elapsed);
            self.tend(end - elapsed)?;
            if (session::interrupted() || stopping) && !was_last_exchange {
                // Once more, and then a moment to read it.
                end = end.min(elapsed + LAST_READING);
                last_exchange_at = elapsed;
            }
            if elapsed >= last_exchange_at && !was_last_exchange {
                was_last_exchange = true;
                self.exchange(false)?;
                if end == time {
                    for member in &mut self.members {
                        member.read_others_once_more();
                    }
                }
            }
            if elapsed >= next_exchange {
                self.exchange(false)?;
                let took = self.clock.elapsed() - elapsed;
                next_exchange = self.clock.elapsed() + LOOK.max(took * SHARE_OF_TIME);
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

    /// Takes what is new from every engine, and gives it to the others.
    fn exchange(&mut self, all: bool) -> Result<()> {
        for member in &mut self.members {
            member.scan(&mut self.pool, self.start, all)?;
        }
        if !all {
            for member in &mut self.members {
                exchange::give(member, &self.pool)?;
            }
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

/// Saves what a run in `folder` that was interrupted or killed left behind, and ends what still runs of it.
/// Returns how many inputs and finds were new, and how many processes were ended.
///
/// # Errors
/// When something cannot be read or written.
pub fn save_left_behind(
    folder: &Path,
    sharing: Option<&AflSharing>,
    corpus: &Store,
    finds: impl Fn(Engine) -> Result<Store>,
) -> Result<(usize, usize, usize)> {
    let ended = processes::end_left_behind(&folder.join("processes"))?;
    let mut inputs = crate::corpus::files_in(&folder.join("pool"))?;
    let mut saved_finds = 0;
    for engine in Engine::ALL {
        let task = Task {
            max_input: 0,
            inputs: folder.join("inputs"),
            folder: folder.join(engine.name()),
            dictionary: None,
            time: Duration::ZERO,
        };
        let mut found = Vec::new();
        match engine {
            Engine::Afl => {
                let mut instances = afl::instances_in(&task.output())?;
                if let Some(sharing) = sharing {
                    let all = afl::instances_in(&sharing.folder)?.into_iter();
                    instances.extend(all.filter(|instance| is_of(sharing, instance)));
                }
                for instance in instances {
                    inputs.extend(crate::corpus::files_in(&instance.join("queue"))?);
                    found.extend(afl::instance_finds(&instance)?);
                }
            }
            Engine::Libfuzzer => {
                inputs.extend(crate::corpus::files_in(&task.output())?);
                found.extend(libfuzzer::finds(&task)?);
            }
            Engine::Honggfuzz => {
                inputs.extend(crate::corpus::files_in(&task.output())?);
                found.extend(honggfuzz::finds(&task)?);
            }
        }
        saved_finds += finds(engine)?.add_files(found.iter().map(PathBuf::as_path))?;
    }
    let saved = corpus.add_files(inputs.iter().map(PathBuf::as_path))?;
    Ok((saved, saved_finds, ended))
}

/// Whether an instance's folder is one of this machine's.
fn is_of(sharing: &AflSharing, instance: &Path) -> bool {
    let name = instance.file_name().unwrap_or_default().to_string_lossy();
    name.strip_prefix(sharing.name.as_str())
        .is_some_and(|rest| {
            let number = rest.strip_prefix('-').map(str::parse::<usize>);
            rest.is_empty() || number.is_some_and(|number| number.is_ok())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_exchange_leaves_time_to_read() {
        let at = |seconds| last_exchange(Duration::from_secs(seconds)).as_secs();
        assert_eq!((at(9), at(30), at(200), at(86_400)), (3, 8, 10, 30));
    }

    #[test]
    fn what_a_killed_run_left_is_saved_and_other_machines_instances_are_not_ours() {
        let folder = tempfile::tempdir().unwrap();
        for file in [
            "run/pool/a",
            "run/libfuzzer/output/b",
            "run/libfuzzer/finds/crash-1",
            "run/honggfuzz/output/c",
            "run/honggfuzz/finds/SIG",
            "shared/here/queue/id:000000",
            "shared/here-2/queue/id:000000",
            "shared/here-2/crashes/id:000000",
            "shared/hereafter/queue/id:000000",
            "shared/there/crashes/id:000000",
        ] {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, file).unwrap();
        }
        let sharing = AflSharing {
            folder: folder.path().join("shared"),
            name: "here".to_owned(),
            is_main: true,
        };
        let corpus = Store::open(&folder.path().join("corpus")).unwrap();
        let finds = |engine: Engine| Store::open(&folder.path().join("finds").join(engine.name()));
        let run = folder.path().join("run");
        let saved = save_left_behind(&run, Some(&sharing), &corpus, finds).unwrap();
        assert_eq!(saved, (5, 3, 0));
        let again = save_left_behind(&run, Some(&sharing), &corpus, finds).unwrap();
        assert_eq!(again, (0, 0, 0));
    }

    #[test]
    fn an_ensemble_as_one_engine_adds_up() {
        let session = |executions, step| Session {
            command: "x".to_owned(),
            start: SystemTime::UNIX_EPOCH,
            elapsed: Duration::from_secs(10),
            seeds_read: step,
            status: crate::engine::Status {
                executions,
                ..Default::default()
            },
            samples: vec![Sample {
                time: Duration::from_secs(step),
                executions,
            }],
            kept: Vec::new(),
            finds: vec!["find".into()],
            interrupted: false,
            failure: None,
        };
        let member = |engine, session| MemberOutcome {
            engine,
            workers: 1,
            session,
            given: 0,
            gave: 0,
            core_time: Duration::from_secs(3),
        };
        let outcome = Outcome {
            start: SystemTime::UNIX_EPOCH,
            elapsed: Duration::from_secs(10),
            members: vec![
                member(Engine::Afl, session(100, 10)),
                member(Engine::Honggfuzz, session(40, 5)),
            ],
            entries: Vec::new(),
            files: Vec::new(),
            interrupted: false,
        };
        assert_eq!(outcome.core_time(), Duration::from_secs(6));
        let one = outcome.as_session();
        assert_eq!((one.status.executions, one.seeds_read), (140, 5));
        let samples: Vec<(u64, u64)> = one
            .samples
            .iter()
            .map(|sample| (sample.time.as_secs(), sample.executions))
            .collect();
        assert_eq!(samples, [(5, 50 + 40), (10, 140)]);
        assert_eq!(one.finds.len(), 2);
    }
}
