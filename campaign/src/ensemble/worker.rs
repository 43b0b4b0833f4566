//! One process of an engine, with all that it starts: a process group.
//!
//! The process that we start may end before what it has started: cargo's front end of AFL++ ends at once at
//! Ctrl-C, and AFL++ a moment later. So signals go to the group, and it is over when the group is gone.

use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};

use super::processes::Processes;
use crate::engine::session::start_in_background;
use crate::engine::{afl, libfuzzer};

/// How long what a process has started may outlive it before it is killed.
const GROUP_ENDS: Duration = Duration::from_secs(5);

/// A process of an engine.
#[derive(Debug)]
pub(super) struct Worker {
    cores: Vec<usize>,
    /// What AFL++ needs to know of it.
    pub(super) instance: afl::Instance,
    /// What it prints.
    pub(super) log: PathBuf,
    /// What that tells of executions.
    executions: libfuzzer::Executions,
    child: Option<Child>,
    /// Its group, as long as something of it runs.
    group: Option<u32>,
    /// Since when the process itself has ended.
    ended: Option<Instant>,
    /// When it was started.
    pub(super) started: Instant,
    /// Finds there were when it was started.
    pub(super) finds_before: usize,
    /// How often it died.
    pub(super) deaths: u32,
    /// When to start it, while it does not run.
    pub(super) start_at: Option<Instant>,
    /// Whether it was asked to end, to be started again.
    pub(super) asked: bool,
    /// Why it was given up.
    pub(super) dead: Option<String>,
    /// Processor time of those that have ended, and of the one that runs.
    time_of_ended: Duration,
    time_of_running: Duration,
}

impl Worker {
    /// One that is due to be started.
    pub(super) fn new(cores: Vec<usize>, instance: afl::Instance, log: PathBuf) -> Self {
        Self {
            cores,
            instance,
            log,
            executions: libfuzzer::Executions::default(),
            child: None,
            group: None,
            ended: None,
            started: Instant::now(),
            finds_before: 0,
            deaths: 0,
            start_at: Some(Instant::now()),
            asked: false,
            dead: None,
            time_of_ended: Duration::ZERO,
            time_of_running: Duration::ZERO,
        }
    }

    /// The executions that libFuzzer's log tells.
    pub(super) fn executions(&mut self) -> u64 {
        self.executions.read(&self.log)
    }

    /// Starts it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn start(&mut self, command: &mut Command, finds: usize) -> Result<()> {
        self.start_at = None;
        let child = start_in_background(command, &self.log, &self.cores)?;
        self.group = Some(child.id());
        self.child = Some(child);
        self.ended = None;
        self.started = Instant::now();
        self.finds_before = finds;
        Ok(())
    }

    /// Looks whether it has ended; then says how, once.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub(super) fn poll(&mut self) -> Result<Option<ExitStatus>> {
        let ended = match &mut self.child {
            Some(child) => child.try_wait().context("an engine is lost")?,
            None => None,
        };
        if ended.is_some() {
            self.child = None;
            self.ended = Some(Instant::now());
            self.time_of_ended += std::mem::take(&mut self.time_of_running);
        }
        if self.child.is_none()
            && let Some(group) = self.group.and_then(pid)
        {
            if test_kill_process_group(group) == Err(Errno::SRCH) {
                self.group = None;
            } else if self.ended.is_some_and(|since| since.elapsed() > GROUP_ENDS) {
                self.signal(Signal::KILL);
                // One that even this does not end, as nobody waits for it, is not waited for either.
                self.ended = None;
                self.group = None;
            }
        }
        Ok(ended)
    }

    /// Whether neither it nor anything that it has started runs.
    pub(super) const fn is_over(&self) -> bool {
        self.child.is_none() && self.group.is_none()
    }

    /// Whether it is to be started now.
    pub(super) fn is_due(&self) -> bool {
        self.is_over() && self.start_at.is_some_and(|at| at <= Instant::now())
    }

    /// Sends a signal to it and all that it has started.
    pub(super) fn signal(&self, signal: Signal) {
        if let Some(group) = self.group.and_then(pid) {
            // It may have ended just now.
            let _ = kill_process_group(group, signal);
        }
    }

    /// Asks it to end and to be started again.
    pub(super) fn restart(&mut self) {
        if self.child.is_some() {
            self.asked = true;
            self.signal(Signal::INT);
        }
    }

    /// The number of its group, while something of it runs.
    pub(super) const fn group(&self) -> Option<u32> {
        self.group
    }

    /// Reads the processor time that it has used.
    pub(super) fn look(&mut self, processes: &Processes) {
        if let Some(child) = &self.child {
            let time = processes.time_below(child.id());
            self.time_of_running = time.max(self.time_of_running);
        }
    }

    /// The processor time that it has used.
    pub(super) fn core_time(&self) -> Duration {
        self.time_of_ended + self.time_of_running
    }
}

fn pid(group: u32) -> Option<Pid> {
    i32::try_from(group).ok().and_then(Pid::from_raw)
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

    fn shell(worker: &mut Worker, script: &str) {
        worker
            .start(Command::new("sh").args(["-c", script]), 0)
            .unwrap();
    }

    fn worker(folder: &tempfile::TempDir) -> Worker {
        let instance = afl::Instance {
            name: "x".to_owned(),
            is_main: true,
            schedule: None,
            import: None,
        };
        Worker::new(Vec::new(), instance, folder.path().join("log"))
    }

    #[test]
    fn it_is_over_when_all_that_it_started_is() {
        let folder = tempfile::tempdir().unwrap();
        let mut worker = worker(&folder);
        assert!(worker.is_due() && worker.is_over());
        shell(&mut worker, "sleep 1 & exit 3");
        let mut status = None;
        until(|| {
            status = status.or(worker.poll().unwrap());
            status.is_some()
        });
        assert_eq!(status.unwrap().code(), Some(3));
        assert!(!worker.is_over() && worker.group().is_some());
        until(|| {
            worker.poll().unwrap();
            worker.is_over()
        });
        assert!(worker.started.elapsed() >= Duration::from_millis(900));
    }

    #[test]
    fn what_was_stopped_goes_on_even_when_its_parent_has_ended() {
        let folder = tempfile::tempdir().unwrap();
        let mut worker = worker(&folder);
        let sign = folder.path().join("sign");
        let script = format!("(sleep 0.5; echo > {}) & exit", sign.display());
        shell(&mut worker, &script);
        worker.signal(Signal::STOP);
        worker.signal(Signal::CONT);
        until(|| worker.poll().unwrap().is_some() || worker.child.is_none());
        worker.signal(Signal::STOP);
        std::thread::sleep(Duration::from_secs(1));
        assert!(!sign.exists());
        worker.signal(Signal::CONT);
        until(|| sign.exists());
    }
}
