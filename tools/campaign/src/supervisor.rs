//! Folders that one run has to itself, and the processes of engines in them.
//!
//! A run takes its folder with [`Claim::take`]. An engine is started as a [`Group`], which marks it and
//! all that it starts with its log in the folder in which it works: an environment variable, which is inherited.
//! So whatever a killed run left is found by its mark, also what has left the process group, and also
//! what was started a moment before the kill.
//!
//! SIGKILL ends a run before it can end its engines. A small process therefore waits beside it: it reads
//! from a pipe that only the run holds. When the pipe ends without a word, the run is dead, and the small
//! process ends its engines. It holds the run's lock too, so no other run begins before it has finished.
//! Should that be killed as well, the next [`Claim::take`] does the same.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, TryLockError};
use std::io::{Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use procfs::process::{Process, all_processes};
use procfs::ticks_per_second;
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, pidfd_send_signal,
    test_kill_process_group,
};

use crate::cores;

/// The variable that names the log, in the folder in which a process works.
const MARK: &str = "CAMPAIGN_WORKS_IN";
/// How long killed processes may take to go.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long what a process has started may outlive it before it is killed.
const GROUP_ENDS: Duration = Duration::from_secs(5);

/// The first argument of a watcher. It is no command of the tool: nobody types it.
const WATCH: &str = "--watch-run";
/// This program, even when its file was replaced by another build meanwhile.
const THIS_PROGRAM: &str = "/proc/self/exe";
/// What the watcher reads when there is nothing left to do.
const DONE: &[u8] = b"done";
/// How long the lock may stay taken when a run was killed: so long its watcher may take to end what it left.
const WATCHER_PATIENCE: Duration = Duration::from_secs(5);

/// What stands before a command in a log, where a process was started.
pub const STARTED: &str = "=== started: ";

/// Takes a file's lock for this process, until it is dropped. `folder` is what the lock stands for. Fails when another
/// process has it.
pub fn lock(file: &Path, folder: &Path) -> Result<File> {
    let why = || format!("{} cannot be locked", file.display());
    let lock = fs::create_dir_all(file.parent().unwrap_or(file))
        .and_then(|()| File::options().create(true).append(true).open(file))
        .with_context(why)?;
    let since = Instant::now();
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::Error(error)) => return Err(error).with_context(why),
            Err(TryLockError::WouldBlock) => ensure!(
                since.elapsed() < WATCHER_PATIENCE,
                "another run is under way in {}; wait for it, or stop it",
                folder.display()
            ),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A folder that this process has to itself, with a watcher. Dropping it ends the watcher.
#[derive(Debug)]
pub struct Claim {
    watcher: Child,
    _lock: File,
    /// How many processes of a killed run were still there, and were ended.
    pub ended: usize,
}

impl Claim {
    /// Takes `folder` by the lock in `lock`, ends what a killed run left there, and has it watched. Fails when another
    /// process has the folder, or the watcher cannot be started.
    pub fn take(folder: &Path, lock: &Path) -> Result<Self> {
        let lock = self::lock(lock, folder)?;
        let ended = end(folder)?;
        let watcher = Command::new(THIS_PROGRAM)
            .args([WATCH.as_ref(), folder.as_os_str()])
            .stdin(Stdio::piped())
            // It prints nothing. This keeps the lock for as long as it lives.
            .stdout(lock.try_clone().context("the lock cannot be shared")?)
            .stderr(Stdio::null())
            // Ctrl-C on the terminal is not for it.
            .process_group(0)
            .spawn()
            .context("the watcher cannot be started")?;
        Ok(Self {
            watcher,
            _lock: lock,
            ended,
        })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(mut input) = self.watcher.stdin.take() {
            // When it is gone, there is nobody who waits for this.
            let _ = input.write_all(DONE);
        }
        let _ = self.watcher.wait();
    }
}

/// Whether this process was started to watch; then it does: it waits until standard input ends, and ends the
/// run's engines unless the run reported that it is done. A program that takes a [`Claim`] asks this first. Fails when
/// an engine does not go.
pub fn watch_if_asked(mut arguments: impl Iterator<Item = OsString>) -> Option<Result<()>> {
    let is_asked = arguments.nth(1)? == WATCH;
    let folder = is_asked.then(|| arguments.next())??;
    let mut read = Vec::new();
    // A pipe that breaks has ended too.
    let _ = std::io::stdin().read_to_end(&mut read);
    Some(match read == DONE {
        true => Ok(()),
        false => end(Path::new(&folder)).map(|_| ()),
    })
}

