//! One engine, one target, one core: started, watched, stopped, and read.

use std::fs::{self, File};
use std::ops::ControlFlow;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use rustix::thread::{CpuSet, sched_setaffinity};

use super::{Build, Engine, Kept, Status, Task, afl, growing, honggfuzz, libfuzzer, shown};
use crate::corpus::content_name;

/// How often an engine is looked after.
const TICK: Duration = Duration::from_millis(100);
/// How often its files are read, when nothing else is asked for.
pub const LOOK: Duration = Duration::from_secs(1);
/// How long an engine may take to come to its end after its time, or after it was asked to.
const GRACE: Duration = Duration::from_secs(15);

pub use cli::interrupt::{INTERRUPTED, interrupted, stop_on_ctrl_c};

/// What an engine had executed at some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Since the engine's start.
    pub time: Duration,
    /// Executions of the target.
    pub executions: u64,
}

/// What came of a session.
#[derive(Debug, Clone)]
pub struct Session {
    /// The command as it was run.
    pub command: String,
    /// When the engine was started.
    pub start: SystemTime,
    /// How long it ran.
    pub elapsed: Duration,
    /// The inputs that it read to begin with.
    pub seeds_read: u64,
    /// Its final figures.
    pub status: Status,
    /// Its executions over time.
    pub samples: Vec<Sample>,
    /// What it kept, in the order in which it came.
    pub kept: Vec<Kept>,
    /// Files with inputs that failed.
    pub finds: Vec<PathBuf>,
    /// Whether Ctrl-C ended it.
    pub interrupted: bool,
    /// Why its result does not count: it died, read no seeds, or executed nothing.
    pub failure: Option<String>,
}

impl Session {
    /// Executions a second, over the whole session.
    #[must_use]
    pub fn executions_per_second(&self) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "a rate, to be printed")]
        let executions = self.status.executions as f64;
        executions / self.elapsed.as_secs_f64().max(0.001)
    }

    /// The executions until `time`: between two samples, in proportion.
    #[must_use]
    pub fn executions_at(&self, time: Duration) -> u64 {
        let mut before = Sample {
            time: Duration::ZERO,
            executions: 0,
        };
        for &sample in &self.samples {
            if sample.time >= time {
                let span = (sample.time - before.time).as_millis().max(1);
                let part = (time.saturating_sub(before.time)).as_millis().min(span);
                let gain = u128::from(sample.executions.saturating_sub(before.executions));
                return before.executions + u64::try_from(gain * part / span).unwrap_or(0);
            }
            before = sample;
        }
        self.status.executions.max(before.executions)
    }
}

/// What is called about every second with the time that went by, the figures so far, and the finds' files;
/// it says whether to go on.
pub type Look<'a> = &'a mut dyn FnMut(Duration, Status, &[PathBuf]) -> ControlFlow<()>;

/// Runs an engine for the task's time on core number `core`, or on any when `None`. `look` is called
/// about every second with the figures so far.
///
/// # Errors
/// When the engine cannot be started or its files cannot be read. An engine that ran but whose result
/// does not count is no error: see [`Session::failure`].
pub fn run(
    engine: Engine,
    build: &Build,
    task: &Task,
    core: Option<usize>,
    look: &mut dyn FnMut(Duration, Status, usize),
) -> Result<Session> {
    run_every(engine, build, task, core, LOOK, look)
}

/// As [`run`], and looks every `snapshot`: then its files are read, what it may replace is preserved, and
/// `look` is called.
///
/// # Errors
/// As [`run`].
pub fn run_every(
    engine: Engine,
    build: &Build,
    task: &Task,
    core: Option<usize>,
    snapshot: Duration,
    look: &mut dyn FnMut(Duration, Status, usize),
) -> Result<Session> {
    let mut look_on = |elapsed, status, finds: &[PathBuf]| {
        look(elapsed, status, finds.len());
        ControlFlow::Continue(())
    };
    run_looking(engine, build, task, core, snapshot, &mut look_on)
}

/// As [`run`], and stops when `look` says so, which is told the files with finds so far. It is called
/// about every second and whenever the engine ends.
///
/// # Errors
/// As [`run`].
pub fn run_until(
    engine: Engine,
    build: &Build,
    task: &Task,
    core: Option<usize>,
    look: Look<'_>,
) -> Result<Session> {
    run_looking(engine, build, task, core, LOOK, look)
}

