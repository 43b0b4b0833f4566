//! A process that waits for the tool's end, and then ends the engines that the tool did not.
//!
//! The tool cannot be told that it will be killed, so another process waits beside it: it reads from a pipe
//! that only the tool holds. When the pipe ends without a word, the tool is dead, and its engines are ended.
//! Should this process be killed too, the next start does the same.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::folder::Folder;
use super::leftovers;

/// The file that a watcher locks as long as it lives.
pub const LOCK: &str = "watch.lock";

/// The first argument of a watcher. It is no command of the tool: nobody types it.
const ARGUMENT: &str = "--watch-comparison";

/// This program, even when its file was replaced by another build meanwhile.
const THIS_PROGRAM: &str = "/proc/self/exe";

/// What the watcher says when it watches.
const READY: &str = "ready";
/// What it is told when there is nothing left to do.
const DONE: &[u8] = b"done";

/// A watcher at work. Dropping it says that all is well.
#[derive(Debug)]
pub struct Watcher(Child);

impl Watcher {
    /// Starts one for the comparison in `folder`, and returns once it watches.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(folder: &Folder) -> Result<Self> {
        let mut child = Command::new(THIS_PROGRAM)
            .arg(ARGUMENT)
            .arg(folder.root())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Ctrl-C on the terminal is not for it.
            .process_group(0)
            .spawn()
            .context("the watcher cannot be started")?;
        let mut said = String::new();
        if let Some(output) = child.stdout.take() {
            // What it does not say, the check below tells.
            let _ = BufReader::new(output).read_line(&mut said);
        }
        let watcher = Self(child);
        ensure!(said.trim_end() == READY, "the watcher did not start");
        Ok(watcher)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        if let Some(mut input) = self.0.stdin.take() {
            // When it is gone, there is nobody to be told.
            let _ = input.write_all(DONE);
        }
        let _ = self.0.wait();
    }
}

/// Whether this process was started to watch; then it does.
///
/// # Errors
/// Those of watching.
pub fn was_asked(mut arguments: impl Iterator<Item = OsString>) -> Option<Result<()>> {
    let folder = (arguments.nth(1)? == ARGUMENT).then(|| arguments.next())??;
    Some(watch(Path::new(&folder)))
}

/// What a watcher does: waits until its standard input ends, and unless it was told that all is well, ends
/// the engines of the comparison in `folder`.
///
/// # Errors
/// When the folder cannot be locked, or an engine does not go.
fn watch(folder: &Path) -> Result<()> {
    let folder = Folder::open(folder)?;
    let lock = folder.lock_file(LOCK)?;
    lock.lock().context("the watcher's lock cannot be taken")?;
    let mut output = std::io::stdout();
    writeln!(output, "{READY}")?;
    output.flush()?;
    let mut told = Vec::new();
    // A pipe that breaks has ended too.
    let _ = std::io::stdin().read_to_end(&mut told);
    if told != DONE {
        leftovers::kill(&folder)?;
    }
    Ok(())
}
