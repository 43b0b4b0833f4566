//! One engine of a session: its processes, started, watched and started again, and its files, read.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Result;
use fs_err as fs;
use rustix::process::Signal;

use super::exchange::{GIVEN, Inbox, Pool};
use super::outcome::{Figures, Outcome, Sample, latest_report, rate};
use crate::corpus::content_name;
use crate::engine::{Build, Engine, Task, afl, end_of, finds_in, kept_in, last_lines, shown};
use crate::supervisor::{Group, Times};

/// How long after its first death a process is started again; twice as long after each further one.
const BACK_OFF: Duration = Duration::from_secs(1);
/// The deaths of one that ran so long before it died are forgotten.
const RAN_WELL: Duration = Duration::from_secs(3600);
/// An engine's own limit is so much later than the end of the session, which ends it. The limit is for an
/// engine that nobody looks after any more.
const MARGIN: Duration = Duration::from_secs(10);
/// So shortly before the end nothing is started again.
const TOO_LATE: Duration = Duration::from_secs(1);
/// So many of a log's last lines are shown when an engine fails.
const LINES: usize = 12;
/// A file that was written less than this ago may not be whole.
const SETTLED: Duration = Duration::from_millis(200);

/// A process of an engine.
#[derive(Debug, Default)]
struct Process {
    /// The cores that it may use; none for any.
    cores: Vec<usize>,
    group: Option<Group>,
    started: Option<Instant>,
    /// Finds there were when it was started.
    finds_before: usize,
    deaths: u32,
    /// When to start it, while it does not run.
    start_at: Option<Instant>,
    /// Why it was given up.
    dead: Option<String>,
    /// Executions of the starts before, where the engine counts anew, and of the latest.
    executions_before: u64,
    executions: u64,
    /// Processor time of those that have ended, and of the one that runs.
    time_of_ended: Duration,
    time_of_running: Duration,
}

impl Process {
    fn is_over(&self) -> bool {
        self.group.as_ref().is_none_or(Group::is_over)
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = &self.group {
            group.signal(signal);
        }
    }
}

/// An engine of a session.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) engine: Engine,
    task: Task,
    build: Build,
    /// How often a process that dies is started again before it is given up.
    restarts: u32,
    processes: Vec<Process>,
    /// Through what it is given others' inputs; AFL++ reads the pool itself.
    inbox: Option<Inbox>,
    /// Whether it waits for its turn.
    is_paused: bool,
    scanned: HashSet<PathBuf>,
    /// The files with finds that were seen.
    seen_finds: HashSet<PathBuf>,
    command: String,
    samples: Vec<Sample>,
}

impl Member {
    /// An engine that works on `task`, with a worker for each of `workers`: the cores that it may use.
    pub(super) fn new(
        engine: Engine,
        build: &Build,
        task: Task,
        workers: Vec<Vec<usize>>,
        restarts: u32,
    ) -> Result<Self> {
        // honggfuzz has its workers in one process.
        let places = match engine {
            Engine::Honggfuzz => vec![workers.concat()],
            Engine::Afl | Engine::Libfuzzer => workers,
        };
        let process = |cores| Process {
            cores,
            start_at: Some(Instant::now()),
            ..Process::default()
        };
        let inbox = Inbox {
            engine,
            folder: match engine {
                Engine::Libfuzzer => task.output(),
                Engine::Afl | Engine::Honggfuzz => task.import(),
            },
            outside: task.folder.join("incoming"),
            offered: 0,
            forgot: 0,
            given: 0,
        };
        for folder in [
            &task.output(),
            &task.artifacts(),
            &task.import(),
            &inbox.outside,
        ] {
            fs::create_dir_all(folder)?;
        }
        let is_given = task.pool.is_some() && engine != Engine::Afl;
        Ok(Self {
            engine,
            build: build.clone(),
            restarts,
            processes: places.into_iter().map(process).collect(),
            inbox: is_given.then_some(inbox),
            is_paused: false,
            scanned: HashSet::new(),
            seen_finds: HashSet::new(),
            command: String::new(),
            samples: Vec::new(),
            task,
        })
    }

    /// Looks after the processes: what has ended is started again, as far as the rules go. `left` is how long
    /// the session goes on. Returns what should be reported of it.
    pub(super) fn tend(&mut self, left: Duration) -> Result<Vec<String>> {
        let mut events = Vec::new();
        for place in 0..self.processes.len() {
            let process = &mut self.processes[place];
            let ended = process.group.as_mut().map(Group::poll).transpose()?;
            if let Some(status) = ended.flatten() {
                process.time_of_ended += std::mem::take(&mut process.time_of_running);
                if left > TOO_LATE {
                    events.extend(self.ended(place, status)?);
                }
            }
            let process = &mut self.processes[place];
            let is_due = process.start_at.is_some_and(|at| at <= Instant::now());
            let is_in_time = left > TOO_LATE || process.started.is_none();
            if is_due && is_in_time && process.is_over() && !self.is_paused {
                process.start_at = None;
                if let Err(error) = self.start(place, left) {
                    if self.restarts == 0 {
                        return Err(error);
                    }
                    let why = format!("{} cannot be started: {error:#}", self.engine.title());
                    self.processes[place].dead = Some(why.clone());
                    events.push(why);
                }
            }
        }
        Ok(events)
    }

