//! Bad input to `measure` and `scan`: one clear line, a non-zero exit code, no panic, no hang. Every run
//! of the tool has ten seconds.

mod qemu;

use std::fs::File;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use qemu::{Args, Ran, folder, make, tool};

/// Exit code 1, nothing on standard output, and one line on standard error that begins with `error:`
/// and contains `said`.
fn assert_one_line(ran: &Ran, args: &(impl Args + ?Sized), said: &str) {
    assert_eq!(ran.code, Some(1), "{args:?}: {ran:?}");
    assert_eq!(ran.stdout, "", "{args:?}: {ran:?}");
    let lines: Vec<_> = ran.stderr.lines().collect();
    assert_eq!(lines.len(), 1, "{args:?}: {ran:?}");
    assert!(lines[0].starts_with("error: "), "{args:?}: {ran:?}");
    assert!(lines[0].contains(said), "{args:?}: no {said:?} in {ran:?}");
}

/// Every way to name an image: both commands, its format detected and each format said.
fn assert_refused_everywhere(folder: &Path, name: &str, said: &str) {
    for command in ["measure", "scan"] {
        for format in [
            None,
            Some("raw"),
            Some("qcow2"),
            Some("vmdk"),
            Some("vpc"),
            Some("vhdx"),
        ] {
            let mut args = vec![command];
            args.extend(format.iter().flat_map(|format| ["-f", format]));
            args.push(name);
            assert_one_line(&tool(folder, &args), &args, said);
        }
    }
}

#[test]
fn a_missing_file() {
    let (_guard, folder) = folder();
    assert_refused_everywhere(&folder, "nosuch.img", "No such file");
    assert_refused_everywhere(&folder, "no/such.img", "No such file");
    assert_refused_everywhere(&folder, "", "No such file");
    // A name may hold a line break; the message must not.
    assert_refused_everywhere(&folder, "two\nlines", "two\\nlines");
}

#[test]
fn a_folder() {
    let (_guard, folder) = folder();
    std::fs::create_dir(folder.join("folder")).unwrap();
    assert_refused_everywhere(&folder, "folder", "a folder");
    assert_refused_everywhere(&folder, ".", "a folder");
}

#[test]
fn a_fifo_a_socket_and_a_character_device() {
    let (_guard, folder) = folder();
    let mkfifo = Command::new("mkfifo").arg(folder.join("fifo")).status();
    assert!(mkfifo.unwrap().success());
    let _socket = UnixListener::bind(folder.join("socket")).unwrap();
    assert_refused_everywhere(&folder, "fifo", "a FIFO");
    assert_refused_everywhere(&folder, "socket", "a socket");
    assert_refused_everywhere(&folder, "/dev/zero", "a character device");
    assert_refused_everywhere(&folder, "/dev/null", "a character device");
}

#[test]
fn an_empty_file() {
    let (_guard, folder) = folder();
    File::create(folder.join("empty")).unwrap();
    for command in ["measure", "scan"] {
        let args = [command, "empty"];
        assert_one_line(&tool(&folder, &args), &args, "empty");
        for format in ["qcow2", "vmdk", "vpc", "vhdx"] {
            let args = [command, "-f", format, "empty"];
            assert_one_line(&tool(&folder, &args), &args, format);
        }
        // Whoever says that it is raw is believed, as by qemu-img.
        let raw = tool(&folder, &format!("{command} -f raw empty"));
        assert!(raw.succeeded(), "{raw:?}");
    }
}

/// Cut in what a scan reads, an image is refused; cut behind it, it is scanned or refused as corrupt. (A
/// dynamic VHD is found by the copy of its footer at the start, so its end is not needed.)
#[test]
fn a_truncated_image() {
    let (_guard, folder) = folder();
    for (format, options, name, within_metadata) in [
        // The L2 table may end past the end, in the last cluster, but it begins inside.
        ("qcow2", "", "a.qcow2", 0x40001),
        ("vmdk", "", "a.vmdk", 0x5000),
        ("vpc", "", "a.vhd", 0x60b),
        ("vpc", "subformat=fixed", "b.vhd", u64::MAX),
        ("vhdx", "", "a.vhdx", 0x20_0000),
    ] {
        let writes = ["write -P 1 1M 128k"];
        make(&folder, format, options, name, "4M", &writes);
        let length = std::fs::metadata(folder.join(name)).unwrap().len();
        let file = File::options().write(true).open(folder.join(name)).unwrap();
        let early = [70000, 4096, 600, 511, 70, 20, 8, 5, 4, 1].into_iter();
        let inside = within_metadata.min(length) - 1;
        let late = [length - 1, length - 512, length / 2, inside].into_iter();
        for cut in late.chain(early.filter(|&cut| cut < length)) {
            file.set_len(cut).unwrap();
            for command in ["measure", "scan"] {
                let args = [command, "-f", format, name];
                let ran = tool(&folder, &args);
                if cut < within_metadata {
                    assert_one_line(&ran, &args, format);
                } else if !ran.succeeded() {
                    assert_one_line(&ran, &args, "corrupt");
                }
            }
        }
    }
}

