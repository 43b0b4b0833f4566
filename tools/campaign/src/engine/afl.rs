//! AFL++, through cargo-afl.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use fs_err as fs;

use super::{Build, Task, number_after, run_build};
use crate::corpus::{entries_in, files_in};
use crate::project::Project;

/// How often instances read each other's queues, in minutes: the shortest there is. A main instance, which
/// also reads the folders of other engines, does so twice as often.
const SYNC_MINUTES: &str = "1";
/// The power schedules of secondary instances, in turn. Others have AFL++'s own choice, `explore`.
const SCHEDULES: [&str; 7] = ["fast", "rare", "coe", "exploit", "quad", "lin", "mmopt"];

/// An AFL++ output folder that instances on other machines share, or that is kept in step with theirs.
#[derive(Debug, Clone)]
pub struct Sharing {
    /// The folder, AFL++'s `-o`. What others have put there is read and never changed.
    pub folder: PathBuf,
    /// The name of this machine's main instance; further ones are called `NAME-2`, `NAME-3`, …
    pub name: String,
}

impl Sharing {
    /// Whether an instance's folder is one of this machine's.
    pub(super) fn has(&self, instance: &Path) -> bool {
        let name = instance.file_name().unwrap_or_default().to_string_lossy();
        let rest = name.strip_prefix(self.name.as_str());
        let is_number = |rest: &str| {
            rest.strip_prefix('-')
                .is_some_and(|n| n.parse::<u32>().is_ok())
        };
        rest.is_some_and(|rest| rest.is_empty() || is_number(rest))
    }
}

/// One instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Instance {
    /// Its name, and that of its folder below the output folder.
    pub(super) name: String,
    /// What it is to the others with its output folder, if there are any: `-M` reads everybody's queue, and the
    /// folder with what other engines found; `-S` reads the queue of that one.
    role: Option<&'static str>,
    /// Its power schedule (`-p`), when it is not the usual one.
    schedule: Option<&'static str>,
}

/// The instances of so many workers. The first is this machine's main one. `alone` means that there is no other
/// engine.
pub(super) fn instances(workers: usize, alone: bool, sharing: Option<&Sharing>) -> Vec<Instance> {
    if alone && workers == 1 && sharing.is_none() {
        return vec![Instance {
            name: "default".to_owned(),
            role: None,
            schedule: None,
        }];
    }
    let first = sharing.map_or("main", |one| &*one.name);
    // Machines that know nothing of each other get different schedules by their names.
    let offset: usize = sharing.map_or(0, |one| one.name.bytes().map(usize::from).sum());
    let of = |place: usize| {
        let is_main = place == 0;
        let schedule = SCHEDULES[(offset + place.saturating_sub(1)) % SCHEDULES.len()];
        Instance {
            name: match place {
                0 => first.to_owned(),
                _ => format!("{first}-{}", place + 1),
            },
            role: Some(if is_main { "-M" } else { "-S" }),
            schedule: (!is_main).then_some(schedule),
        }
    };
    (0..workers).map(of).collect()
}

pub(super) fn build(project: &Project, target: &str) -> Result<Build> {
    let folder = project.builds("afl");
    run_build(
        Command::new("cargo")
            .args(["afl", "build", "--release", "--bin", target, "--target-dir"])
            .arg(&folder)
            .current_dir(project.root().join("afl-targets")),
    )?;
    Ok(Build {
        binary: folder.join("release").join(target),
        launcher: None,
    })
}

/// The command of the instance at `place`. One that was there before resumes.
pub(super) fn command(build: &Build, task: &Task, place: usize, time: Duration) -> Command {
    let instance = &task.instances[place];
    let mut command = Command::new("cargo");
    command
        .args(["afl", "fuzz", "-V", &time.as_secs().max(1).to_string()])
        .arg("-i")
        .arg(&task.inputs)
        .arg("-o")
        .arg(task.output())
        .args(["-G", &task.max_input.to_string(), "-t", "5000"])
        // No window on a terminal; no questions about the machine's set-up, which `doctor` answers.
        .env("AFL_NO_UI", "1")
        .env("AFL_SKIP_CPUFREQ", "1")
        .env("AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES", "1")
        // The core is chosen by us.
        .env("AFL_NO_AFFINITY", "1")
        // An input that fails to begin with is a find, not a reason to give up.
        .env("AFL_CRASHING_SEEDS_AS_NEW_CRASH", "1")
        .env("AFL_FUZZER_STATS_UPDATE_INTERVAL", "1");
    if let Some(dictionary) = &task.dictionary {
        command.arg("-x").arg(dictionary);
    }
    if !task.compare_tracing {
        // cargo-afl asks for CmpLog, which takes its time for every input even where it sees nothing.
        command.args(["-c", "-"]);
    }
    if let Some(role) = instance.role {
        command
            .args([role, &instance.name])
            .env("AFL_SYNC_TIME", SYNC_MINUTES)
            .env("AFL_IMPORT_FIRST", "1")
            .env("AFL_AUTORESUME", "1");
        if let Some(pool) = task.pool.as_ref().filter(|_| role == "-M") {
            command.arg("-F").arg(pool);
        }
    }
    if let Some(schedule) = instance.schedule {
        command.args(["-p", schedule]);
    }
    command.arg("--").arg(&build.binary);
    command
}

pub(super) fn seeds_read(log: &str) -> Option<u64> {
    number_after(log, "Loaded a total of ")
}

/// Executions of the instance at `place`, those before it was started again included.
pub(super) fn executions(task: &Task, place: usize) -> Option<u64> {
    figure(&statistics(task, place), "execs_done")?.parse().ok()
}

