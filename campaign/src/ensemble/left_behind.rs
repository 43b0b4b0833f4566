//! What a run that was killed left behind: processes, inputs, finds.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use super::AflSharing;
use super::processes;
use crate::corpus::{Store, files_in};
use crate::engine::{Engine, Task, afl, honggfuzz, libfuzzer};

/// Saves what a run in `folder` that was interrupted or killed left behind, and ends what still runs of it.
/// Returns how many inputs and finds were new, and how many processes were ended.
///
/// # Errors
/// When something cannot be read or written.
pub fn save(
    folder: &Path,
    sharing: Option<&AflSharing>,
    corpus: &Store,
    finds: impl Fn(Engine) -> Result<Store>,
) -> Result<(usize, usize, usize)> {
    let ended = processes::end_left_behind(&folder.join("processes"))?;
    let mut inputs = files_in(&folder.join("pool"))?;
    let mut saved_finds = 0;
    for engine in Engine::ALL {
        let task = Task {
            max_input: 0,
            inputs: folder.join("inputs"),
            folder: folder.join(engine.name()),
            dictionary: None,
            comparisons_are_seen: false,
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
                    inputs.extend(files_in(&instance.join("queue"))?);
                    found.extend(afl::instance_finds(&instance)?);
                }
            }
            Engine::Libfuzzer => {
                inputs.extend(files_in(&task.output())?);
                found.extend(libfuzzer::finds(&task)?);
            }
            Engine::Honggfuzz => {
                inputs.extend(files_in(&task.output())?);
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
        let saved = save(&run, Some(&sharing), &corpus, finds).unwrap();
        assert_eq!(saved, (5, 3, 0));
        let again = save(&run, Some(&sharing), &corpus, finds).unwrap();
        assert_eq!(again, (0, 0, 0));
    }
}
