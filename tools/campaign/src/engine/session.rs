//! One engine on one target, or several at once that give each other what they find: started, watched,
//! stopped, and read.
//!
//! Each engine reads others' inputs by its own means (`exchange`). AFL++'s instances among themselves, and
//! libFuzzer's workers, exchange without us.

mod allocation;
mod exchange;
mod member;
mod outcome;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Result, ensure};
use fs_err as fs;
use rustix::process::Signal;
use worker::TargetInfo;

use super::afl::Sharing;
use super::{Build, Engine, Task, afl, finds_in, kept_in};
use crate::corpus::files_in;
use crate::supervisor::{self, Times};
pub use exchange::{Kept, Pool};
use member::Member;
pub use outcome::{Figures, Outcome, Sample, Session};

/// How often processes are looked after.
const TICK: Duration = Duration::from_millis(100);
/// How often figures are read when nothing else is asked for. Several engines exchange inputs at least as often.
const LOOK: Duration = Duration::from_secs(1);
/// How often a process that dies is started again in a session of several: the others go on meanwhile.
const RESTARTS: u32 = 3;
/// How long a process may take to end when it is asked to.
const GRACE: Duration = Duration::from_secs(15);

pub use cli::interrupt::{INTERRUPTED, interrupted, stop_on_ctrl_c};

/// What a session is to do.
#[derive(Debug, Clone)]
pub struct Setup<'a> {
    /// The engines, each with its build of the target.
    pub builds: &'a BTreeMap<Engine, Build>,
    /// The inputs to begin from.
    pub inputs: &'a [PathBuf],
    /// The longest input to make, in bytes.
    pub max_input: usize,
    /// Whether the target lets engines see comparisons.
    pub compare_tracing: bool,
    /// Whether libFuzzer is guided by compared values too.
    pub value_profile: bool,
    /// The dictionary.
    pub dictionary: Option<PathBuf>,
    /// The folder of this session; it is emptied. One engine works in it, several in folders of their own below.
    pub folder: PathBuf,
    /// The cores to use, by the system's numbers; any when there is none.
    pub cores: Vec<usize>,
    /// How many engines, or workers of engines, run at once: one or more. When there are more engines, they take turns.
    pub at_once: usize,
    /// How long.
    pub time: Duration,
    /// How often figures are read, and inputs that an engine may replace are preserved.
    pub snapshot: Duration,
    /// The folder in which AFL++ works with other machines' instances, if it does.
    pub sharing: Option<Sharing>,
}

impl<'a> Setup<'a> {
    /// These engines on `target` for `time` in `folder`, on one core, which any may be.
    pub fn new(
        target: &TargetInfo,
        builds: &'a BTreeMap<Engine, Build>,
        inputs: &'a [PathBuf],
        folder: PathBuf,
        time: Duration,
    ) -> Self {
        Self {
            builds,
            inputs,
            max_input: target.max_input,
            compare_tracing: target.compare_tracing,
            value_profile: false,
            dictionary: None,
            folder,
            cores: Vec::new(),
            at_once: 1,
            time,
            snapshot: LOOK,
            sharing: None,
        }
    }
}

/// A session while it runs.
#[derive(Debug)]
pub struct View<'a> {
    /// Since the start.
    pub elapsed: Duration,
    /// How each engine stands.
    pub engines: &'a [Figures],
    /// All that they have kept.
    pub pool: &'a Pool,
    /// Files with finds that are new since the last view.
    pub finds: &'a [(Engine, PathBuf)],
    /// What should be reported of processes that died.
    pub events: &'a [String],
}

