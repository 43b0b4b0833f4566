//! Which options `images measure` takes and which it refuses, against what `qemu-img measure` and
//! `qemu-img create` refuse.

use std::collections::BTreeSet;

use crate::qemu::Bench;

/// Asserts that the reason why `measure` refuses the options names one of them, or the whole list.
fn assert_named(bench: &Bench, args: &str, options: &str) {
    let reason = bench.tool(&format!("measure {args}")).stderr;
    let mut names = options
        .split(',')
        .filter_map(|option| option.split(['=', '.']).next());
    let is_named = names.any(|name| !name.is_empty() && reason.contains(name));
    let is_quoted = reason.contains(&format!("invalid option list {options:?}"))
        || reason.contains("option \"\"");
    assert!(is_named || is_quoted, "{options:?}: {reason}");
}

#[test]
fn what_qemu_img_measure_refuses_is_refused() {
    let bench = Bench::new();
    bench.make("qcow2", "", "a.qcow2", "1M", &[]);
    for args in [
        "",
        "a.qcow2 a.qcow2",
        "--size 1M a.qcow2",
        "--size 1M -f raw",
        "--size 1M --own-layer",
        "--size 1M -l x",
        "--size 1M --image-opts",
        "--size 1M --object x",
        "--size 1M --object secret,id=s",
        "--size 1M --object secret,data=x",
        "--size 1M --object secret,id=1,data=x",
        "--size 1M --object secret,id=s,data=x,file=y",
        "--size 1M --object secret,id=s,data=x,format=hex",
        "--size 1M --object secret,id=s,data=x,color=red",
        "--size 1M --object {",
        "--size 1M --output xml",
        "--size 1M -O nosuch",
        "-f nosuch a.qcow2",
        "-f vmdk a.qcow2",
        "-f vpc a.qcow2",
        "-f vhdx a.qcow2",
        "-l x a.qcow2",
        "nosuch.qcow2",
        "--size 1M -O raw -o nosuch=1",
        "--size 1M -O raw -o cluster_size=4k",
        "--size 129G -O qcow2 -o cluster_size=512",
        "--size 3P -O qcow2",
    ] {
        bench.both_refuse(&format!("measure {args}"), args);
    }
    for list in [
        "",
        ",",
        "cluster_size=4k,",
        ",cluster_size=4k",
        " cluster_size=4k",
        "nosuch",
        "=4k",
        "cluster_size=x,cluster_size=4k",
        "cluster_size=4k,,x",
        "compat=0.10,refcount_bits=8",
        "extended_l2=on,cluster_size=8k",
        "preallocation",
        "encrypt.format=luks",
        "encrypt.format=luks,encrypt.key-secret=s",
        "encrypt.format=luks,encrypt.cipher-alg=foo",
    ] {
        refused(&bench, list);
    }
    for (option, values) in [
        ("cluster_size", "|x|-1|0|256|65537|4M"),
        ("refcount_bits", "|3|0|128|-1|+-1|09|1k|16.0"),
        ("compat", "v2|v3|v4|V3"),
        ("extended_l2", "maybe|1"),
        ("lazy_refcounts", "On"),
        ("preallocation", "foo|OFF"),
        ("size", "x"),
        ("encrypt.iter-time", "x"),
    ] {
        for value in values.split('|') {
            refused(&bench, &format!("{option}={value}"));
        }
    }
}

/// Asserts that both refuse these options of a qcow2.
fn refused(bench: &Bench, options: &str) {
    let args = format!("--size 1M -O qcow2 -o '{options}'");
    bench.both_refuse(&format!("measure {args}"), &args);
    assert_named(bench, &args, options);
}