    fn start(&mut self, place: usize, left: Duration) -> Result<()> {
        self.count(place);
        let (task, finds) = (&self.task, self.find_files()?.len());
        let mut command = self
            .engine
            .command(&self.build, task, place, left + MARGIN)?;
        if self.command.is_empty() {
            self.command = shown(&command);
        }
        let process = &mut self.processes[place];
        if self.engine != Engine::Afl {
            process.executions_before += std::mem::take(&mut process.executions);
        }
        let group = Group::start(&mut command, &task.log(place), &process.cores)?;
        process.group = Some(group);
        process.started = Some(Instant::now());
        process.finds_before = finds;
        Ok(())
    }

    /// Decides what follows the early end of a process. Returns what should be reported of it.
    fn ended(&mut self, place: usize, status: ExitStatus) -> Result<Option<String>> {
        let finds = self.find_files()?.len();
        if self.engine == Engine::Libfuzzer {
            self.set_aside()?;
        }
        let process = &mut self.processes[place];
        // libFuzzer stops at a find; as long as each start brings a new one, it is restarted.
        if self.engine == Engine::Libfuzzer && finds > process.finds_before {
            process.start_at = Some(Instant::now());
            return Ok(None);
        }
        if process.started.is_some_and(|at| at.elapsed() > RAN_WELL) {
            process.deaths = 0;
        }
        process.deaths += 1;
        let log = self.task.log(place);
        let name = format!("{} ({})", self.engine.title(), log.display());
        if process.deaths > self.restarts {
            let why = format!(
                "{name} ended early ({status}) and is given up; the end of its log:\n{}",
                last_lines(&end_of(&log), LINES)
            );
            process.dead = Some(why.clone());
            return Ok(Some(why));
        }
        process.start_at = Some(Instant::now() + BACK_OFF * 2_u32.pow(process.deaths - 1));
        if let (Engine::Honggfuzz, Some(inbox)) = (self.engine, &mut self.inbox) {
            // It will know only what it began from.
            inbox.forget();
        }
        Ok(Some(format!("{name} died ({status}); it is started again")))
    }

    /// Inputs that end libFuzzer are finds, and are taken from what it begins from; it could not begin
    /// otherwise.
    fn set_aside(&self) -> Result<()> {
        let aside = self.task.folder.join("aside");
        fs::create_dir_all(&aside)?;
        for find in self.find_files()? {
            let Ok(content) = fs::read(&find) else {
                continue;
            };
            let by_content = content_name(&content);
            let its_own = find.file_name().unwrap_or_default().to_string_lossy();
            let its_own = its_own.split_once('-').map(|(_, name)| name.to_owned());
            let in_output = [format!("{GIVEN}{by_content}")].into_iter().chain(its_own);
            let files = in_output.map(|name| self.task.output().join(name));
            for file in files.chain([self.task.inputs.join(&by_content)]) {
                if file.exists() {
                    fs::rename(&file, aside.join(&by_content))?;
                }
            }
        }
        Ok(())
    }

    /// Stops all processes where they are, or lets them go on.
    pub(super) fn pause(&mut self, waits: bool) {
        if std::mem::replace(&mut self.is_paused, waits) != waits {
            let how = if waits { Signal::STOP } else { Signal::CONT };
            let processes = self.processes.iter();
            processes.for_each(|process| process.signal(how));
        }
    }

    /// Ends every process.
    pub(super) fn stop(&mut self, how: Signal) {
        for process in &mut self.processes {
            process.start_at = None;
            process.signal(how);
        }
    }

    /// Whether no process runs, and nothing that one has started.
    pub(super) fn is_over(&self) -> bool {
        self.processes.iter().all(Process::is_over)
    }

    /// Whether none runs and none will.
    pub(super) fn is_dead(&self) -> bool {
        self.processes.iter().all(|process| process.dead.is_some())
    }

    /// Adds what it has kept since the last time to the pool, until some moment; without one it has ended, so
    /// that every file is whole.
    pub(super) fn scan(
        &mut self,
        pool: &mut Pool,
        start: SystemTime,
        until: Option<Instant>,
    ) -> Result<()> {
        for path in self.files()? {
            if self.scanned.contains(&path) {
                continue;
            }
            if until.is_some_and(|until| Instant::now() >= until) {
                return Ok(());
            }
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if self.engine == Engine::Libfuzzer && name.starts_with(GIVEN) {
                self.scanned.insert(path);
                continue;
            }
            // It may vanish at any time: then it was replaced.
            let Ok(written) = path.metadata().and_then(|file| file.modified()) else {
                continue;
            };
            let is_whole = until.is_none() || written.elapsed().is_ok_and(|age| age >= SETTLED);
            let Some(content) = is_whole.then(|| fs::read(&path).ok()).flatten() else {
                continue;
            };
            // AFL++ writes an input anew when it shortens it, and keeps the name, which has the time.
            let (time, executions) = match self.engine {
                Engine::Afl => afl::arrival(&name),
                Engine::Libfuzzer | Engine::Honggfuzz => (None, None),
            };
            let time = time.unwrap_or_else(|| since(written, start));
            let is_whole_count = self.processes.len() == 1;
            let arrival = (time, executions.filter(|_| is_whole_count));
            pool.add(self.engine, &content, arrival)?;
            self.scanned.insert(path);
        }
        Ok(())
    }