#[test]
fn a_file_that_cannot_be_read() {
    let (_guard, folder) = folder();
    make(&folder, "qcow2", "", "a.qcow2", "1M", &[]);
    std::fs::set_permissions(
        folder.join("a.qcow2"),
        std::fs::Permissions::from_mode(0o000),
    )
    .unwrap();
    if File::open(folder.join("a.qcow2")).is_err() {
        assert_refused_everywhere(&folder, "a.qcow2", "Permission denied");
    } else {
        // Root may read everything, so the tool has to be another user.
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
        for command in ["measure", "scan"] {
            let copy = folder.join("images");
            std::fs::copy(env!("CARGO_BIN_EXE_images"), &copy).unwrap();
            let mut nobody = Command::new("setpriv");
            nobody
                .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
                .arg(copy)
                .args([command, "a.qcow2"])
                .current_dir(&folder);
            let ran = qemu::run(nobody, std::time::Duration::from_secs(10));
            assert_one_line(&ran, &[command, "a.qcow2"], "Permission denied");
        }
    }
}

#[test]
fn five_terabytes_of_nothing() {
    let (_guard, folder) = folder();
    let huge = File::create(folder.join("huge")).unwrap();
    huge.set_len(5 << 40).unwrap();
    let scanned = tool(&folder, "scan --output json --unit 64k huge");
    assert_eq!(scanned.number("virtual-size"), 5 << 40, "{scanned:?}");
    assert_eq!(scanned.number("allocated-bytes"), 0, "{scanned:?}");
    for format in ["raw", "qcow2", "vmdk", "vhdx"] {
        let args = ["measure", "-O", format, "huge"];
        let empty = tool(&folder, &format!("measure -O {format} --size 5T"));
        let ran = tool(&folder, &args);
        assert!(ran.succeeded(), "{args:?}: {ran:?}");
        assert_eq!(ran.stdout, empty.stdout, "{args:?}: {ran:?}");
    }
    let args = ["measure", "-O", "vpc", "huge"];
    assert_one_line(&tool(&folder, &args), &args, "5497558138880");
    for format in ["qcow2", "vmdk", "vpc", "vhdx"] {
        let args = ["scan", "-f", format, "huge"];
        assert_one_line(&tool(&folder, &args), &args, format);
    }
}

#[test]
fn an_unknown_option() {
    let (_guard, folder) = folder();
    for (args, named) in [
        ("-O raw -o colour=red", "\"colour\""),
        ("-O qcow2 -o subformat=fixed", "\"subformat\""),
        ("-O vmdk -o grain_size=4k", "\"grain_size\""),
        ("-O vpc -o cluster_size", "\"cluster_size\""),
        ("-O vhdx -o =", "\"\""),
        ("-O vdi", "\"vdi\""),
    ] {
        let args = format!("measure --size 1M {args}");
        assert_one_line(&tool(&folder, &args), &args, named);
    }
    for (args, named) in [
        (&["measure", "--size", "1M", "-O", ""][..], "\"\""),
        (
            &["measure", "--size", "1M", "-O", "qcow2", "-o", "a\nb=1"],
            "a\\nb",
        ),
        (&["scan", "-f", "vdi", "x"], "\"vdi\""),
    ] {
        assert_one_line(&tool(&folder, args), args, named);
    }
    // What is no option of the command itself is bad usage: exit code 2, and a hint how it is used.
    for args in [
        &["measure", "--colour", "red"][..],
        &["scan", "--colour"],
        &["scan"],
        &["measure", "--size"],
    ] {
        let ran = tool(&folder, args);
        assert_eq!(ran.code, Some(2), "{args:?}: {ran:?}");
        let errors = ran.stderr.lines().filter(|line| line.starts_with("error:"));
        assert_eq!(errors.count(), 1, "{args:?}: {ran:?}");
        assert_eq!(ran.stdout, "", "{args:?}: {ran:?}");
    }
}

#[test]
fn a_size_that_makes_no_sense() {
    let (_guard, folder) = folder();
    let texts = ["", " ", "-", "--", "-1", "1x", "1\n2", "٣", "1e9999"];
    let long = ["99999999999999999999", "0.0000000000000000000001b"];
    for size in texts.into_iter().chain(long) {
        for format in ["raw", "qcow2", "vmdk", "vpc", "vhdx"] {
            let args = ["measure", "-O", format, "--size", size];
            assert_one_line(&tool(&folder, &args), &args, "--size");
        }
    }
    for (format, size) in [
        ("raw", "9223372036854775807"),
        ("qcow2", "7E"),
        ("vmdk", "7E"),
        ("vpc", "3T"),
        ("vhdx", "65T"),
    ] {
        let args = ["measure", "-O", format, "--size", size];
        assert_one_line(&tool(&folder, &args), &args, "a disk of");
    }
}

#[test]
fn an_image_of_a_format_that_is_not_known() {
    let (_guard, folder) = folder();
    for format in ["qcow", "vdi", "qed", "parallels"] {
        let name = format!("a.{format}");
        make(&folder, format, "", &name, "1M", &[]);
        for command in ["measure", "scan"] {
            let args = [command, name.as_str()];
            assert_one_line(&tool(&folder, &args), &args, "not known here");
        }
    }
    make(
        &folder,
        "vmdk",
        "subformat=monolithicFlat",
        "flat.vmdk",
        "1M",
        &[],
    );
    for command in ["measure", "scan"] {
        let args = [command, "flat.vmdk"];
        assert_one_line(&tool(&folder, &args), &args, "unsupported");
    }
}

#[test]
fn standard_output_that_is_closed() {
    let (_guard, folder) = folder();
    for command in ["measure --size 1M", "measure -O qcow2 -o help"] {
        let mut shell = Command::new("sh");
        shell.args([
            "-c",
            &format!("{} {command} >/dev/full", env!("CARGO_BIN_EXE_images")),
        ]);
        shell.current_dir(&folder);
        let ran = qemu::run(shell, std::time::Duration::from_secs(10));
        assert_one_line(&ran, &[command], "standard output");
    }
}