/// Formats, and options that `qemu-img create` refuses.
const REFUSED_BY_CREATE: &str = "
    raw preallocation=metadata
    raw preallocation=foo
    raw subformat=fixed
    qcow2 compat=0.10,lazy_refcounts=on
    qcow2 compat=0.10,extended_l2=on
    qcow2 compat=0.10,data_file=d
    qcow2 compat=0.10,compression_type=zstd
    qcow2 compression_type=lz4
    qcow2 data_file_raw=on
    qcow2 data_file=
    qcow2 backing_fmt=raw
    qcow2 backing_file=,backing_fmt=raw
    qcow2 backing_file=base.vmdk,backing_fmt=vmdk,preallocation=full
    qcow2 backing_file=base.vmdk,backing_fmt=vmdk,data_file=d,data_file_raw=on
    qcow2 encryption=on
    qcow2 encrypt.format=aes
    qcow2 encrypt.format=foo
    qcow2 encrypt.cipher-alg=aes-128
    qcow2 encrypt.key-secret=s
    vmdk subformat=thin
    vmdk subformat=
    vmdk adapter_type=scsi
    vmdk adapter_type=LSILogic
    vmdk compat6=maybe
    vmdk compat6=on,hwversion=4
    vmdk zeroed_grain=on,subformat=monolithicFlat
    vmdk backing_fmt=raw
    vmdk backing_file=base.vmdk,backing_fmt=raw
    vmdk backing_file=base.vmdk,backing_fmt=vmdk,subformat=monolithicFlat
    vmdk grain_size=4k
    vpc subformat=Fixed
    vpc subformat=
    vpc force_size=x
    vpc block_size=1M
    vhdx subformat=thin
    vhdx block_size=3M
    vhdx block_size=24M
    vhdx block_size=8193k
    vhdx block_size=-1
    vhdx block_size=1M+1
    vhdx log_size=0
    vhdx log_size=4G
    vhdx log_size=5G
    vhdx block_state_zero=x
";

/// `qemu-img measure` does not look at everything that `create` looks at, or does not know the format.
#[test]
fn what_qemu_img_create_refuses_is_refused() {
    let bench = Bench::new();
    bench.make("vmdk", "", "base.vmdk", "1M", &[]);
    let lines = REFUSED_BY_CREATE.trim().lines();
    for (format, options) in lines.filter_map(|line| line.trim().split_once(' ')) {
        let create = format!("create -f {format} -o {options} refused.img 1M");
        let args = format!("--size 1M -O {format} -o {options}");
        bench.both_refuse(&create, &args);
        assert_named(&bench, &args, options);
    }
}

#[test]
fn what_qemu_img_create_takes_is_taken_where_there_is_one_answer() {
    let bench = Bench::new();
    bench.make("vmdk", "", "base.vmdk", "1M", &[]);
    let base = "backing_file=base.vmdk,backing_fmt=vmdk";
    let on_base = format!("{base},preallocation=metadata,extended_l2=on");
    for (format, options) in [
        ("qcow2", "compat=0.10,compression_type=zlib"),
        ("qcow2", &on_base),
        ("vmdk", "adapter_type=legacyESX,toolsversion=x,hwversion="),
        ("vmdk", "compat6=on"),
        ("vmdk", base),
        ("vpc", "force_size"),
        ("vhdx", "block_state_zero=off"),
    ] {
        bench.img_ok(&format!("create -q -f {format} -o {options} taken.img 1M"));
        bench.tool_ok(&format!("measure --size 1M -O {format} -o {options}"));
    }
    // Refused for reasons of our own: qemu-img makes these, but there is no one answer.
    for line in format!(
        "several files | vmdk --size 1M -o subformat=twoGbMaxExtentSparse
         several files | vmdk --size 1M -o subformat=twoGbMaxExtentFlat
         cannot be answered | vhdx --size 1M -o subformat=fixed
         depends on the base | vmdk -o {base} base.vmdk
         expected one of aes-256 | qcow2 --size 1M -o encrypt.format=luks,encrypt.cipher-alg=3des
         mode xts | qcow2 --size 1M -o encrypt.format=luks,encrypt.cipher-alg=cast5-128
         only a secret | raw --size 1M --object tls-creds-x509,id=s"
    )
    .lines()
    {
        let (reason, options) = line.trim().split_once(" | ").unwrap();
        bench.refused(&format!("measure -O {options}"), &[reason]);
    }
}

#[test]
fn help_on_options_lists_those_of_qemu_img() {
    let bench = Bench::new();
    for format in ["raw", "qcow2", "vmdk", "vpc", "vhdx"] {
        let names = |text: &str| -> BTreeSet<String> {
            let lines = text.lines().filter_map(|line| line.strip_prefix("  "));
            let names = lines.filter_map(|line| line.split(['=', ' ']).next());
            names.map(str::to_owned).collect()
        };
        let mut theirs = names(&bench.img_ok(&format!("create -f {format} -o help")).stdout);
        if format == "raw" {
            // An option of the file below, which only a file's name brings into the list.
            theirs.insert("preallocation".to_owned());
        }
        let ours = bench.tool_ok(&format!("measure -O {format} -o help"));
        assert_eq!(names(&ours.stdout), theirs, "{format}");
    }
}