    /// Gives it what the others have kept, until some moment.
    pub(super) fn give(&mut self, pool: &Pool, until: Instant) -> Result<()> {
        let inbox = self.inbox.as_mut();
        inbox.map_or(Ok(()), |inbox| inbox.give(pool, until))
    }

    /// All files that it keeps, as they are now.
    pub(super) fn files(&self) -> Result<Vec<PathBuf>> {
        kept_in(&self.task.folder, self.task.sharing.as_ref())
    }

    fn find_files(&self) -> Result<Vec<PathBuf>> {
        finds_in(&self.task.folder, self.task.sharing.as_ref())
    }

    /// The files with finds that were not there the last time.
    pub(super) fn new_finds(&mut self) -> Result<Vec<PathBuf>> {
        let mut new = self.find_files()?;
        new.retain(|path| self.seen_finds.insert(path.clone()));
        Ok(new)
    }

    /// Reads the executions of a process. While an engine writes its figures anew, they are as they were.
    fn count(&mut self, place: usize) {
        let read = self.engine.executions(&self.task, place);
        let executions = &mut self.processes[place].executions;
        *executions = read.max(*executions);
    }

    /// Takes a sample, as of `elapsed`.
    pub(super) fn look(&mut self, times: &Times, elapsed: Duration) {
        for place in 0..self.processes.len() {
            self.count(place);
            let process = &mut self.processes[place];
            let time = process.group.as_ref().map(|group| group.time(times));
            process.time_of_running = process.time_of_running.max(time.unwrap_or_default());
        }
        let each = self.processes.iter();
        self.samples.push(Sample {
            time: elapsed,
            executions: each.map(|one| one.executions_before + one.executions).sum(),
        });
    }

    pub(super) fn figures(&self, pool: &Pool) -> Figures {
        let kept = pool.of(self.engine);
        let times = self.processes.iter();
        let times = times.map(|one| one.time_of_ended + one.time_of_running);
        let reported = latest_report(&self.samples);
        Figures {
            engine: self.engine,
            workers: self.task.workers,
            executions: reported.executions,
            executions_per_second: rate(reported.executions, reported.time),
            kept,
            given: match (&self.inbox, &self.task.pool) {
                (Some(inbox), _) => inbox.given,
                (None, Some(_)) => pool.kept().len() - kept,
                (None, None) => 0,
            },
            finds: self.seen_finds.len(),
            core_seconds: times.sum::<Duration>().as_secs_f64(),
            stability: match self.engine {
                Engine::Afl => afl::stability(&self.task),
                Engine::Libfuzzer | Engine::Honggfuzz => None,
            },
            failure: self.processes.iter().find_map(|one| one.dead.clone()),
        }
    }

    /// What became of it: all of its processes have ended.
    pub(super) fn outcome(
        &self,
        pool: &Pool,
        (start, elapsed): (SystemTime, Duration),
        was_cut: bool,
    ) -> Result<Outcome> {
        let mut logs = (0..self.processes.len()).map(|place| self.task.log(place));
        let seeds_read = logs.find_map(|log| {
            let text = fs::read(log).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            self.engine.seeds_read(&text, &self.task)
        });
        let seeds_read = seeds_read.unwrap_or(0);
        let mut figures = self.figures(pool);
        figures.executions_per_second = rate(figures.executions, elapsed);
        let useless = match (figures.executions, seeds_read) {
            _ if was_cut => None,
            (0, _) => Some("executed nothing"),
            (_, 0) => Some("read no seeds"),
            _ => None,
        };
        let useless = useless.map(|what| {
            let (name, log) = (self.engine.title(), self.task.log(0));
            let end = last_lines(&end_of(&log), LINES);
            format!("{name} {what}; the end of {}:\n{end}", log.display())
        });
        figures.failure = figures.failure.or(useless);
        let finds = self.find_files()?.into_iter().map(|path| {
            let time = arrival(&path, start);
            (path, time)
        });
        Ok(Outcome {
            figures,
            command: self.command.clone(),
            seeds_read,
            samples: self.samples.clone(),
            finds: finds.collect(),
        })
    }
}

/// When an engine wrote a find: AFL++ has it in the file's name; for others it is the file's time.
fn arrival(find: &Path, start: SystemTime) -> Duration {
    let name = find.file_name().unwrap_or_default().to_string_lossy();
    let written = find.metadata().and_then(|file| file.modified());
    let written = written.map_or(Duration::ZERO, |written| since(written, start));
    afl::arrival(&name).0.unwrap_or(written)
}

fn since(time: SystemTime, start: SystemTime) -> Duration {
    time.duration_since(start).unwrap_or_default()
}