fn run_looking(
    engine: Engine,
    build: &Build,
    task: &Task,
    core: Option<usize>,
    snapshot: Duration,
    look: Look<'_>,
) -> Result<Session> {
    fs::create_dir_all(&task.folder)
        .with_context(|| format!("the folder {} cannot be made", task.folder.display()))?;
    let start = SystemTime::now();
    let mut watched = Watched {
        engine,
        task,
        clock: Instant::now(),
        snapshot,
        samples: Vec::new(),
        executions: libfuzzer::Executions::default(),
    };
    let mut command_shown = String::new();
    let mut ended_badly = None;

    loop {
        let left = task.time.saturating_sub(watched.clock.elapsed());
        let mut command = match engine {
            Engine::Afl => afl::command(build, task),
            Engine::Libfuzzer => libfuzzer::command(build, task, left)?,
            Engine::Honggfuzz => honggfuzz::command(build, task)?,
        };
        if command_shown.is_empty() {
            command_shown = shown(&command);
        }
        let mut child = start_in_background(&mut command, &task.log(), core.as_slice())?;
        let finds_before = finds(engine, task)?.len();
        let (status, flow) = watched.until_it_ends(&mut child, look)?;
        let early = flow.is_continue()
            && watched.clock.elapsed() + Duration::from_secs(2) < task.time
            && !interrupted();
        if !early {
            break;
        }
        // libFuzzer stops at a find; as long as each start brings a new one, it goes on.
        let found_more = finds(engine, task)?.len() > finds_before;
        if engine != Engine::Libfuzzer || !found_more {
            ended_badly = Some(format!(
                "{} ended after {} of {} s ({status}); the end of {}:\n{}",
                engine.title(),
                watched.clock.elapsed().as_secs(),
                task.time.as_secs(),
                task.log().display(),
                end_of(&task.log()),
            ));
            break;
        }
    }

    let elapsed = watched.clock.elapsed();
    let status = watched.status();
    let mut samples = watched.samples;
    samples.push(Sample {
        time: elapsed,
        executions: status.executions,
    });
    let log = String::from_utf8_lossy(&fs::read(task.log()).unwrap_or_default()).into_owned();
    let seeds_read = match engine {
        Engine::Afl => afl::seeds_read(&log),
        Engine::Libfuzzer => libfuzzer::seeds_read(&log, task),
        Engine::Honggfuzz => honggfuzz::seeds_read(&log, task),
    }
    .unwrap_or(0);
    let mut kept = match engine {
        Engine::Afl => afl::kept(task)?,
        Engine::Libfuzzer => libfuzzer::kept(task, start)?,
        Engine::Honggfuzz => honggfuzz::kept(task, start)?,
    };
    kept.sort_by(|a, b| (a.time, &a.path).cmp(&(b.time, &b.path)));
    let finds = finds(engine, task)?;
    let useless = |what: &str| {
        Some(format!(
            "{} {what}; the end of {}:\n{}",
            engine.title(),
            task.log().display(),
            end_of(&task.log())
        ))
    };
    let failure = ended_badly.or_else(|| match (status.executions, seeds_read) {
        _ if interrupted() => None,
        (0, _) => useless("executed nothing"),
        (_, 0) => useless("read no seeds"),
        _ => None,
    });
    Ok(Session {
        command: command_shown,
        start,
        elapsed,
        seeds_read,
        status,
        samples,
        kept,
        finds,
        interrupted: interrupted(),
        failure,
    })
}

/// Starts a command in a process group of its own (so that Ctrl-C on the terminal reaches us alone),
/// on the `cores` named, or on any when none is, with its output appended to `log`.
pub(crate) fn start_in_background(
    command: &mut Command,
    log: &Path,
    cores: &[usize],
) -> Result<Child> {
    let log = File::options()
        .create(true)
        .append(true)
        .open(log)
        .with_context(|| format!("{} cannot be written", log.display()))?;
    let child = command
        .stdin(Stdio::null())
        .stdout(log.try_clone().context("the log cannot be shared")?)
        .stderr(log)
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot run `{}`", shown(command)))?;
    if !cores.is_empty() {
        let mut set = CpuSet::new();
        for &core in cores {
            set.set(core);
        }
        // A system that does not pin still runs; what was asked for is so many cores.
        let _ = sched_setaffinity(pid_of(&child), &set);
    }
    Ok(child)
}

fn pid_of(child: &Child) -> Option<Pid> {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw)
}

/// An engine at work.
struct Watched<'a> {
    engine: Engine,
    task: &'a Task,
    clock: Instant,
    snapshot: Duration,
    samples: Vec<Sample>,
    executions: libfuzzer::Executions,
}