/// Kills the processes that work in `folder` or below, and those whose program lies there, until there is
/// none. Returns how many there were.
pub(crate) fn end(folder: &Path) -> Result<usize> {
    let Ok(folder) = folder.canonicalize() else {
        return Ok(0);
    };
    let since = Instant::now();
    let mut killed = BTreeSet::new();
    loop {
        let mut is_any = false;
        for found in processes() {
            // Opened first: should the process end now and another get its number, the signal reaches nobody.
            let Some(pid) = Pid::from_raw(found.pid) else {
                continue;
            };
            let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else {
                continue;
            };
            // A process that has ended and was not waited for yet has neither; others' cannot be read.
            let mut places = found.exe().into_iter().chain(mark_of(&found));
            if places.any(|place| place.starts_with(&folder)) {
                is_any = true;
                killed.insert(pid.as_raw_nonzero());
                // It may have ended just now.
                let _ = pidfd_send_signal(&process, Signal::KILL);
            }
        }
        if !is_any {
            return Ok(killed.len());
        }
        ensure!(
            since.elapsed() < PATIENCE,
            "processes of a former run in {} cannot be ended",
            folder.display()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn processes() -> impl Iterator<Item = Process> {
    all_processes().into_iter().flatten().flatten()
}

/// What the variable [`MARK`] of a process is.
fn mark_of(process: &Process) -> Option<PathBuf> {
    let mut environment = process.environ().ok()?;
    environment.remove(OsStr::new(MARK)).map(PathBuf::from)
}

/// The processor time that processes have used, by their marks.
#[derive(Debug)]
pub struct Times(BTreeMap<PathBuf, Duration>);

impl Times {
    /// That of all processes that run now, with their ended children's.
    pub(crate) fn now() -> Self {
        let mut times = BTreeMap::new();
        for process in processes() {
            if let Some(mark) = mark_of(&process)
                && let Ok(stat) = process.stat()
            {
                let of_children = u64::try_from(stat.cutime + stat.cstime).unwrap_or_default();
                let ticks = stat.utime + stat.stime + of_children;
                let time = Duration::from_millis(ticks * 1000 / ticks_per_second());
                *times.entry(mark).or_default() += time;
            }
        }
        Self(times)
    }
}

/// A process with all that it starts, which is over when all of that is.
///
/// The process that we start may end before what it has started: cargo's front end of AFL++ ends at once
/// at SIGINT, and AFL++ a moment later. So signals go to the group.
#[derive(Debug)]
pub struct Group {
    id: Pid,
    /// What it and all that it starts are marked with.
    mark: PathBuf,
    child: Option<Child>,
    /// Since when the process itself has ended.
    ended: Option<Instant>,
    is_over: bool,
}

impl Group {
    /// Starts a command on the `cores` named, or on any when none is. What it prints is appended to `log`, in the
    /// folder in which it works.
    pub(crate) fn start(command: &mut Command, log: &Path, cores: &[usize]) -> Result<Self> {
        let why = || format!("{} cannot be written", log.display());
        let file = File::options().create(true).append(true).open(log);
        let mut file = file.with_context(why)?;
        writeln!(file, "{STARTED}{command:?}").with_context(why)?;
        let mark = log.canonicalize().with_context(why)?;
        let child = command
            .env(MARK, &mark)
            .stdin(Stdio::null())
            .stdout(file.try_clone().with_context(why)?)
            .stderr(file)
            // Ctrl-C on the terminal reaches us alone.
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot run {}", command.get_program().display()))?;
        let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let id = id.context("a process has no number")?;
        if !cores.is_empty() {
            // A system that does not pin still runs; what was asked for is so many cores.
            let _ = cores::pin(Some(id), cores);
        }
        Ok(Self {
            id,
            mark,
            child: Some(child),
            ended: None,
            is_over: false,
        })
    }

    /// Checks whether the process has ended. Returns how, once.
    pub(crate) fn poll(&mut self) -> Result<Option<ExitStatus>> {
        let ended = match &mut self.child {
            Some(child) => child.try_wait().context("an engine is lost")?,
            None => None,
        };
        if ended.is_some() {
            self.child = None;
            self.ended = Some(Instant::now());
        }
        if let (false, Some(since)) = (self.is_over, self.ended) {
            if test_kill_process_group(self.id) == Err(Errno::SRCH) {
                self.is_over = true;
            } else if since.elapsed() > GROUP_ENDS {
                self.signal(Signal::KILL);
                // One that even this does not end, as nobody waits for it, is not waited for either.
                self.is_over = true;
            }
        }
        Ok(ended)
    }

    /// Whether neither it nor anything that it has started runs.
    pub(crate) const fn is_over(&self) -> bool {
        self.is_over
    }

    /// Sends a signal to it and all that it has started.
    pub(crate) fn signal(&self, signal: Signal) {
        if !self.is_over {
            // It may have ended just now.
            let _ = kill_process_group(self.id, signal);
        }
    }

    /// The processor time that what runs of it has used.
    pub(crate) fn time(&self, times: &Times) -> Duration {
        // Once it has ended, what it has started and what is left has been counted.
        let is_running = self.child.is_some();
        let time = times.0.get(&self.mark).filter(|_| is_running);
        time.copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn until(mut is_so: impl FnMut() -> bool) {
        let since = Instant::now();
        while !is_so() {
            assert!(since.elapsed() < Duration::from_secs(20));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn shell(folder: &Path, script: &str) -> Group {
        let mut command = Command::new("sh");
        let log = folder.join("log");
        Group::start(command.args(["-c", script]), &log, &[]).unwrap()
    }

    #[test]
    fn a_group_is_over_when_all_that_it_started_is() {
        let folder = tempfile::tempdir().unwrap();
        let started = Instant::now();
        let mut group = shell(folder.path(), "sleep 1 & exit 3");
        let mut status = None;
        until(|| {
            status = status.or(group.poll().unwrap());
            status.is_some()
        });
        assert_eq!(status.unwrap().code(), Some(3));
        assert!(!group.is_over());
        until(|| {
            group.poll().unwrap();
            group.is_over()
        });
        assert!(started.elapsed() >= Duration::from_millis(900));
    }

    #[test]
    fn the_time_of_a_process_is_that_of_all_that_it_starts() {
        let folder = tempfile::tempdir().unwrap();
        let mut group = shell(
            folder.path(),
            "setsid sh -c 'while :; do :; done' & sleep 600",
        );
        until(|| group.time(&Times::now()) > Duration::from_millis(100));
        assert_eq!(end(folder.path()).unwrap(), 3);
        until(|| group.poll().unwrap().is_some());
    }

    #[test]
    fn what_was_stopped_continues_even_when_its_parent_has_ended() {
        let folder = tempfile::tempdir().unwrap();
        let sign = folder.path().join("sign");
        let script = format!("(sleep 0.5; echo > {}) & exit", sign.display());
        let mut group = shell(folder.path(), &script);
        group.signal(Signal::STOP);
        group.signal(Signal::CONT);
        until(|| group.poll().unwrap().is_some());
        group.signal(Signal::STOP);
        std::thread::sleep(Duration::from_secs(1));
        assert!(!sign.exists());
        group.signal(Signal::CONT);
        until(|| sign.exists());
    }

    #[test]
    fn what_a_killed_run_left_is_ended_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| {
            let place = folder.path().join(name);
            fs::create_dir_all(&place).unwrap();
            place
        };
        assert_eq!(end(&place("run")).unwrap(), 0);
        assert_eq!(end(&folder.path().join("none")).unwrap(), 0);
        // One that leaves its process group, as AFL++'s targets do, and has another program.
        let mut left = shell(&place("run/below"), "setsid sleep 600 & exec sleep 600");
        let mut other = shell(&place("run-2"), "exec sleep 600");
        // One that bears no mark: a worker that was kept in the folder.
        let program = place("run/builds").join("sleep");
        fs::copy("/bin/sleep", &program).unwrap();
        let mut worker = loop {
            // Another test's process may hold the copy open for writing for a moment.
            match Command::new(&program).arg("600").spawn() {
                Ok(child) => break child,
                Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => {}
                Err(error) => panic!("{error}"),
            }
        };
        // The shell has started the other process by then.
        std::thread::sleep(Duration::from_millis(500));
        let waiting = std::thread::spawn(move || worker.wait().unwrap());
        assert_eq!(end(&place("run")).unwrap(), 3);
        assert!(!waiting.join().unwrap().success());
        until(|| left.poll().unwrap().is_some());
        assert!(other.poll().unwrap().is_none(), "it works elsewhere");
        other.signal(Signal::KILL);
        until(|| other.poll().unwrap().is_some());
    }
}
