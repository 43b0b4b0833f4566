//! Files that grow for as long as an engine runs, which may be weeks: only what is new is read, or the end.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// How much of a file's end [`end`] reads, in bytes.
const END: u64 = 64 << 10;

/// How far a file was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReadTo(u64);

impl ReadTo {
    /// Calls `take` with each line of `file` that came since the last time, without its line feed. A line that
    /// is still being written comes the next time. A file that is shorter than what was read is another one,
    /// and is read from its start.
    ///
    /// # Errors
    /// I/O errors.
    pub fn new_lines(&mut self, file: &Path, mut take: impl FnMut(&str)) -> io::Result<()> {
        let mut file = File::open(file)?;
        if file.metadata()?.len() < self.0 {
            *self = Self::default();
        }
        file.seek(SeekFrom::Start(self.0))?;
        let mut file = BufReader::new(file);
        let mut line = Vec::new();
        loop {
            line.clear();
            let length = file.read_until(b'\n', &mut line)?;
            let Some(whole) = line.strip_suffix(b"\n") else {
                return Ok(());
            };
            self.0 += length as u64;
            take(&String::from_utf8_lossy(whole));
        }
    }
}

/// The last 64 KiB of `file`, or all of it: whole lines, but for one that is longer.
///
/// # Errors
/// I/O errors.
pub fn end(file: &Path) -> io::Result<String> {
    let mut file = File::open(file)?;
    let before = file.metadata()?.len().saturating_sub(END);
    file.seek(SeekFrom::Start(before))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let first_is_cut = before > 0;
    let whole = text.split_once('\n').filter(|_| first_is_cut);
    Ok(whole.map_or(text.as_ref(), |(_, whole)| whole).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn each_line_comes_once_and_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let mut read = ReadTo::default();
        let mut new = |content: &[u8]| {
            fs::write(&log, content).unwrap();
            let mut lines = Vec::new();
            read.new_lines(&log, |line| lines.push(line.to_owned()))
                .unwrap();
            lines
        };
        assert_eq!(new(b"one\ntw"), ["one"]);
        assert_eq!(new(b"one\ntwo\n\xff\n"), ["two", "\u{fffd}"]);
        assert!(new(b"one\ntwo\n\xff\n").is_empty());
        assert_eq!(new(b"another\n"), ["another"]);
        assert!(read.new_lines(&folder.path().join("none"), |_| ()).is_err());
    }

    #[test]
    fn the_end_is_whole_lines() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        fs::write(&log, "one\ntwo").unwrap();
        assert_eq!(end(&log).unwrap(), "one\ntwo");
        let line = "x".repeat(99);
        fs::write(&log, format!("{line}\n").repeat(1000)).unwrap();
        let lines = end(&log).unwrap();
        assert_eq!(lines.len(), 65500);
        assert!(lines.lines().all(|found| found == line));
    }
}
