//! A replay worker that is a shell script.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use campaign::progress::Progress;
use campaign::triage::judge::Bench;
use campaign::triage::minimise::Budget;

/// Replays by such a worker, eight at once and each for a second at most.
pub(crate) fn bench(worker: PathBuf, root: PathBuf) -> Bench {
    Bench {
        worker,
        root,
        command: "cargo campaign".to_owned(),
        judged: "judged: everything; known findings: 0".to_owned(),
        time_out: Duration::from_secs(1),
        budget: Budget {
            tries: 200,
            time: Duration::from_secs(2),
        },
        cores: 8,
        progress: Progress::new(),
    }
}

/// Writes a worker that runs inputs by this script: see `programs/worker/protocol.sh`.
pub(crate) fn write_worker(path: &Path, script: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let protocol = include_str!("../programs/worker/protocol.sh");
    fs::write(path, ["#!/bin/sh\n", script, protocol].concat()).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}
