//! Engines that outlive a tool that was killed.
//!
//! SIGKILL ends the tool before it can end its engines. They are known by what they run: the comparison keeps
//! its own copies of all builds, so a process whose program lies in `builds/` is ours; AFL++'s own programs
//! lie elsewhere, and so do builds with planted faults: they are ours when they were told to work in the
//! comparison's folder. Nothing else is touched, not even who reads there.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::folder::Folder;

/// Programs that run an engine without lying in `builds/`.
const FRONT_ENDS: [&str; 4] = ["rustup", "cargo", "cargo-afl", "afl-fuzz"];

/// How long killed processes may take to go.
const PATIENCE: Duration = Duration::from_secs(10);

/// Kills the processes that belong to the comparison in `folder`, until there is none. Returns how many
/// there were.
///
/// # Errors
/// When one does not go.
pub fn kill(folder: &Folder) -> Result<usize> {
    let since = Instant::now();
    let mut killed = std::collections::BTreeSet::new();
    loop {
        let mut is_any = false;
        for pid in processes() {
            // Opened first: should the process end now and another get its number, the signal reaches nobody.
            let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else {
                continue;
            };
            if is_ours(pid, folder) {
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
            "processes of a former comparison in {} cannot be ended",
            folder.root().display()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The processes of this machine.
fn processes() -> Vec<Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(Pid::from_raw).collect()
}

fn is_ours(pid: Pid, folder: &Folder) -> bool {
    let process = PathBuf::from(format!("/proc/{}", pid.as_raw_nonzero()));
    // A process that has ended and was not asked about yet has neither.
    let Ok(program) = fs::read_link(process.join("exe")) else {
        return false;
    };
    let arguments = fs::read(process.join("cmdline")).unwrap_or_default();
    belongs(&program, &arguments, folder)
}

/// Whether `program`, with its arguments as `/proc` tells them, is run for the comparison.
fn belongs(program: &Path, arguments: &[u8], folder: &Folder) -> bool {
    if program.starts_with(folder.builds()) {
        return true;
    }
    let arguments: Vec<&OsStr> = arguments
        .split(|&byte| byte == 0)
        .map(OsStr::from_bytes)
        .collect();
    let is_inside = |argument: &OsStr| Path::new(argument).starts_with(folder.root());
    let is_front_end = program
        .file_name()
        .is_some_and(|name| FRONT_ENDS.iter().any(|front_end| name == *front_end));
    if is_front_end && arguments.iter().any(|argument| is_inside(argument)) {
        return true;
    }
    // As libFuzzer and honggfuzz are told where to work, and nothing else is.
    let of_libfuzzer = |argument: &OsStr| {
        let folder = argument.as_bytes().strip_prefix(b"-artifact_prefix=");
        folder.is_some_and(|folder| is_inside(OsStr::from_bytes(folder)))
    };
    let of_honggfuzz = |pair: &[&OsStr]| pair[0] == "--workspace" && is_inside(pair[1]);
    arguments.iter().any(|argument| of_libfuzzer(argument))
        || arguments.windows(2).any(of_honggfuzz)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn only_engines_of_this_comparison_are_ours() {
        let out = tempfile::tempdir().unwrap();
        let folder = Folder::open(out.path()).unwrap();
        let root = folder.root().display();
        let ours = |program: &str, arguments: &str| {
            belongs(
                Path::new(program),
                arguments.replace(' ', "\0").as_bytes(),
                &folder,
            )
        };
        assert!(ours(&format!("{root}/builds/afl/fuzz_it"), "fuzz_it"));
        let afl = format!("afl-fuzz -i x -o {root}/trials/fuzz_it/afl/001/run/output");
        assert!(ours("/usr/bin/afl-fuzz", &afl));
        let faulty =
            format!("fuzz_it -artifact_prefix={root}/faults/x/finds/ {root}/faults/x/output");
        assert!(ours("/elsewhere/fuzz_it", &faulty));
        let faulty = format!("honggfuzz --workspace {root}/faults/x --input y");
        assert!(ours("/elsewhere/honggfuzz", &faulty));
        // Somebody who reads, and engines of others.
        assert!(!ours(
            "/usr/bin/tail",
            &format!("tail -f {root}/trials/fuzz_it/afl/001/run/log.txt")
        ));
        assert!(!ours("/usr/bin/afl-fuzz", "afl-fuzz -o /elsewhere/trials"));
        assert!(!ours(&format!("{root}2/builds/afl/fuzz_it"), "fuzz_it"));
    }

    #[test]
    fn what_was_left_behind_is_ended() {
        let out = tempfile::tempdir().unwrap();
        let folder = Folder::open(out.path()).unwrap();
        assert_eq!(kill(&folder).unwrap(), 0);
        fs::create_dir_all(folder.builds()).unwrap();
        let sleeper = folder.builds().join("sleep");
        fs::copy("/bin/sleep", &sleeper).unwrap();
        // Another test's process may hold the copy open for writing for a moment.
        let mut engine = loop {
            match Command::new(&sleeper)
                .arg("600")
                .stdin(Stdio::null())
                .spawn()
            {
                Ok(child) => break child,
                Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => {}
                Err(error) => panic!("{error}"),
            }
        };
        let mut other = Command::new("/bin/sleep").arg("600").spawn().unwrap();
        assert_eq!(kill(&folder).unwrap(), 1);
        assert!(!engine.wait().unwrap().success());
        assert!(other.try_wait().unwrap().is_none(), "it is not ours");
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
