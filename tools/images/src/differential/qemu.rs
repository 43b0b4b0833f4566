//! Running qemu-img and qemu-io: with a limit on time, and an eye on crashes.
//!
//! On damaged images QEMU's tools now and then run for minutes or abort. Such a run is
//! [`Inconclusive`].

use std::ffi::OsStr;
use std::fmt;
use std::io::Read;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use wait_timeout::ChildExt as _;

use crate::layer::Unit;

/// The most that is read of what a tool prints, in bytes.
const MOST_OUTPUT: u64 = 64 << 20;

/// The image's file, in a case's folder.
pub(crate) const IMAGE: &str = "image";

/// Why a case is inconclusive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inconclusive(pub String);

/// QEMU's tools.
#[derive(Debug, Clone, Copy)]
pub struct Qemu {
    limit: Duration,
    /// The first number of its version.
    pub major: u32,
}

/// How a tool ended: by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The exit code.
    pub code: i32,
    /// What it printed.
    pub stdout: String,
    /// What it complained of.
    pub stderr: String,
}

/// A piece of a disk: start and end, in bytes.
pub type Piece = (u64, u64);

/// The disk of an image as qemu-img sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Disk {
    /// Its size in bytes.
    pub(crate) size: u64,
    /// The data of the image itself, not of its backing files, in order, neighbours joined. None when QEMU does not
    /// know what is data.
    pub(crate) data: Option<Vec<Piece>>,
}

impl fmt::Display for Inconclusive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Ended {
    /// Whether it ended well.
    pub fn is_ok(&self) -> bool {
        self.code == 0
    }

    /// The first line of the complaint, without the tool's name.
    pub(crate) fn complaint(&self) -> String {
        let line = self.stderr.lines().next().unwrap_or_default();
        let line = line.strip_prefix("qemu-img: ").unwrap_or(line);
        line.strip_prefix("qemu-io: ").unwrap_or(line).to_owned()
    }

    pub(crate) fn json(&self) -> Result<Value, Inconclusive> {
        serde_json::from_str(&self.stdout)
            .map_err(|error| Inconclusive(format!("QEMU printed no JSON: {error}")))
    }
}

impl Qemu {
    /// The tools that are installed, each run of which may take so long. Fails when one of them is not there, or does
    /// not print its version.
    pub fn find(limit: Duration) -> Result<Self> {
        let version = version_of("qemu-img")?;
        version_of("qemu-io")?;
        let major = version
            .split(|letter: char| !letter.is_ascii_digit())
            .find_map(|digits| digits.parse().ok())
            .with_context(|| format!("no version: {version}"))?;
        Ok(Self { limit, major })
    }

    /// The first line of `qemu-img --version`. Fails when there is none.
    pub fn version(&self) -> Result<String> {
        version_of("qemu-img")
    }

    /// Runs a command line in `folder`: a tool and its arguments. Fails as [`run`] does.
    pub fn run(&self, folder: &Path, line: &str) -> Result<Ended, Inconclusive> {
        let words = words(line);
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).current_dir(folder);
        run(&mut command, self.limit)
    }

    /// The disk by `qemu-img info`, which knows nothing of data, or the complaint. Fails as [`Self::run`], and when the
    /// answer is not understood.
    pub(crate) fn info(
        &self,
        folder: &Path,
        opened: &str,
    ) -> Result<Result<Disk, String>, Inconclusive> {
        self.ask(folder, "info", opened, |json| {
            let size = json["virtual-size"].as_u64()?;
            Some(Disk { size, data: None })
        })
    }

    /// The disk by `qemu-img map`, or the complaint. Fails as [`Self::run`], and when the answer is not understood.
    pub(crate) fn map(
        &self,
        folder: &Path,
        opened: &str,
    ) -> Result<Result<Disk, String>, Inconclusive> {
        self.ask(folder, "map", opened, disk_of_map)
    }

    fn ask(
        &self,
        folder: &Path,
        command: &str,
        opened: &str,
        read: fn(&Value) -> Option<Disk>,
    ) -> Result<Result<Disk, String>, Inconclusive> {
        let line = format!("qemu-img {command} --output json {opened}");
        let ended = self.run(folder, &line)?;
        if !ended.is_ok() {
            return Ok(Err(ended.complaint()));
        }
        let answer = read(&ended.json()?);
        let answer =
            answer.ok_or_else(|| Inconclusive(format!("{command}'s answer is not understood")));
        answer.map(Ok)
    }
}