/// What is called with each [`View`]; it decides whether to go on.
pub type Look<'a> = &'a mut dyn FnMut(&View<'_>) -> ControlFlow<()>;

/// Runs engines for the time given. What was in their folder is thrown away. `look` is called about once every `snapshot`, and once when all has
/// ended. Fails when a folder cannot be read or written, or an engine that is never restarted cannot be started. An
/// engine that dies is no error: see [`Session::failure`].
pub fn run(setup: &Setup<'_>, look: Look<'_>) -> Result<Session> {
    ensure!(!setup.builds.is_empty(), "a session needs an engine");
    // An engine without seeds has not fuzzed what we mean.
    ensure!(
        !setup.inputs.is_empty(),
        "a session needs inputs to begin from"
    );
    let folder = &setup.folder;
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    let inputs = folder.join("inputs");
    let pool = Pool::new(&folder.join("pool"), &inputs, setup.inputs)?;
    let mut running = Running {
        setup,
        members: members(setup, &inputs)?,
        turn: None,
        pool,
        start: SystemTime::now(),
        clock: Instant::now(),
        ended: None,
        was_cut: false,
        events: Vec::new(),
    };
    let ended = running.until_the_end(look);
    // Whatever happened, no engine is left running.
    let stopped = running.stop();
    ended.and(stopped)?;
    for member in &mut running.members {
        member.scan(&mut running.pool, running.start, None)?;
    }
    // There is nothing left to stop.
    let _ = running.look(look)?;
    running.session()
}

fn members(setup: &Setup<'_>, inputs: &Path) -> Result<Vec<Member>> {
    let engines: Vec<Engine> = setup.builds.keys().copied().collect();
    let alone = engines.len() == 1;
    let restarts = if engines.len().max(setup.at_once) == 1 {
        0
    } else {
        RESTARTS
    };
    let shares = allocation::allocate(&engines, setup.at_once, &setup.cores);
    let member = |(engine, workers): (Engine, Vec<Vec<usize>>)| {
        let sharing = setup.sharing.as_ref().filter(|_| engine == Engine::Afl);
        let folder = match alone {
            true => setup.folder.clone(),
            false => setup.folder.join(engine.name()),
        };
        let task = Task {
            max_input: setup.max_input,
            inputs: inputs.to_owned(),
            sharing: sharing.cloned(),
            folder,
            dictionary: setup.dictionary.clone(),
            compare_tracing: setup.compare_tracing,
            value_profile: setup.value_profile,
            workers: workers.len(),
            pool: (!alone).then(|| setup.folder.join("pool")),
            instances: match engine {
                Engine::Afl => afl::instances(workers.len(), alone, sharing),
                Engine::Libfuzzer | Engine::Honggfuzz => Vec::new(),
            },
        };
        let build = &setup.builds[&engine];
        Member::new(engine, build, task, workers, restarts)
    };
    shares.into_iter().map(member).collect()
}

#[derive(Debug)]
struct Running<'a> {
    setup: &'a Setup<'a>,
    members: Vec<Member>,
    turn: Option<usize>,
    pool: Pool,
    start: SystemTime,
    clock: Instant,
    /// When the engines were asked to end, since the start.
    ended: Option<Duration>,
    /// Whether they were before their time.
    was_cut: bool,
    events: Vec<String>,
}

impl Running<'_> {
    fn until_the_end(&mut self, look: Look<'_>) -> Result<()> {
        let (time, snapshot) = (self.setup.time, self.setup.snapshot);
        let every = match self.members.len() {
            1 => snapshot,
            _ => snapshot.min(LOOK),
        };
        let mut next = every;
        loop {
            let elapsed = self.clock.elapsed();
            self.was_cut |= interrupted();
            if self.was_cut || elapsed >= time || self.members.iter().all(Member::is_dead) {
                return Ok(());
            }
            self.take_turns(elapsed);
            for member in &mut self.members {
                self.events.extend(member.tend(time - elapsed)?);
            }
            if elapsed >= next {
                // Half of the time at most, so that processes are looked after meanwhile; the rest has its turn
                // the next time.
                self.exchange(every / 2)?;
                self.was_cut |= self.look(look)?.is_break();
                next = self.clock.elapsed() + every;
            }
            sleep(TICK);
        }
    }

    /// Stops and continues engines, when there are more than may run at once.
    fn take_turns(&mut self, elapsed: Duration) {
        let turn = (elapsed.as_millis() / allocation::TURN.as_millis()) as usize;
        if self.turn == Some(turn) {
            return;
        }
        self.turn = Some(turn);
        let mut alive: Vec<&mut Member> = self.members.iter_mut().collect();
        alive.retain(|member| !member.is_dead());
        let running = allocation::running(turn, alive.len(), self.setup.at_once);
        // Who has to wait makes room first.
        for waits in [true, false] {
            for (place, member) in alive.iter_mut().enumerate() {
                if running.contains(&place) != waits {
                    member.pause(waits);
                }
            }
        }
    }

    /// Takes what is new from every engine, and gives it to the others, for about `budget`: each
    /// engine has its part of that for taking, and for giving.
    fn exchange(&mut self, budget: Duration) -> Result<()> {
        let parts = u32::try_from(2 * self.members.len()).unwrap_or(u32::MAX);
        let part = budget / parts.max(1);
        for member in &mut self.members {
            member.scan(&mut self.pool, self.start, Some(Instant::now() + part))?;
        }
        for member in &mut self.members {
            member.give(&self.pool, Instant::now() + part)?;
        }
        Ok(())
    }

    fn look(&mut self, look: Look<'_>) -> Result<ControlFlow<()>> {
        let times = Times::now();
        let elapsed = self.ended.unwrap_or_else(|| self.clock.elapsed());
        let mut finds = Vec::new();
        for member in &mut self.members {
            member.look(&times, elapsed);
            let new = member.new_finds()?;
            finds.extend(new.into_iter().map(|path| (member.engine, path)));
        }
        let figures = self.members.iter().map(|one| one.figures(&self.pool));
        Ok(look(&View {
            elapsed,
            engines: &figures.collect::<Vec<_>>(),
            pool: &self.pool,
            finds: &finds,
            events: &std::mem::take(&mut self.events),
        }))
    }

    /// Ends every engine, and waits until it has ended.
    fn stop(&mut self) -> Result<()> {
        let elapsed = self.clock.elapsed();
        self.ended = Some(elapsed);
        let times = Times::now();
        for member in &mut self.members {
            member.look(&times, elapsed);
            member.pause(false);
            member.stop(Signal::INT);
        }
        let asked = Instant::now();
        while !self.members.iter().all(Member::is_over) {
            let is_overdue = asked.elapsed() > GRACE;
            for member in &mut self.members {
                member.tend(Duration::ZERO)?;
                if is_overdue {
                    member.stop(Signal::KILL);
                }
            }
            sleep(TICK);
        }
        // What an engine started in sessions of their own may outlive it. It is no trouble of this run if one does.
        let _ = supervisor::end(&self.setup.folder);
        Ok(())
    }

    fn session(self) -> Result<Session> {
        let elapsed = self.ended.unwrap_or_else(|| self.clock.elapsed());
        let (mut engines, mut files) = (Vec::new(), Vec::new());
        for member in &self.members {
            files.extend(member.files()?);
            let span = (self.start, elapsed);
            engines.push(member.outcome(&self.pool, span, self.was_cut)?);
        }
        Ok(Session {
            start: self.start,
            elapsed,
            engines,
            kept: self.pool.into_kept(),
            files,
        })
    }
}

