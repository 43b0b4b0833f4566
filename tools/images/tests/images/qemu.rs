//! A folder in which the tool under test, qemu-img and qemu-io run, each with a time-out.

use std::cell::Cell;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use images::differential::Case;
use images::differential::qemu::{Ended, Qemu, words};
use images::differential::verdict::Verdict;
use rustix::fs::FallocateFlags;
use serde_json::Value;
use tempfile::TempDir;

/// How long a tool of QEMU's may take. More than our tool gives it: what is awaited here is an answer.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// Puts a case to our code, the model and qemu-img, who must give one answer, or all refuse. Whether they refuse.
pub(crate) fn is_refused(case: &Case, qemu: &Qemu) -> bool {
    match case.judge(qemu) {
        Verdict::Agrees => false,
        Verdict::Refused => true,
        other => panic!("{}: {other:?}", case.in_words()),
    }
}

/// A program's end: its exit code and its output.
pub(crate) trait Ran {
    fn parsed(&self) -> Value;

    /// The number of a key in the output of `--output json`.
    fn number(&self, key: &str) -> u64 {
        let json = self.parsed();
        let number = json[key].as_u64();
        number.unwrap_or_else(|| panic!("no number {key}: {json}"))
    }
}

impl Ran for Ended {
    fn parsed(&self) -> Value {
        let json = serde_json::from_str(&self.stdout);
        json.unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }
}

/// Runs a program to its end, or fails after `limit`.
pub(crate) fn run(mut command: Command, limit: Duration) -> Ended {
    let ended = images::differential::qemu::run(&mut command, limit);
    ended.unwrap_or_else(|why| panic!("{why} (QEMU's tools are in qemu-utils)"))
}

/// Asserts exit code 1, nothing on standard output, and one line on standard error, which begins with `error:` and
/// contains all `parts`.
pub(crate) fn assert_refused(ran: &Ended, args: &str, parts: &[&str]) {
    assert_eq!((ran.code, &*ran.stdout), (1, ""), "{args}: {ran:?}");
    assert_eq!(ran.stderr.lines().count(), 1, "{args}: {ran:?}");
    assert!(ran.stderr.starts_with("error: "), "{args}: {ran:?}");
    for part in parts {
        assert!(ran.stderr.contains(part), "{args}: no {part:?} in {ran:?}");
    }
}

/// A temporary folder with images in it, and the number of answers compared so far.
pub(crate) struct Bench {
    folder: TempDir,
    compared: Cell<u32>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            compared: Cell::new(0),
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    pub(crate) fn length(&self, name: &str) -> u64 {
        std::fs::metadata(self.path(name)).unwrap().len()
    }

    pub(crate) fn mkfifo(&self, name: &str) {
        let made = Command::new("mkfifo").arg(self.path(name)).status();
        assert!(made.unwrap().success());
    }

    /// Counts an answer that was compared with qemu-img's.
    pub(crate) fn count(&self) {
        self.compared.set(self.compared.get() + 1);
    }

    /// Asserts that so many answers were compared.
    pub(crate) fn compared(&self, least: u32, of: &str) {
        let compared = self.compared.get();
        println!("{compared} answers compared: {of}");
        assert!(compared >= least, "only {compared} compared: {of}");
    }

    fn run(&self, program: &str, args: &[&str], seconds: u64) -> Ended {
        let mut command = Command::new(program);
        command.current_dir(self.folder()).args(args);
        run(command, Duration::from_secs(seconds))
    }

    /// Runs the tool under test.
    pub(crate) fn tool(&self, args: &str) -> Ended {
        self.run(env!("CARGO_BIN_EXE_images"), &words(args), 10)
    }

    /// Runs the tool, which must succeed.
    pub(crate) fn tool_ok(&self, args: &str) -> Ended {
        let ran = self.tool(args);
        assert!(ran.is_ok(), "{args}: {ran:?}");
        ran
    }