impl Watched<'_> {
    /// Looks after the engine until it ends, or its time and its grace are over.
    fn until_it_ends(
        &mut self,
        child: &mut Child,
        look: Look<'_>,
    ) -> Result<(std::process::ExitStatus, ControlFlow<()>)> {
        let (engine, task) = (self.engine, self.task);
        let mut flow = ControlFlow::Continue(());
        let mut last_look = Instant::now();
        let mut asked_to_stop: Option<Instant> = None;
        loop {
            if let Some(status) = child
                .try_wait()
                .context("the engine cannot be waited for")?
            {
                if flow.is_continue() {
                    let now = self.status();
                    flow = look(self.clock.elapsed(), now, &finds(engine, task)?);
                }
                return Ok((status, flow));
            }
            if last_look.elapsed() >= self.snapshot && flow.is_continue() {
                last_look = Instant::now();
                if engine == Engine::Libfuzzer {
                    libfuzzer::preserve(task)?;
                }
                let now = self.status();
                self.samples.push(Sample {
                    time: self.clock.elapsed(),
                    executions: now.executions,
                });
                flow = look(self.clock.elapsed(), now, &finds(engine, task)?);
            }
            let overdue = self.clock.elapsed() > task.time + GRACE;
            match asked_to_stop {
                None if interrupted() || overdue || flow.is_break() => {
                    signal(child, Signal::INT);
                    asked_to_stop = Some(Instant::now());
                }
                Some(since) if since.elapsed() > GRACE => signal(child, Signal::KILL),
                _ => {}
            }
            sleep(TICK);
        }
    }

    /// The figures so far.
    fn status(&mut self) -> Status {
        match self.engine {
            Engine::Afl => afl::status(self.task),
            Engine::Libfuzzer => libfuzzer::status(self.task, &mut self.executions),
            Engine::Honggfuzz => honggfuzz::status(self.task),
        }
    }
}

/// Sends a signal to all of an engine's processes.
pub(crate) fn signal(child: &Child, signal: Signal) {
    if let Some(group) = pid_of(child) {
        // It may have ended just now.
        let _ = kill_process_group(group, signal);
    }
}

fn finds(engine: Engine, task: &Task) -> Result<Vec<PathBuf>> {
    match engine {
        Engine::Afl => afl::finds(task),
        Engine::Libfuzzer => libfuzzer::finds(task),
        Engine::Honggfuzz => honggfuzz::finds(task),
    }
}

/// What an interrupted or killed session left in `task.folder`: inputs kept, and finds.
///
/// # Errors
/// When the folder cannot be read.
pub fn left_behind(engine: Engine, task: &Task) -> Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let kept = match engine {
        Engine::Afl => afl::kept(task)?,
        Engine::Libfuzzer if !task.replaced().exists() => Vec::new(),
        Engine::Libfuzzer => libfuzzer::kept(task, SystemTime::UNIX_EPOCH)?,
        Engine::Honggfuzz => honggfuzz::kept(task, SystemTime::UNIX_EPOCH)?,
    };
    let kept = kept.into_iter().map(|kept| kept.path).collect();
    Ok((kept, finds(engine, task)?))
}

/// The last lines of a log.
pub(crate) fn end_of(log: &Path) -> String {
    let text = growing::end(log).unwrap_or_default();
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}

/// Makes `folder` empty for a new session. It is the caller's part to have saved what was there.
///
/// # Errors
/// When it cannot be emptied.
pub fn empty(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)
            .with_context(|| format!("{} cannot be removed", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))
}

/// Copies `files` into `folder` for an engine to begin from. An empty list is an error: an engine
/// without seeds has not fuzzed what we mean.
///
/// # Errors
/// When there are none, or one cannot be copied.
pub fn lay_out(files: &[PathBuf], folder: &Path) -> Result<()> {
    if files.is_empty() {
        bail!("there are no seeds to begin from; make some with `cargo images seeds`");
    }
    fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    for file in files {
        let content =
            fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
        let mut place = folder.join(file.file_name().unwrap_or_default());
        if place.exists() {
            // Two folders may use one name for two inputs.
            place = folder.join(content_name(&content));
        }
        fs::write(&place, content)
            .with_context(|| format!("{} cannot be written", place.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_inputs_of_one_name_are_both_laid_out_and_none_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let files: Vec<PathBuf> = ["a", "b"]
            .iter()
            .map(|name| {
                let file = folder.path().join(name).join("same");
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(&file, name).unwrap();
                file
            })
            .collect();
        let out = folder.path().join("out");
        lay_out(&files, &out).unwrap();
        assert_eq!(crate::corpus::files_in(&out).unwrap().len(), 2);
        assert!(lay_out(&[], &out).is_err());
    }

    #[test]
    fn executions_between_two_samples_are_in_proportion() {
        let sample = |seconds, executions| Sample {
            time: Duration::from_secs(seconds),
            executions,
        };
        let session = Session {
            command: String::new(),
            start: SystemTime::UNIX_EPOCH,
            elapsed: Duration::from_secs(20),
            seeds_read: 1,
            status: Status {
                executions: 400,
                ..Status::default()
            },
            samples: vec![sample(10, 100), sample(20, 400)],
            kept: Vec::new(),
            finds: Vec::new(),
            interrupted: false,
            failure: None,
        };
        let at = |seconds| session.executions_at(Duration::from_secs(seconds));
        assert_eq!(
            (at(0), at(5), at(10), at(15), at(99)),
            (0, 50, 100, 250, 400)
        );
    }
}