/// Inputs, and finds, each with its engine.
type Left = (Vec<PathBuf>, Vec<(Engine, PathBuf)>);

/// What a session in `folder` that was interrupted or killed left: inputs that any engine kept, and each
/// engine's finds. `alone` names its only engine, if it had one.
pub(crate) fn left_behind(
    folder: &Path,
    alone: Option<Engine>,
    sharing: Option<&Sharing>,
) -> Result<Left> {
    let engines = match alone {
        Some(engine) => vec![(engine, folder.to_owned())],
        None => Vec::from(Engine::ALL.map(|engine| (engine, folder.join(engine.name())))),
    };
    let mut inputs = files_in(&folder.join("pool"))?;
    let mut finds = Vec::new();
    for (engine, folder) in engines {
        let sharing = sharing.filter(|_| engine == Engine::Afl);
        inputs.extend(kept_in(&folder, sharing)?);
        let found = finds_in(&folder, sharing)?.into_iter();
        finds.extend(found.map(|path| (engine, path)));
    }
    Ok((inputs, finds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_session_left_is_found_and_other_machines_instances_are_not_ours() {
        let folder = tempfile::tempdir().unwrap();
        for file in [
            "run/pool/a",
            "run/libfuzzer/output/b",
            "run/libfuzzer/finds/crash-1",
            "run/libfuzzer/finds/slow-unit-1",
            "run/honggfuzz/output/c",
            "run/honggfuzz/finds/SIG",
            "run/afl/output/main/queue/id:000000",
            // AFL++ renames these when it is started again.
            "run/afl/output/main/crashes.2026-01-01-00:00:00/id:000000",
            "run/afl/output/main/crashes/id:000001",
            "run/afl/output/main/crashes/README.txt",
            "run/afl/output/other/crashes/id:000000",
            "alone/pool/a",
            "alone/output/default/queue/id:000000",
            "alone/output/default/hangs/id:000000",
            "shared/here/queue/id:000000",
            "shared/here-2/queue/id:000000",
            "shared/here-2/crashes/id:000000",
            "shared/hereafter/queue/id:000000",
            "shared/there/crashes/id:000000",
        ] {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        let sharing = Sharing {
            folder: folder.path().join("shared"),
            name: "here".to_owned(),
        };
        let run = folder.path().join("run");
        let (inputs, finds) = left_behind(&run, None, Some(&sharing)).unwrap();
        assert_eq!((inputs.len(), finds.len()), (6, 5));
        assert_eq!(finds[0].0, Engine::Afl);
        let alone = folder.path().join("alone");
        let (inputs, finds) = left_behind(&alone, Some(Engine::Afl), None).unwrap();
        assert_eq!((inputs.len(), finds.len()), (2, 1));
        let none = left_behind(&folder.path().join("none"), None, None).unwrap();
        assert_eq!(none, (Vec::new(), Vec::new()));
    }
}