    /// Asserts that the tool refuses.
    pub(crate) fn refused(&self, args: &str, parts: &[&str]) {
        assert_refused(&self.tool(args), args, parts);
    }

    pub(crate) fn img(&self, args: &str) -> Ended {
        let ask = || self.run("qemu-img", &words(args), 60);
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
    pub(crate) fn img_ok(&self, args: &str) -> Ended {
        let ran = self.img(args);
        assert!(ran.is_ok(), "qemu-img {args}: {ran:?}");
        ran
    }

    /// Runs qemu-io commands on an image.
    pub(crate) fn io(&self, format: &str, image: &str, commands: &[&str]) {
        self.io_opened(&format!("-f {format} '{image}'"), commands);
    }

    /// The same for an image that is opened with these arguments.
    pub(crate) fn io_opened(&self, opened: &str, commands: &[&str]) {
        let commands = commands.iter().flat_map(|&command| ["-c", command]);
        let args: Vec<_> = commands.chain(words(opened)).collect();
        let ran = self.run("qemu-io", &args, 60);
        let is_done = ran.is_ok() && !ran.stdout.contains("failed");
        assert!(is_done, "qemu-io {args:?}: {ran:?}");
    }

    /// Makes an image of `size` with qemu-img's `options` (empty for none) and writes to it.
    pub(crate) fn make(
        &self,
        format: &str,
        options: &str,
        name: &str,
        size: &str,
        writes: &[&str],
    ) {
        let option = if options.is_empty() { "" } else { "-o" };
        self.img_ok(&format!(
            "create -q -f {format} {option} {options} '{name}' {size}"
        ));
        if !writes.is_empty() {
            self.io(format, name, writes);
        }
    }

    /// Makes an image on a backing file, which need not be there. `args` are options, its name and its size.
    pub(crate) fn overlay(&self, format: &str, base: &str, base_format: &str, args: &str) {
        self.img_ok(&format!(
            "create -q -u -f {format} -b {base} -F {base_format} {args}"
        ));
    }

    /// The disk's size by `qemu-img info`.
    pub(crate) fn virtual_size(&self, format: &str, name: &str) -> u64 {
        let info = self.img_ok(&format!("info -f {format} --output json {name}"));
        info.number("virtual-size")
    }

    /// Asserts that `measure` prints what `qemu-img measure` prints.
    pub(crate) fn same(&self, args: &str) {
        self.same_as(args, args);
    }

    /// The same for arguments of qemu-img that ask the same in other words. With FILE, our JSON has one key more.
    pub(crate) fn same_as(&self, ours: &str, theirs: &str) {
        let of = |what: &str| format!(",\n    \"measured\": \"{what}\"\n");
        let ask = || {
            let printed = self.tool_ok(&format!("measure {ours}")).stdout;
            let printed = printed.replacen(&of("chain"), "\n", 1);
            let printed = printed.replacen(&of("own-layer"), "\n", 1);
            (printed, self.img_ok(&format!("measure {theirs}")).stdout)
        };
        let mut answers = ask();
        if answers.0 != answers.1 {
            // Allocated blocks that were never written are holes until something reads them into the page cache.
            answers = ask();
        }
        assert_eq!(answers.0, answers.1, "{ours}");
        self.count();
    }

    /// The same for an image alone, without its backing file.
    pub(crate) fn same_own_layer(&self, options: &str, format: &str, name: &str) {
        let file = format!(r#""file":{{"driver":"file","filename":"{name}"}}"#);
        let alone = format!(r#"json:{{"driver":"{format}","backing":null,{file}}}"#);
        let ours = format!("{options} -f {format} --own-layer {name}");
        self.same_as(&ours, &format!("{options} {alone}"));
    }

    /// Asserts that qemu-img refuses the command, and that `measure` refuses `ours`.
    pub(crate) fn both_refuse(&self, theirs: &str, ours: &str) {
        let ran = self.img(theirs);
        assert!(!ran.is_ok(), "qemu-img {theirs}: {ran:?}");
        self.refused(&format!("measure {ours}"), &[]);
        self.count();
    }

    /// The output of `qemu-img map`.
    pub(crate) fn map(&self, format: &str, name: &str) -> Vec<Mapped> {
        self.map_opened(&format!("-f {format} {name}"))
    }

    /// The same for an image that is opened with these arguments.
    pub(crate) fn map_opened(&self, opened: &str) -> Vec<Mapped> {
        let map = self.img_ok(&format!("map --output json {opened}"));
        let extent = |extent: &Value| Mapped {
            start: extent["start"].as_u64().unwrap(),
            length: extent["length"].as_u64().unwrap(),
            is_own: extent["depth"] == 0 && extent["data"] == true,
            is_zero: extent["zero"] == true,
            place: extent["offset"].as_u64(),
        };
        let map = map.parsed();
        map.as_array().unwrap().iter().map(extent).collect()
    }

    /// The places in the file, and the lengths, of the data that an image holds itself.
    pub(crate) fn places(&self, format: &str, name: &str) -> Vec<(u64, u64)> {
        let mut own = self.map(format, name);
        own.retain(|extent| extent.is_own);
        let placed = own
            .iter()
            .map(|extent| Some((extent.place?, extent.length)));
        placed.flatten().collect()
    }

    /// Makes a hole of `length` bytes at byte `at` of a file.
    pub(crate) fn punch(&self, name: &str, at: u64, length: u64) {
        let file = std::fs::File::options().write(true).open(self.path(name));
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        rustix::fs::fallocate(file.unwrap(), flags, at, length).unwrap();
    }

    /// Writes over the bytes at `at` of a file.
    pub(crate) fn patch(&self, name: &str, at: usize, bytes: &[u8]) {
        let file = std::fs::File::options().write(true).open(self.path(name));
        file.unwrap().write_all_at(bytes, at as u64).unwrap();
    }

    /// The place of the last `bytes` in a file.
    pub(crate) fn find(&self, name: &str, bytes: &[u8]) -> usize {
        let image = self.read(name);
        let place = image.windows(bytes.len()).rposition(|found| found == bytes);
        place.unwrap_or_else(|| panic!("no {bytes:?} in {name}"))
    }

    /// Makes images of one disk in every format, by name: data in whole clusters of 64 KiB, some of it scattered.
    pub(crate) fn make_sources(&self) -> Vec<(&'static str, &'static str)> {
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
            self.make(format, options, name, "32M", &WRITES);
        }
        let changes = ["write -z 10M 1M", "discard 20M 64k", "write -P 4 20M 64k"];
        self.io("qcow2", "a.qcow2", &changes);
        self.img_ok("convert -c -O qcow2 a.raw compressed.qcow2");
        self.img_ok("convert -O vmdk -o subformat=streamOptimized a.raw stream.vmdk");
        let mut sources: Vec<_> = sources.map(|(format, _, name)| (format, name)).into();
        sources.extend([("qcow2", "compressed.qcow2"), ("vmdk", "stream.vmdk")]);
        sources
    }
}

/// Data in whole clusters of 64 KiB, some of it scattered.
pub(crate) const WRITES: [&str; 5] = [
    "write -P 1 0 128k",
    "write -P 2 1M 64k",
    "write -P 3 5M 3M",
    "write -P 4 20M 64k",
    "write -P 5 31M 1M",
];

/// An extent of `qemu-img map`; places and lengths in bytes.
pub(crate) struct Mapped {
    pub(crate) start: u64,
    pub(crate) length: u64,
    /// Data of the image itself, and of no backing file.
    pub(crate) is_own: bool,
    /// In a raw image: a hole.
    pub(crate) is_zero: bool,
    /// Its place in the file, unless it is compressed.
    pub(crate) place: Option<u64>,
}
