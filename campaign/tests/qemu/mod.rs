//! Running the tool, qemu-img and qemu-io, with a time-out, and looking at what they say.
#![allow(dead_code, reason = "each test file uses its part")]

use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What a program said.
#[derive(Debug)]
pub(crate) struct Ran {
    /// The exit code; `None` after a signal.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn succeeded(&self) -> bool {
        self.code == Some(0)
    }

    /// The number of a key in what was printed with `--output json`.
    pub(crate) fn number(&self, key: &str) -> u64 {
        let json: serde_json::Value = serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"));
        json[key]
            .as_u64()
            .unwrap_or_else(|| panic!("no number {key}: {self:?}"))
    }
}

/// Runs a program to its end, or fails after `limit`.
pub(crate) fn run(mut command: Command, limit: Duration) -> Ran {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            panic!(
                "{:?} cannot be started ({error}); qemu-img and qemu-io are in the package qemu-utils",
                command.get_program()
            )
        });
    fn collect(mut pipe: impl Read + Send + 'static) -> std::thread::JoinHandle<String> {
        std::thread::spawn(move || {
            let mut text = Vec::new();
            pipe.read_to_end(&mut text).unwrap();
            String::from_utf8_lossy(&text).into_owned()
        })
    }
    let stdout = collect(child.stdout.take().unwrap());
    let stderr = collect(child.stderr.take().unwrap());
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if start.elapsed() > limit {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{command:?} was still running after {limit:?}");
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    Ran {
        code: status.code(),
        stdout: stdout.join().unwrap(),
        stderr: stderr.join().unwrap(),
    }
}

/// The tool under test, in `folder`.
pub(crate) fn campaign<S: AsRef<OsStr>>(folder: &Path, args: &[S]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_campaign"));
    command.current_dir(folder).args(args);
    run(command, Duration::from_secs(10))
}

pub(crate) fn qemu_img<S: AsRef<OsStr>>(folder: &Path, args: &[S]) -> Ran {
    let mut command = Command::new("qemu-img");
    command.current_dir(folder).args(args);
    run(command, Duration::from_secs(60))
}

/// Runs qemu-img, which must succeed.
pub(crate) fn qemu_img_ok<S: AsRef<OsStr> + std::fmt::Debug>(folder: &Path, args: &[S]) -> Ran {
    let ran = qemu_img(folder, args);
    assert!(ran.succeeded(), "qemu-img {args:?}: {ran:?}");
    ran
}

/// Runs qemu-io commands on an image.
pub(crate) fn qemu_io(folder: &Path, format: &str, image: &str, commands: &[&str]) {
    let mut command = Command::new("qemu-io");
    command.current_dir(folder).args(["-f", format]);
    for text in commands {
        command.args(["-c", text]);
    }
    command.arg(image);
    let ran = run(command, Duration::from_secs(60));
    assert!(
        ran.succeeded() && !ran.stdout.contains("failed"),
        "qemu-io {commands:?}: {ran:?}"
    );
}

/// Makes an image of `size` with qemu-img's `options` (empty for none) and writes to it.
pub(crate) fn make(
    folder: &Path,
    format: &str,
    options: &str,
    name: &str,
    size: &str,
    writes: &[&str],
) {
    let mut args = vec!["create", "-q", "-f", format];
    if !options.is_empty() {
        args.extend(["-o", options]);
    }
    args.extend([name, size]);
    qemu_img_ok(folder, &args);
    if !writes.is_empty() {
        qemu_io(folder, format, name, writes);
    }
}

/// A folder for a test's images, and its path.
pub(crate) fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    (folder, path)
}
