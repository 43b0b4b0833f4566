//! One engine of an ensemble: its processes, started, watched and started again, and its files, read.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::Signal;

use super::AflSharing;
use super::allocation::Share;
use super::exchange::{GIVEN, Stamps};
use super::processes::Processes;
use super::worker::Worker;
use crate::corpus::content_name;
use crate::engine::session::end_of;
use crate::engine::{Build, Engine, Status, Task, afl, honggfuzz, libfuzzer};

/// How often a process that dies is started again before it is given up.
const RESTARTS: u32 = 3;
/// How long after its first death it is started again; twice as long after each further one.
const BACK_OFF: Duration = Duration::from_secs(1);
/// One that ran so long before it died has a clean sheet.
const RAN_WELL: Duration = Duration::from_secs(3600);
/// An engine's own limit is so much later than the end it is given: the ensemble ends it, and the limit is for
/// one that nobody looks after any more.
const MARGIN: Duration = Duration::from_secs(10);

/// An engine of an ensemble.
#[derive(Debug)]
pub struct Member {
    /// The engine.
    pub engine: Engine,
    /// How many cores it has; 1 where all engines share fewer.
    pub workers: usize,
    /// Where it works, and with what.
    pub(super) task: Task,
    build: Build,
    /// AFL++'s output folder, which other machines may share.
    pub(super) output: PathBuf,
    pub(super) processes: Vec<Worker>,
    /// Inputs, by content, that it began from, kept or was given.
    pub(super) has: HashSet<String>,
    /// How many entries of the pool it was offered.
    pub(super) offered: usize,
    /// How many entries it is to be given even if it had them, because it was started again without them.
    pub(super) forgot: usize,
    /// Whether it waits for its turn.
    paused: bool,
    /// Whether there is anyone to read from, and it can.
    pub(super) reads_others: bool,
    pub(super) stamps: Stamps,
    /// How many inputs of others it was given.
    pub given: usize,
    pub(super) scanned: HashSet<PathBuf>,
    executions_before: u64,
    /// Its command line, that of the first process.
    pub command: String,
    /// Its figures when they were last read.
    pub status: Status,
    pub(super) seen_finds: HashSet<PathBuf>,
}

impl Member {
    /// The engine of `share`, to work as `task` says. `alone` says that there is no other engine.
    pub(super) fn new(
        share: &Share,
        build: &Build,
        task: Task,
        sharing: Option<&AflSharing>,
        alone: bool,
    ) -> Self {
        let is_afl = share.engine == Engine::Afl;
        let sharing = sharing.filter(|_| is_afl);
        let reads_others = !alone && sharing.is_none_or(|sharing| sharing.is_main);
        let import = (is_afl && reads_others).then(|| task.folder.join("import"));
        // honggfuzz has its workers in one process.
        let places: Vec<Vec<usize>> = match share.engine {
            Engine::Honggfuzz => {
                let mut cores = share.workers.concat();
                cores.sort_unstable();
                cores.dedup();
                vec![cores]
            }
            Engine::Afl | Engine::Libfuzzer => share.workers.clone(),
        };
        let processes = places.into_iter().enumerate().map(|(place, cores)| {
            let log = match place {
                0 => task.log(),
                _ => task.folder.join(format!("log-{}.txt", place + 1)),
            };
            Worker::new(cores, instance(place, sharing, import.clone()), log)
        });
        Self {
            engine: share.engine,
            workers: share.workers.len(),
            build: build.clone(),
            output: sharing.map_or_else(|| task.output(), |sharing| sharing.folder.clone()),
            processes: processes.collect(),
            has: HashSet::new(),
            offered: 0,
            forgot: 0,
            paused: false,
            reads_others,
            stamps: Stamps::default(),
            given: 0,
            scanned: HashSet::new(),
            executions_before: 0,
            command: String::new(),
            status: Status::default(),
            seen_finds: HashSet::new(),
            task,
        }
    }

    /// The folder through which it reads what others found.
    pub(super) fn import(&self) -> PathBuf {
        match self.engine {
            Engine::Libfuzzer => self.task.output(),
            Engine::Afl | Engine::Honggfuzz => self.task.folder.join("import"),
        }
    }

    /// Looks after the processes: what has ended is started again, as far as the rules go. Returns what there
    /// is to say, and whether another process runs than before.
    pub(super) fn tend(&mut self, left: Duration) -> Result<(Vec<String>, bool)> {
        let mut said = Vec::new();
        let mut changed = false;
        for place in 0..self.processes.len() {
            if let Some(status) = self.processes[place].poll()? {
                changed = true;
                said.extend(self.ended(place, status, left)?);
            }
            let can_start = !self.paused && left > Duration::from_secs(1);
            if can_start && self.processes[place].is_due() {
                changed = true;
                if let Err(error) = self.start(place, left) {
                    let why = format!("{} cannot be started: {error:#}", self.engine.title());
                    self.processes[place].dead = Some(why.clone());
                    said.push(why);
                }
            }
        }
        Ok((said, changed))
    }