/// The stability of the least stable instance, in percent.
pub(super) fn stability(task: &Task) -> Option<f64> {
    let each = (0..task.instances.len()).filter_map(|place| {
        let statistics = statistics(task, place);
        let percent = figure(&statistics, "stability")?.strip_suffix('%')?;
        percent.parse::<f64>().ok()
    });
    each.reduce(f64::min)
}

fn statistics(task: &Task, place: usize) -> String {
    let folder = task.output().join(&task.instances[place].name);
    fs::read_to_string(folder.join("fuzzer_stats")).unwrap_or_default()
}

fn figure<'a>(fuzzer_stats: &'a str, key: &str) -> Option<&'a str> {
    fuzzer_stats.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == key).then(|| value.trim())
    })
}

/// When an input came, and after how many executions of its instance, by the name of its file.
pub(super) fn arrival(name: &str) -> (Option<Duration>, Option<u64>) {
    (
        number_after(name, ",time:").map(Duration::from_millis),
        number_after(name, ",execs:"),
    )
}

/// The finds of the instance in `folder`, those of before it was started again included: AFL++ then gives
/// their folders another name.
pub(super) fn instance_finds(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut finds = Vec::new();
    for folder in folders_in(folder)? {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("crashes") || name.starts_with("hangs") {
            let files = files_in(&folder)?.into_iter();
            finds.extend(files.filter(|path| !path.ends_with("README.txt")));
        }
    }
    Ok(finds)
}

/// The folders of all instances that this machine has: in `folder`, and in the shared output folder.
pub(super) fn instances_of(folder: &Path, sharing: Option<&Sharing>) -> Result<Vec<PathBuf>> {
    let mut instances = folders_in(&folder.join("output"))?;
    if let Some(sharing) = sharing {
        let shared = folders_in(&sharing.folder)?.into_iter();
        instances.extend(shared.filter(|instance| sharing.has(instance)));
    }
    instances.retain(|instance| instance.join("queue").is_dir());
    Ok(instances)
}

fn folders_in(folder: &Path) -> Result<Vec<PathBuf>> {
    entries_in(folder, |kind| kind.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_own_figures_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let task = Task {
            folder: folder.path().to_owned(),
            instances: instances(2, true, None),
            ..super::super::task()
        };
        assert_eq!((executions(&task, 0), stability(&task)), (None, None));
        for (name, percent) in [("main", "99.45"), ("main-2", "100.00")] {
            let folder = folder.path().join("output").join(name);
            fs::create_dir_all(&folder).unwrap();
            let text = format!(
                "start_time        : 1795361632\nexecs_done        : 294936\n\
                 execs_per_sec     : 29487.70\nstability         : {percent}%\n"
            );
            fs::write(folder.join("fuzzer_stats"), text).unwrap();
        }
        assert_eq!(executions(&task, 1), Some(294_936));
        assert_eq!(stability(&task), Some(99.45), "of the least stable one");
        let (time, executions) = arrival("id:000083,src:000003,time:1500,execs:4711,op:havoc");
        assert_eq!(
            (time, executions),
            (Some(Duration::from_millis(1500)), Some(4711))
        );
        assert_eq!(arrival("id:000084,sync:pool_0,src:000001"), (None, None));
        let loaded = seeds_read("[*] x\n[+] Loaded a total of 5 seeds.\n");
        assert_eq!(loaded, Some(5));
        assert_eq!(seeds_read("[-] PROGRAM ABORT"), None);
    }

    #[test]
    fn comparisons_are_solved_where_they_are_seen() {
        let is_off = |compare_tracing| {
            let task = Task {
                compare_tracing,
                instances: instances(1, true, None),
                ..super::super::task()
            };
            let build = Build {
                binary: "target".into(),
                launcher: None,
            };
            let command = command(&build, &task, 0, Duration::from_secs(1));
            let arguments: Vec<_> = command.get_args().collect();
            arguments.windows(2).any(|pair| pair == ["-c", "-"])
        };
        assert!(is_off(false) && !is_off(true));
    }

    #[test]
    fn one_instance_is_the_main_one_and_the_others_differ_in_their_schedules() {
        let all = instances(8, true, None);
        assert_eq!((all[0].role, all[0].schedule), (Some("-M"), None));
        assert_eq!([&all[0].name, &all[1].name], ["main", "main-2"]);
        let schedules: std::collections::HashSet<_> =
            all.iter().map(|instance| instance.schedule).collect();
        assert_eq!(schedules.len(), 8);
        assert!(all[1..].iter().all(|one| one.role == Some("-S")));
        let alone = instances(1, true, None);
        assert_eq!((&*alone[0].name, alone[0].role), ("default", None));
        assert_eq!(instances(1, false, None)[0].role, Some("-M"));
    }

    #[test]
    fn each_machine_has_a_main_instance() {
        let sharing = Sharing {
            folder: "/shared".into(),
            name: "here".to_owned(),
        };
        let here = instances(2, true, Some(&sharing));
        assert_eq!([&here[0].name, &here[1].name], ["here", "here-2"]);
        assert_eq!((here[0].role, here[0].schedule), (Some("-M"), None));
        assert_eq!(here[1].role, Some("-S"));
        assert!(here[1].schedule.is_some());
        let is_ours = |name: &str| sharing.has(&Path::new("/shared").join(name));
        assert!(is_ours("here") && is_ours("here-2"));
        assert!(!is_ours("hereafter") && !is_ours("there") && !is_ours("here-x"));
    }
}