impl Disk {
    pub(super) fn in_words(&self, unit: Unit) -> String {
        let size = format!("a disk of {} bytes", self.size);
        let Some(data) = &self.data else {
            return size;
        };
        let units = unit.map_or_else(String::new, |unit| {
            format!(" in {} units", touched(data, unit.get()))
        });
        let few = &data[..data.len().min(4)];
        let more = if data.len() > few.len() { " …" } else { "" };
        let bytes = bytes_of(data);
        format!("{size}, {bytes} of which are data{units}: {few:?}{more}")
    }
}

fn disk_of_map(map: &Value) -> Option<Disk> {
    let mut size = 0;
    let mut data: Vec<Piece> = Vec::new();
    for extent in map.as_array()? {
        let start = extent["start"].as_u64()?;
        let end = start + extent["length"].as_u64()?;
        size = size.max(end);
        // Zeros are data or not by the image's tables; the flag follows holes of the file.
        if extent["depth"].as_u64()? == 0 && extent["data"].as_bool()? {
            match data.last_mut() {
                Some(last) if last.1 == start => last.1 = end,
                _ => data.push((start, end)),
            }
        }
    }
    let data = Some(data);
    Some(Disk { size, data })
}

/// How many units of `unit` bytes hold a byte of the pieces, which ascend and do not overlap.
pub fn touched(pieces: &[Piece], unit: u64) -> u64 {
    let mut count = 0;
    let mut counted_to = 0;
    for &(start, end) in pieces.iter().filter(|(start, end)| start < end) {
        let first = (start / unit).max(counted_to);
        counted_to = (end - 1) / unit + 1;
        count += counted_to.saturating_sub(first);
    }
    count
}

/// How many bytes the pieces have together.
pub fn bytes_of(pieces: &[Piece]) -> u64 {
    pieces.iter().map(|(start, end)| end - start).sum()
}

fn version_of(tool: &str) -> Result<String> {
    let output = Command::new(tool)
        .arg("--version")
        .output()
        .with_context(|| format!("{tool} cannot be run: install qemu-utils"))?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    match stdout.lines().next() {
        Some(version) if output.status.success() => Ok(version.to_owned()),
        _ => bail!("{tool} --version fails: install qemu-utils"),
    }
}

/// The words of a command line; one with blanks in it, or an empty one, is in single quotes.
pub fn words(line: &str) -> Vec<&str> {
    let mut words = Vec::new();
    for (nth, part) in line.split('\'').enumerate() {
        if nth % 2 == 1 {
            words.push(part);
        } else {
            words.extend(part.split_whitespace());
        }
    }
    words
}

/// Runs a program to its end, with messages in English. Fails when it does not end in time, dies of a signal, or cannot
/// be run.
pub fn run(command: &mut Command, limit: Duration) -> Result<Ended, Inconclusive> {
    let program = command.get_program().to_owned();
    let failed = |error: std::io::Error| Inconclusive(format!("{}: {error}", program.display()));
    let mut child = command
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let stdout = collect(child.stdout.take());
    let stderr = collect(child.stderr.take());
    let Some(status) = child.wait_timeout(limit).map_err(failed)? else {
        // It may have ended meanwhile, which is as good.
        let _ = child.kill();
        child.wait().map_err(failed)?;
        let why = format!("{} takes more than {limit:?}", shown(command));
        return Err(Inconclusive(why));
    };
    let [stdout, stderr] = [stdout, stderr].map(|pipe| pipe.join().unwrap_or_default());
    let Some(code) = status.code() else {
        return Err(Inconclusive(format!(
            "{} dies of signal {}: {}",
            shown(command),
            status.signal().unwrap_or(0),
            stderr.lines().next().unwrap_or_default()
        )));
    };
    Ok(Ended {
        code,
        stdout,
        stderr,
    })
}

fn collect(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What could not be read is missed where it is needed.
            let _ = pipe.by_ref().take(MOST_OUTPUT).read_to_end(&mut bytes);
            let _ = std::io::copy(&mut pipe, &mut std::io::sink());
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn shown(command: &Command) -> String {
    let program = [command.get_program()].into_iter();
    let parts = program.chain(command.get_args());
    parts
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_of_backing_files_is_none_and_neighbours_are_joined() {
        let json = serde_json::json!([
            {"start": 0, "length": 512, "depth": 1, "data": true, "zero": false},
            {"start": 512, "length": 512, "depth": 0, "data": true, "zero": true},
            {"start": 1024, "length": 512, "depth": 0, "data": true, "zero": false},
            {"start": 1536, "length": 100, "depth": 0, "data": false, "zero": true},
        ]);
        let data = Some(vec![(512, 1536)]);
        assert_eq!(disk_of_map(&json), Some(Disk { size: 1636, data }));
    }
}