    fn start(&mut self, place: usize, left: Duration) -> Result<()> {
        let finds = self.find_files()?.len();
        let time = left + MARGIN;
        let process = &mut self.processes[place];
        let (build, task) = (&self.build, &self.task);
        let mut command: Command = match self.engine {
            Engine::Afl => {
                if let Some(import) = &process.instance.import {
                    fs::create_dir_all(import)?;
                }
                afl::instance_command(build, task, time, &self.output, &process.instance)
            }
            Engine::Libfuzzer => libfuzzer::ensemble_command(build, task, time)?,
            Engine::Honggfuzz => {
                let import = task.folder.join("import");
                honggfuzz::ensemble_command(build, task, time, self.workers, &import)?
            }
        };
        if self.command.is_empty() {
            self.command = crate::engine::shown(&command);
        }
        process.start(&mut command, finds)
    }

    /// Decides what follows the end of a process, and says it where it is worth saying.
    fn ended(
        &mut self,
        place: usize,
        status: ExitStatus,
        left: Duration,
    ) -> Result<Option<String>> {
        let found_more = self.find_files()?.len() > self.processes[place].finds_before;
        let process = &mut self.processes[place];
        if left <= Duration::from_secs(1) {
            return Ok(None);
        }
        let now = Instant::now();
        if std::mem::take(&mut process.asked) {
            process.start_at = Some(now);
            return Ok(None);
        }
        // libFuzzer stops at a find; as long as each start brings a new one, it goes on.
        if self.engine == Engine::Libfuzzer && found_more {
            process.start_at = Some(now);
            self.set_aside()?;
            return Ok(None);
        }
        if process.started.elapsed() > RAN_WELL {
            process.deaths = 0;
        }
        process.deaths += 1;
        let name = format!("{} ({})", self.engine.title(), process.log.display());
        if process.deaths > RESTARTS {
            let why = format!(
                "{name} died {} times and is given up; the last time {status}, saying:\n{}",
                process.deaths,
                end_of(&process.log)
            );
            process.dead = Some(why.clone());
            return Ok(Some(why));
        }
        let wait = BACK_OFF * 2_u32.pow(process.deaths - 1);
        process.start_at = Some(now + wait);
        let said = format!("{name} died ({status}); it is started again");
        if self.engine == Engine::Honggfuzz {
            self.begin_new_statistics()?;
        } else if self.engine == Engine::Libfuzzer {
            self.set_aside()?;
        }
        Ok(Some(said))
    }

