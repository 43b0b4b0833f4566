//! Running the tool, qemu-img and qemu-io, with a time-out, and reading what they print.
#![allow(dead_code, reason = "each test file uses its part")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// What a program printed.
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
    let ran = images::differential::qemu::run(&mut command, limit);
    let ran = ran.unwrap_or_else(|why| panic!("{why} (QEMU's tools are in qemu-utils)"));
    Ran {
        code: Some(ran.code),
        stdout: ran.stdout,
        stderr: ran.stderr,
    }
}

/// Arguments: a list, or a text in which blanks separate them.
pub(crate) trait Args: std::fmt::Debug {
    fn list(&self) -> Vec<&str>;
}

macro_rules! args {
    ($($kind:ty: $list:expr;)*) => { $(
        impl Args for $kind {
            fn list(&self) -> Vec<&str> {
                let list: fn(&Self) -> Vec<&str> = $list;
                list(self)
            }
        }
    )* };
}

args! {
    str: |text| text.split_whitespace().collect();
    String: |text| text.split_whitespace().collect();
    [&str]: |list| list.to_vec();
    Vec<&str>: |list| list.clone();
}

impl<const N: usize> Args for [&str; N] {
    fn list(&self) -> Vec<&str> {
        self.to_vec()
    }
}

/// The tool under test, in `folder`.
pub(crate) fn tool(folder: &Path, args: &(impl Args + ?Sized)) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_images"));
    command.current_dir(folder).args(args.list());
    run(command, Duration::from_secs(10))
}

pub(crate) fn qemu_img(folder: &Path, args: &(impl Args + ?Sized)) -> Ran {
    let ask = || {
        let mut command = Command::new("qemu-img");
        command.current_dir(folder).args(args.list());
        run(command, Duration::from_secs(60))
    };
    let mut ran = ask();
    // qemu-img 7.2 cannot always time its key derivation for LUKS on a busy machine.
    for _ in 0..50 {
        if !ran.stderr.contains("accurate CPU usage") {
            break;
        }
        ran = ask();
    }
    ran
}

