//! A temporary folder in which qemu-img and qemu-io are run. A test without them fails: nothing is
//! skipped.

use std::fmt::Display;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::device::Source;
use crate::map::Map;

/// Runs a tool of QEMU's in `folder` to its end, whatever that is.
#[must_use]
pub fn output(folder: &Path, tool: &str, arguments: &[&str]) -> Output {
    let run = || {
        Command::new(tool)
            .args(arguments)
            .current_dir(folder)
            .env("LC_ALL", "C")
            .output()
            .unwrap_or_else(|error| panic!("{tool} cannot be run ({error}): install qemu-utils"))
    };
    let mut output = run();
    // qemu-img 7.2 cannot always time its key derivation for LUKS on a busy machine.
    for _ in 0..50 {
        if !String::from_utf8_lossy(&output.stderr).contains("accurate CPU usage") {
            break;
        }
        output = run();
    }
    output
}

/// A temporary folder with images in it; they are named without it.
///
/// Where an image is named to QEMU by `opened`, these are arguments: `-f`, the format and the name, or
/// those that give a key as well.
#[derive(Debug)]
pub struct Folder(TempDir);

impl Folder {
    /// An empty folder.
    #[must_use]
    #[allow(
        clippy::new_without_default,
        reason = "it makes a folder on the disk: no mere default"
    )]
    pub fn new() -> Self {
        Self(TempDir::new().expect("a temporary folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The file `name`, opened to be read.
    #[must_use]
    pub fn open(&self, name: &str) -> File {
        File::open(self.path(name)).expect("the image can be opened")
    }

    /// The length of the file `name` in bytes.
    #[must_use]
    pub fn length(&self, name: &str) -> u64 {
        self.open(name).length()
    }

    /// The bytes of the file `name`.
    #[must_use]
    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).expect("the image can be read")
    }

    /// Makes the file `name` of these bytes and no others.
    pub fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).expect("the image can be written");
    }

    /// Writes over the bytes at `offset` of the file `name`.
    pub fn write_at(&self, name: &str, offset: u64, bytes: &[u8]) {
        File::options()
            .write(true)
            .open(self.path(name))
            .and_then(|file| file.write_all_at(bytes, offset))
            .expect("the image can be written");
    }

    /// Makes the file `name` of `size` bytes that are holes.
    pub fn write_holes(&self, name: &str, size: u64) {
        File::create(self.path(name))
            .and_then(|file| file.set_len(size))
            .expect("a sparse file can be made");
    }

    /// What a tool prints, which must succeed and complain of no error.
    pub fn run(&self, tool: &str, arguments: &[&str]) -> String {
        let output = output(self.0.path(), tool, arguments);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && !complaint.contains("error"),
            "{tool} {arguments:?}: {said}{complaint}"
        );
        said
    }

    /// Makes an image of `size` (bytes, or as qemu-img reads it) with `options`, which may be many, or
    /// empty for none.
    pub fn create(&self, format: &str, options: &str, name: &str, size: impl Display) {
        let size = size.to_string();
        let mut arguments = vec!["create", "-q", "-f", format];
        if !options.is_empty() {
            arguments.extend(["-o", options]);
        }
        arguments.extend([name, &size]);
        self.run("qemu-img", &arguments);
    }

    /// Makes the image `to` from the raw one `from`, with more `arguments` of `qemu-img convert`.
    pub fn convert(&self, from: &str, format: &str, arguments: &[&str], to: &str) {
        let convert = ["convert", "-q", "-f", "raw", "-O", format];
        self.run("qemu-img", &[&convert, arguments, &[from, to]].concat());
    }

    /// Runs qemu-io's `commands`, all of which must succeed, on an image.
    pub fn io(&self, opened: &[&str], commands: &[String]) {
        if commands.is_empty() {
            return;
        }
        let mut arguments = vec!["-d", "unmap", "-t", "unsafe"];
        for command in commands {
            arguments.extend(["-c", command]);
        }
        arguments.extend(opened);
        let said = self.run("qemu-io", &arguments);
        assert!(!said.contains("failed"), "qemu-io {arguments:?}: {said}");
    }

    /// What `qemu-img map` prints for an image.
    #[must_use]
    pub fn map(&self, opened: &[&str]) -> Map {
        Map::parse(&self.run("qemu-img", &[&MAP, opened].concat()))
    }

    /// The same, or nothing when qemu-img refuses the image.
    #[must_use]
    pub fn map_unless_refused(&self, opened: &[&str]) -> Option<Map> {
        let output = output(self.0.path(), "qemu-img", &[&MAP, opened].concat());
        let said = String::from_utf8_lossy(&output.stdout);
        output.status.success().then(|| Map::parse(&said))
    }

    /// The virtual disk's size in bytes, by `qemu-img info`.
    #[must_use]
    pub fn virtual_size(&self, format: &str, name: &str) -> u64 {
        let info = self.run(
            "qemu-img",
            &["info", "-f", format, "--output", "json", name],
        );
        let info: Value = serde_json::from_str(&info).expect("info prints JSON");
        info["virtual-size"].as_u64().expect("a disk has a size")
    }

    /// Whether qemu-img opens the image.
    #[must_use]
    pub fn accepts(&self, format: &str, name: &str) -> bool {
        let info = ["info", "-f", format, name];
        output(self.0.path(), "qemu-img", &info).status.success()
    }
}

const MAP: [&str; 3] = ["map", "--output", "json"];