    /// honggfuzz started again counts from 0 and knows only what it began from: its figures so far are added,
    /// and all that it had is given to it once more.
    fn begin_new_statistics(&mut self) -> Result<()> {
        self.executions_before += honggfuzz::status(&self.task).executions;
        self.forgot = self.offered.max(self.forgot);
        self.offered = 0;
        let statistics = honggfuzz::statistics(&self.task);
        let number = (1..).find(|n| !old(&statistics, *n).exists()).unwrap_or(1);
        for file in [statistics, self.task.log()] {
            if file.exists() {
                fs::rename(&file, old(&file, number))
                    .with_context(|| format!("{} cannot be renamed", file.display()))?;
            }
        }
        Ok(())
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
            let given = Engine::ALL.map(|from| format!("{GIVEN}{from}-{by_content}"));
            let in_output = given.into_iter().chain(its_own);
            let files = in_output.map(|name| self.task.output().join(name));
            for file in files.chain([self.task.inputs.join(&by_content)]) {
                if file.exists() {
                    fs::rename(&file, aside.join(&by_content))
                        .with_context(|| format!("{} cannot be set aside", file.display()))?;
                }
            }
        }
        Ok(())
    }

    /// Asks AFL++'s main instance to end and start again: it reads the others' inputs at its start, and not
    /// when it ends, whatever `AFL_FINAL_SYNC` says.
    pub(super) fn read_others_once_more(&mut self) {
        for process in &mut self.processes {
            if process.instance.import.is_some() {
                process.restart();
            }
        }
    }

    /// Stops all processes where they are, or lets them go on.
    pub(super) fn pause(&mut self, waits: bool) {
        if std::mem::replace(&mut self.paused, waits) != waits {
            let how = if waits { Signal::STOP } else { Signal::CONT };
            for process in &self.processes {
                process.signal(how);
            }
        }
    }

    /// Asks every process to end.
    pub(super) fn stop(&mut self, how: Signal) {
        for process in &mut self.processes {
            process.start_at = None;
            process.signal(how);
        }
    }

    /// Whether no process runs, and nothing that one has started.
    pub(super) fn is_over(&self) -> bool {
        self.processes.iter().all(Worker::is_over)
    }

    /// The groups of processes that run.
    pub(super) fn running(&self) -> impl Iterator<Item = u32> {
        self.processes.iter().filter_map(Worker::group)
    }

    /// Whether none runs and none will.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.processes.iter().all(|process| process.dead.is_some())
    }

    /// Why a process was given up.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.processes
            .iter()
            .find_map(|process| process.dead.clone())
    }

    /// Reads the figures.
    pub(super) fn look(&mut self, processes: &Processes) {
        for process in &mut self.processes {
            process.look(processes);
        }
        let status = match self.engine {
            Engine::Afl => {
                let each = self.processes.iter();
                let each = each
                    .map(|process| afl::instance_status(&self.output.join(&process.instance.name)));
                each.reduce(|sum, one| Status {
                    executions: sum.executions + one.executions,
                    corpus: sum.corpus.max(one.corpus),
                    stability: sum.stability.min(one.stability),
                })
                .unwrap_or_default()
            }
            Engine::Libfuzzer => Status {
                executions: self.processes.iter_mut().map(Worker::executions).sum(),
                corpus: 0,
                stability: None,
            },
            Engine::Honggfuzz => {
                let mut status = honggfuzz::status(&self.task);
                status.executions += self.executions_before;
                status
            }
        };
        // An engine that starts again writes its figures anew.
        self.status = Status {
            executions: status.executions.max(self.status.executions),
            ..status
        };
    }

    /// The processor time used.
    #[must_use]
    pub fn core_time(&self) -> Duration {
        self.processes.iter().map(Worker::core_time).sum()
    }

    /// How many files with finds it has left.
    #[must_use]
    pub fn finds(&self) -> usize {
        self.seen_finds.len()
    }
}

/// AFL++'s instance at `place`. The first is the main one, unless another machine has that.
fn instance(place: usize, sharing: Option<&AflSharing>, import: Option<PathBuf>) -> afl::Instance {
    let is_main = place == 0 && sharing.is_none_or(|sharing| sharing.is_main);
    let name = match (sharing, place) {
        (None, 0) => "main".to_owned(),
        (None, _) => format!("secondary-{place}"),
        (Some(sharing), 0) => sharing.name.clone(),
        (Some(sharing), _) => format!("{}-{}", sharing.name, place + 1),
    };
    // Machines that know nothing of each other get different schedules by their names.
    let offset: usize = match sharing {
        Some(sharing) if !sharing.is_main => sharing.name.bytes().map(usize::from).sum(),
        Some(_) | None => 0,
    };
    let schedules = &afl::SCHEDULES;
    afl::Instance {
        schedule: (!is_main)
            .then(|| schedules[(offset + place.saturating_sub(1)) % schedules.len()]),
        import: import.filter(|_| is_main),
        name,
        is_main,
    }
}

/// The name of a log or of statistics of before honggfuzz was started again.
pub(super) fn old(file: &Path, number: usize) -> PathBuf {
    file.with_extension(format!("{number}.old"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_instance_is_the_main_one_and_the_others_differ_in_their_schedules() {
        let all: Vec<afl::Instance> = (0..8)
            .map(|place| instance(place, None, Some("import".into())))
            .collect();
        assert!(all[0].is_main && all[0].schedule.is_none() && all[0].import.is_some());
        assert_eq!(
            (all[0].name.as_str(), all[1].name.as_str()),
            ("main", "secondary-1")
        );
        let schedules: HashSet<_> = all.iter().map(|instance| instance.schedule).collect();
        assert_eq!(schedules.len(), 8);
        assert!(
            all[1..]
                .iter()
                .all(|other| !other.is_main && other.import.is_none())
        );
    }

    #[test]
    fn another_machine_has_no_main_instance() {
        let sharing = |name: &str, is_main| AflSharing {
            folder: "/shared".into(),
            name: name.to_owned(),
            is_main,
        };
        let here = instance(0, Some(&sharing("here", true)), None);
        assert!(here.is_main && here.name == "here");
        let there = sharing("there", false);
        let there = [0, 1].map(|place| instance(place, Some(&there), None));
        assert_eq!(there[0].name, "there");
        assert_eq!(there[1].name, "there-2");
        assert!(there.iter().all(|instance| !instance.is_main));
        assert!(there.iter().all(|instance| instance.schedule.is_some()));
    }
}
