//! A temporary folder in which qemu-img and qemu-io are run. A test without them fails: nothing is
//! skipped.

use std::fmt::Display;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sparse::SparseImage;
use tempfile::TempDir;

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

    /// The bytes of the file `name`.
    #[must_use]
    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).expect("the image can be read")
    }

    /// Makes the file `name` of these bytes and no others.
    pub fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).expect("the image can be written");
    }

    /// Makes the file `name` of `size` bytes that are holes.
    pub fn write_holes(&self, name: &str, size: u64) {
        File::create(self.path(name))
            .and_then(|file| file.set_len(size))
            .expect("a sparse file can be made");
    }

    /// Makes the file `name` of an image, with its holes.
    pub fn write_sparse(&self, name: &str, image: &SparseImage) {
        self.write_holes(name, image.capacity());
        let file = File::options().write(true).open(self.path(name));
        let file = file.expect("the image can be opened");
        for (at, piece) in image.pieces(0, u64::MAX) {
            file.write_all_at(piece, at)
                .expect("the image can be written");
        }
    }

    /// What a tool prints, which must succeed and complain of no error.
    pub fn run(&self, tool: &str, arguments: &[&str]) -> String {
        let output = output(self.0.path(), tool, arguments);
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && !complaint.contains("error"),
            "{tool} {arguments:?}: {stdout}{complaint}"
        );
        stdout
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
    pub fn io(&self, opened: &[&str], commands: &[&str]) {
        if commands.is_empty() {
            return;
        }
        let mut arguments = vec!["-d", "unmap", "-t", "unsafe"];
        for command in commands {
            arguments.extend(["-c", command]);
        }
        arguments.extend(opened);
        let stdout = self.run("qemu-io", &arguments);
        assert!(
            !stdout.contains("failed"),
            "qemu-io {arguments:?}: {stdout}"
        );
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
        let stdout = String::from_utf8_lossy(&output.stdout);
        output.status.success().then(|| Map::parse(&stdout))
    }

    /// Whether this command of qemu-img succeeds on the image; `None` when it crashes.
    #[must_use]
    pub fn accepts(&self, command: &str, format: &str, name: &str) -> Option<bool> {
        let arguments = [command, "-f", format, name];
        let output = output(self.0.path(), "qemu-img", &arguments);
        output.status.code().map(|code| code == 0)
    }
}

const MAP: [&str; 3] = ["map", "--output", "json"];