/// Runs qemu-img, which must succeed.
pub(crate) fn qemu_img_ok(folder: &Path, args: &(impl Args + ?Sized)) -> Ran {
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

/// How many answers were compared; each test prints it and demands its share.
pub(crate) struct Compared(pub(crate) u32);

impl Compared {
    pub(crate) fn at_least(&self, expected: u32, of: &str) {
        println!("{} answers compared: {of}", self.0);
        assert!(self.0 >= expected, "only {} compared: {of}", self.0);
    }
}

/// Asserts that `measure` prints what `qemu-img measure` prints. Of FILE, our JSON has one key more.
pub(crate) fn same_answer(folder: &Path, args: &[&str], compared: &mut Compared) {
    same_answer_as(folder, args, args, compared);
}

/// The same for arguments of qemu-img that ask the same in other words.
pub(crate) fn same_answer_as(
    folder: &Path,
    ours: &[&str],
    theirs: &[&str],
    compared: &mut Compared,
) {
    let args = [&["measure"], ours].concat();
    let (ours, theirs) = (
        tool(folder, &args),
        qemu_img(folder, &[&["measure"], theirs].concat()),
    );
    assert!(theirs.succeeded(), "qemu-img {args:?}: {theirs:?}");
    let printed = ["chain", "own-layer"].map(|what| format!(",\n    \"measured\": \"{what}\"\n"));
    let printed = ours
        .stdout
        .replacen(&printed[0], "\n", 1)
        .replacen(&printed[1], "\n", 1);
    assert_eq!(printed, theirs.stdout, "{args:?}: {ours:?}");
    assert_eq!(ours.code, Some(0), "{args:?}: {ours:?}");
    compared.0 += 1;
}

/// The same for an image alone, without its backing file.
pub(crate) fn same_own_layer(
    folder: &Path,
    (format, name): (&str, &str),
    options: &[&str],
    compared: &mut Compared,
) {
    let alone = format!(
        r#"json:{{"driver":"{format}","backing":null,"file":{{"driver":"file","filename":"{name}"}}}}"#
    );
    let ours = [options, &["-f", format, "--own-layer", name]].concat();
    same_answer_as(folder, &ours, &[options, &[&alone]].concat(), compared);
}

/// What `qemu-img map` prints of an image.
pub(crate) fn map(folder: &Path, format: &str, name: &str) -> Vec<Mapped> {
    let args = ["map", "-f", format, "--output", "json", name];
    let map: serde_json::Value = serde_json::from_str(&qemu_img_ok(folder, &args).stdout).unwrap();
    let extents = map.as_array().unwrap().iter().map(|extent| Mapped {
        start: extent["start"].as_u64().unwrap(),
        length: extent["length"].as_u64().unwrap(),
        is_own: extent["depth"] == 0,
        is_data: extent["data"] == true,
        is_zero: extent["zero"] == true,
        place: extent["offset"].as_u64(),
    });
    extents.collect()
}

/// An extent of `qemu-img map`; places and lengths in bytes.
pub(crate) struct Mapped {
    pub(crate) start: u64,
    pub(crate) length: u64,
    /// Of the image itself, and no backing file.
    pub(crate) is_own: bool,
    pub(crate) is_data: bool,
    /// Of a raw image: a hole.
    pub(crate) is_zero: bool,
    /// Where it lies in the file, when it lies there as it is.
    pub(crate) place: Option<u64>,
}

/// Makes a hole of `length` bytes at byte `at` of a file.
pub(crate) fn punch(folder: &Path, name: &str, at: u64, length: u64) {
    use rustix::fs::FallocateFlags;
    let file = std::fs::File::options()
        .write(true)
        .open(folder.join(name))
        .unwrap();
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    rustix::fs::fallocate(&file, flags, at, length).unwrap();
}

pub(crate) fn assert_refused(ran: &Ran, args: &(impl Args + ?Sized)) {
    assert_eq!(ran.code, Some(1), "{args:?}: {ran:?}");
    assert!(ran.stdout.is_empty(), "{args:?}: {ran:?}");
    assert_eq!(ran.stderr.lines().count(), 1, "{args:?}: {ran:?}");
    assert!(ran.stderr.starts_with("error: "), "{args:?}: {ran:?}");
}

/// Images of one disk in every format, by name: data in whole clusters of 64 KiB, some of it scattered.
pub(crate) fn make_sources(folder: &Path) -> Vec<(&'static str, &'static str)> {
    let writes = [
        "write -P 1 0 128k",
        "write -P 2 1M 64k",
        "write -P 3 5M 3M",
        "write -P 4 20M 64k",
        "write -P 5 31M 1M",
    ];
    let sources = [
        ("raw", "", "a.raw"),
        ("qcow2", "", "a.qcow2"),
        ("qcow2", "compat=0.10", "v2.qcow2"),
        ("qcow2", "cluster_size=4k", "4k.qcow2"),
        ("qcow2", "extended_l2=on", "ext.qcow2"),
        ("qcow2", "cluster_size=512,refcount_bits=1", "512.qcow2"),
        ("vmdk", "", "a.vmdk"),
        ("vmdk", "zeroed_grain=on", "zeroed.vmdk"),
    ];
    for (format, options, name) in sources {
        make(folder, format, options, name, "32M", &writes);
    }
    qemu_io(
        folder,
        "qcow2",
        "a.qcow2",
        &["write -z 10M 1M", "discard 20M 64k", "write -P 4 20M 64k"],
    );
    qemu_img_ok(
        folder,
        &["convert", "-c", "-O", "qcow2", "a.raw", "compressed.qcow2"],
    );
    qemu_img_ok(
        folder,
        &[
            "convert",
            "-O",
            "vmdk",
            "-o",
            "subformat=streamOptimized",
            "a.raw",
            "stream.vmdk",
        ],
    );
    let mut sources: Vec<_> = sources.map(|(format, _, name)| (format, name)).into();
    sources.extend([("qcow2", "compressed.qcow2"), ("vmdk", "stream.vmdk")]);
    sources
}
