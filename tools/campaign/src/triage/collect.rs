//! The finds to triage: which files they are, of which engine, since when.
//!
//! Ours are in `results/finds/TARGET/ENGINE`, named by content. Folders of the engines' own are read as
//! they are: AFL++'s output (`crashes` and `hangs` of each instance, never its queue), libFuzzer's
//! artifacts, honggfuzz's crash files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Result, bail};
use fs_err as fs;
use serde::{Deserialize, Serialize};
use worker::TargetInfo;

use crate::corpora::candidates::target_of;
use crate::corpus::content_name;
use crate::engine::{Engine, number_after};

/// A file that an engine or the user reports as a failing input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// The engine's name, or `unknown`.
    pub engine: String,
    /// The file.
    pub path: PathBuf,
    /// When it was found, in milliseconds since 1970: as the engine reports it, else the file's age.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_ms: Option<u64>,
}

/// One input, found once or more often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Find {
    /// The target.
    pub target: String,
    /// The SHA-256 of its content.
    pub name: String,
    /// Its size in bytes.
    pub size: usize,
    /// Where it is, every file of this content.
    pub sightings: Vec<Sighting>,
}

impl Find {
    /// A file with its content.
    pub fn path(&self) -> &Path {
        &self.sightings[0].path
    }
}

/// What was collected.
#[derive(Debug, Default)]
pub struct Collected {
    /// The finds, by target and content.
    pub finds: Vec<Find>,
    /// What could not be read, and why.
    pub troubles: Vec<String>,
}

/// Collects the finds in `folders`, of the targets `wanted`, or of all of `known` when that is empty. Where a path
/// names no target and one is wanted, it is of that one. Fails when a folder cannot be read, or the target of a find is
/// not clear. A file that cannot be read is a trouble.
pub fn collect(
    folders: &[PathBuf],
    wanted: &[&TargetInfo],
    known: &[&TargetInfo],
) -> Result<Collected> {
    let mut collected = Collected::default();
    let mut finds: BTreeMap<(&str, String), Find> = BTreeMap::new();
    let mut sightings = Vec::new();
    for folder in folders {
        if folder.is_file() {
            sightings.extend(sighting(folder, true));
        } else {
            look_into(folder, true, &mut sightings)?;
        }
    }
    for sighting in sightings {
        let path = sighting.path.display();
        let target = match (target_of(&sighting.path, known)?, wanted) {
            (Some(target), _) => target,
            (None, [only]) => *only,
            (None, _) => {
                bail!("{path}: no folder in this path is called like a target; name its one target")
            }
        };
        if !wanted.is_empty() && wanted.iter().all(|wanted| wanted.name != target.name) {
            continue;
        }
        let content = match fs::read(&sighting.path) {
            Ok(content) => content,
            Err(why) => {
                collected.troubles.push(why.to_string());
                continue;
            }
        };
        let name = content_name(&content);
        let find = finds.entry((&target.name, name.clone())).or_insert(Find {
            target: target.name.clone(),
            name,
            size: content.len(),
            sightings: Vec::new(),
        });
        if find
            .sightings
            .iter()
            .all(|known| known.path != sighting.path)
        {
            find.sightings.push(sighting);
        }
    }
    collected.finds = finds.into_values().collect();
    Ok(collected)
}

/// Adds the finds in a folder and in those below it. In the folder that was `given` every file is one.
fn look_into(folder: &Path, given: bool, sightings: &mut Vec<Sighting>) -> Result<()> {
    let entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let mut paths = entries.collect::<Result<Vec<_>>>()?;
    paths.retain(|path| !name_of(path).starts_with('.'));
    paths.sort();
    // What an engine keeps beside its finds is no find.
    let is_afl = folder.join("fuzzer_stats").is_file();
    for path in paths {
        let name = name_of(&path);
        if path.is_dir() {
            let holds_finds = ["crashes", "hangs"]
                .iter()
                .any(|kind| name.starts_with(kind));
            let holds_inputs =
                ["queue", "corpus", "inputs", "output", "replaced"].contains(&&*name);
            if holds_finds || !(is_afl || holds_inputs) {
                look_into(&path, false, sightings)?;
            }
        } else if path.is_file() && !is_afl {
            sightings.extend(sighting(&path, given));
        }
    }
    Ok(())
}

