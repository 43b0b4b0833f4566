//! Bad input to `measure` and `scan`: one clear line, a non-zero exit code, no panic, no hang. Every run
//! of the tool has ten seconds.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::time::Duration;

use crate::qemu::{Bench, Ran as _, assert_refused};

const FORMATS: [&str; 5] = ["raw", "qcow2", "vmdk", "vpc", "vhdx"];

/// Every way to name an image: both commands, its format detected and each format named.
fn assert_refused_everywhere(bench: &Bench, name: &str, reason: &str) {
    for command in ["measure", "scan"] {
        bench.refused(&format!("{command} '{name}'"), &[reason]);
        for format in FORMATS {
            bench.refused(&format!("{command} -f {format} '{name}'"), &[reason]);
        }
    }
}

#[test]
fn what_is_no_file_is_refused_in_one_line() {
    let bench = Bench::new();
    fs::create_dir(bench.path("folder")).unwrap();
    bench.mkfifo("fifo");
    let _socket = UnixListener::bind(bench.path("socket")).unwrap();
    for (name, reason) in [
        ("nosuch.img", "No such file"),
        ("no/such.img", "No such file"),
        ("", "No such file"),
        // A name may hold a line break; the message must not.
        ("two\nlines", "two\\nlines"),
        ("folder", "a folder"),
        (".", "a folder"),
        ("fifo", "a FIFO"),
        ("socket", "a socket"),
        ("/dev/zero", "a character device"),
        ("/dev/null", "a character device"),
    ] {
        assert_refused_everywhere(&bench, name, reason);
    }
}

#[test]
fn an_empty_file() {
    let bench = Bench::new();
    bench.write("empty", "");
    for command in ["measure", "scan"] {
        bench.refused(&format!("{command} empty"), &["empty"]);
        for format in &FORMATS[1..] {
            bench.refused(&format!("{command} -f {format} empty"), &[format]);
        }
        // Whoever names it raw is believed, as by qemu-img.
        bench.tool_ok(&format!("{command} -f raw empty"));
    }
}

/// Cut in what a scan reads, an image is refused; cut behind it, it is scanned or refused as corrupt. (A
/// dynamic VHD is found by the copy of its footer at the start, so its end is not needed.)
#[test]
fn a_truncated_image() {
    let bench = Bench::new();
    for (format, options, name, within_metadata) in [
        // The L2 table may end past the end, in the last cluster, but it begins inside.
        ("qcow2", "", "a.qcow2", 0x40001),
        ("vmdk", "", "a.vmdk", 0x5000),
        ("vpc", "", "a.vhd", 0x60b),
        // All but the footer's last byte: Virtual PC wrote no more before 2004.
        ("vpc", "subformat=fixed", "b.vhd", 4_212_736 + 511),
        ("vhdx", "", "a.vhdx", 0x20_0000),
    ] {
        bench.make(format, options, name, "4M", &["write -P 1 1M 128k"]);
        let length = bench.length(name);
        let file = File::options().write(true).open(bench.path(name)).unwrap();
        let early = [70000, 4096, 600, 511, 70, 20, 8, 5, 4, 1].into_iter();
        // The last byte of a fixed VHD may be missing.
        let within_metadata = within_metadata.min(length - 1);
        let inside = within_metadata - 1;
        let late = [length - 1, length - 512, length / 2, inside].into_iter();
        for cut in late.chain(early.filter(|&cut| cut < length)) {
            file.set_len(cut).unwrap();
            for command in ["measure", "scan"] {
                let args = format!("{command} -f {format} {name}");
                let ran = bench.tool(&args);
                if cut < within_metadata {
                    assert_refused(&ran, &args, &[format]);
                } else if !ran.is_ok() {
                    assert_refused(&ran, &args, &["corrupt"]);
                }
            }
        }
    }
}

#[test]
fn a_file_that_cannot_be_read() {
    let bench = Bench::new();
    bench.make("qcow2", "", "a.qcow2", "1M", &[]);
    let allow = |path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    allow(bench.path("a.qcow2"), 0o000);
    if File::open(bench.path("a.qcow2")).is_err() {
        assert_refused_everywhere(&bench, "a.qcow2", "Permission denied");
        return;
    }
    // Root may read everything, so the tool has to be another user.
    allow(bench.path(""), 0o755);
    fs::copy(env!("CARGO_BIN_EXE_images"), bench.path("images")).unwrap();
    for command in ["measure", "scan"] {
        let mut nobody = Command::new("setpriv");
        nobody
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(bench.path("images"))
            .args([command, "a.qcow2"])
            .current_dir(bench.folder());
        let ran = crate::qemu::run(nobody, Duration::from_secs(10));
        assert_refused(&ran, command, &["Permission denied"]);
    }
}

#[test]
fn five_terabytes_of_nothing() {
    let bench = Bench::new();
    let huge = File::create(bench.path("huge")).unwrap();
    huge.set_len(5 << 40).unwrap();
    let scanned = bench.tool("scan --output json --unit 64k huge");
    assert_eq!(scanned.number("virtual-size"), 5 << 40, "{scanned:?}");
    assert_eq!(scanned.number("allocated-bytes"), 0, "{scanned:?}");
    for format in ["raw", "qcow2", "vmdk", "vhdx"] {
        let empty = bench.tool_ok(&format!("measure -O {format} --size 5T"));
        let ran = bench.tool_ok(&format!("measure -O {format} huge"));
        assert_eq!(ran.stdout, empty.stdout, "{format}");
    }
    bench.refused("measure -O vpc huge", &["5497558138880"]);
    for format in &FORMATS[1..] {
        bench.refused(&format!("scan -f {format} huge"), &[format]);
    }
}

#[test]
fn an_unknown_option() {
    let bench = Bench::new();
    // A name may hold a line break; the message must not.
    bench.refused("measure --size 1M -O qcow2 -o 'a\nb=1'", &["a\\nb"]);
    // An option that the command itself does not have is bad usage: exit code 2, and a hint how it is used.
    for args in [
        "measure --colour red",
        "scan --colour",
        "scan",
        "measure --size",
    ] {
        let ran = bench.tool(args);
        assert_eq!((ran.code, &*ran.stdout), (2, ""), "{args}: {ran:?}");
        let errors = ran.stderr.lines().filter(|line| line.starts_with("error:"));
        assert_eq!(errors.count(), 1, "{args}: {ran:?}");
    }
}

#[test]
fn standard_output_that_is_closed() {
    for command in ["measure --size 1M", "measure -O qcow2 -o help"] {
        let mut shell = Command::new("sh");
        let line = format!("{} {command} >/dev/full", env!("CARGO_BIN_EXE_images"));
        shell.args(["-c", &line]);
        let ran = crate::qemu::run(shell, Duration::from_secs(10));
        assert_refused(&ran, command, &["standard output"]);
    }
}