/// The find that a file is, if it is one. One that `stands_alone` was named by the user, or its folder was.
fn sighting(path: &Path, stands_alone: bool) -> Option<Sighting> {
    let name = name_of(path);
    let engine = match known_by_name(&name) {
        // AFL++ names all its inputs so: the folder shows which of them fail.
        Some(Engine::Afl) if !stands_alone && !is_in_crashes(path) => return None,
        Some(engine) => Some(engine),
        None if is_ours(path, &name) => None,
        None if stands_alone && !is_text(&name) => None,
        None => return None,
    };
    let engine = engine.map_or_else(|| engine_in(path), |engine| engine.name().to_owned());
    Some(Sighting {
        engine,
        path: path.to_owned(),
        at_ms: afl_found_ms(path, &name).or_else(|| written_ms(path)),
    })
}

fn name_of(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// The engine that gives its finds such names.
fn known_by_name(name: &str) -> Option<Engine> {
    let libfuzzer = ["crash-", "timeout-", "oom-", "leak-"];
    if name.starts_with("id:") {
        Some(Engine::Afl)
    } else if libfuzzer.iter().any(|kind| name.starts_with(kind)) {
        Some(Engine::Libfuzzer)
    } else if name.ends_with(".fuzz") || name.ends_with(".fuzz.orig") {
        Some(Engine::Honggfuzz)
    } else {
        None
    }
}

fn is_in_crashes(path: &Path) -> bool {
    let folder = path.parent().map(name_of).unwrap_or_default();
    folder.starts_with("crashes") || folder.starts_with("hangs")
}

/// Whether it is a find of ours: named by its content and in a folder of finds. A corpus has such names too.
fn is_ours(path: &Path, name: &str) -> bool {
    let folder = path.parent().map(name_of).unwrap_or_default();
    let is_engine = Engine::ALL.iter().any(|engine| engine.name() == folder);
    let is_hash = name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hash && (is_engine || path.iter().any(|part| part == "finds"))
}

/// Whether it is what people and engines write beside finds.
fn is_text(name: &str) -> bool {
    let endings = [".txt", ".TXT", ".md", ".json", ".log", ".csv", ".sarif"];
    endings.iter().any(|ending| name.ends_with(ending)) || name.starts_with("slow-unit-")
}

/// The engine that a folder of the path is called like.
fn engine_in(path: &Path) -> String {
    let folders = path.iter().rev().skip(1);
    let mut names = folders.flat_map(|folder| {
        let names = Engine::ALL.iter().map(|engine| engine.name());
        names.filter(move |name| folder == *name)
    });
    names.next().unwrap_or("unknown").to_owned()
}

/// When AFL++ found a file in `crashes`: the instance's start, and the time since then in the name.
fn afl_found_ms(path: &Path, name: &str) -> Option<u64> {
    let after = number_after(name.strip_prefix("id:")?, ",time:")?;
    let stats = path.parent()?.parent()?.join("fuzzer_stats");
    let text = fs::read_to_string(stats).ok()?;
    let line = text.lines().find(|line| line.starts_with("start_time"))?;
    Some(number_after(line, ":")?.checked_mul(1000)? + after)
}

fn written_ms(path: &Path) -> Option<u64> {
    let written = path.metadata().ok()?.modified().ok()?;
    let since = written.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok()
}

/// A time as people and machines read it, to the second.
pub(crate) fn time_shown(at_ms: Option<u64>) -> String {
    let Some(at_ms) = at_ms else {
        return "unknown".to_owned();
    };
    let time = UNIX_EPOCH + Duration::from_millis(at_ms);
    humantime::format_rfc3339_seconds(time).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Collects from a folder with two targets, for the first of them or for both.
    fn collected(folder: &Path, is_one_wanted: bool) -> Result<Collected> {
        let calc = &TargetInfo::new("fuzz_measure_calc", "calculators", 42);
        let scan = &TargetInfo::new("fuzz_measure_scan", "scanners", 42);
        let wanted = is_one_wanted.then_some(calc);
        collect(&[folder.to_owned()], wanted.as_slice(), &[calc, scan])
    }

    fn lay(root: &Path, files: &[&str]) {
        for (nth, file) in files.iter().enumerate() {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            // Contents differ, but for the README's and statistics.
            fs::write(path, format!("start_time        : 1000\n{nth}")).unwrap();
        }
    }

    fn engines(collected: &Collected) -> Vec<&str> {
        let mut engines: Vec<&str> = collected
            .finds
            .iter()
            .flat_map(|find| &find.sightings)
            .map(|sighting| sighting.engine.as_str())
            .collect();
        engines.sort_unstable();
        engines
    }

    #[test]
    fn every_engines_own_folders_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let ours = format!("finds/fuzz_measure_calc/honggfuzz/{}", "a".repeat(64));
        lay(
            folder.path(),
            &[
                "afl/fuzz_measure_calc/default/fuzzer_stats",
                "afl/fuzz_measure_calc/default/crashes/README.txt",
                "afl/fuzz_measure_calc/default/crashes/id:000000,sig:06,src:000003,time:2500,execs:77,op:havoc",
                "afl/fuzz_measure_calc/default/hangs/id:000000,src:000003,time:99,execs:5,op:havoc",
                "afl/fuzz_measure_calc/default/queue/id:000000,time:0,execs:0,orig:seed",
                "afl/fuzz_measure_calc/default/plot_data",
                "artifacts/fuzz_measure_scan/crash-356a192b7913b04c54574d18c28d46e6395428ab",
                "artifacts/fuzz_measure_scan/timeout-77de68daecd823babbb58edb1c8e14d7106e83bb",
                "artifacts/fuzz_measure_scan/slow-unit-1b6453892473a467d07372d45eb05abc2031647a",
                "hfuzz_workspace/fuzz_measure_scan/SIGABRT.PC.7ffff7.STACK.1.CODE.-6.ADDR.0.INSTR.mov____%eax,%ebp.fuzz",
                "hfuzz_workspace/fuzz_measure_scan/HONGGFUZZ.REPORT.TXT",
                "hfuzz_workspace/fuzz_measure_scan/input/0000.honggfuzz.cov",
                &format!("kept/fuzz_measure_scan/{}", "b".repeat(64)),
                "kept/fuzz_measure_scan/id:000001,time:0,execs:0,orig:seed",
                &ours,
            ],
        );
        let all = collected(folder.path(), false).unwrap();
        assert!(all.troubles.is_empty());
        let twice = ["afl", "honggfuzz", "libfuzzer"].map(|engine| [engine; 2]);
        assert_eq!(engines(&all), twice.as_flattened());
        let of_calc = collected(folder.path(), true).unwrap().finds;
        assert_eq!(of_calc.len(), 3);
        let crash = of_calc
            .iter()
            .find(|find| find.path().to_string_lossy().contains("time:2500"))
            .unwrap();
        assert_eq!(crash.sightings[0].at_ms, Some(1_002_500));
        assert_eq!(time_shown(Some(1_002_500)), "1970-01-01T00:16:42Z");
    }

    #[test]
    fn files_of_a_folder_that_was_named_are_finds_and_one_content_is_one() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["mine", "again", "notes.md"] {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        let error = collected(folder.path(), false).unwrap_err().to_string();
        assert!(error.contains("name its one target"), "{error}");
        let finds = collected(folder.path(), true).unwrap().finds;
        assert_eq!(finds.len(), 1);
        assert_eq!(finds[0].sightings.len(), 2);
        assert_eq!(finds[0].sightings[0].engine, "unknown");
        let one = collected(&folder.path().join("mine"), true).unwrap();
        assert_eq!(one.finds.len(), 1);
        assert!(collected(&folder.path().join("gone"), true).is_err());
    }
}
