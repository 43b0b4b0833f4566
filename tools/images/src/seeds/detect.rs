//! The files that are seeds of `fuzz_measure_detect`: of each format, of several at once, and descriptors.
//!
//! They are made by hand: what counts of a file is its start and its end.

use anyhow::{Context as _, Error, Result, ensure};
use built_in::SUBJECT;
use harness_core::detect::DetectCase;

use super::Seed;

/// How a file of one format begins: its name, where the magic number is, and the number.
const STARTS: [(&str, usize, &[u8]); 18] = [
    ("qcow2", 0, b"QFI\xfb\0\0\0\x03"),
    ("qcow2-of-a-later-version", 0, b"QFI\xfb\x01\0\0\0"),
    ("qcow (version 1)", 0, b"QFI\xfb\0\0\0\x01"),
    ("vmdk", 0, b"KDMV\x01\0\0\0"),
    ("vmdk-cowd", 0, b"COWD\x01\0\0\0"),
    ("vmdk-without-a-version", 0, b"# Disk DescriptorFile\n"),
    ("vhd", 0, b"conectix"),
    ("vhdx", 0, b"vhdxfile"),
    ("QED", 0, b"QED\0"),
    ("LUKS", 0, b"LUKS\xba\xbe\0\x02"),
    ("Parallels", 0, b"WithoutFreeSpace\x02"),
    ("Parallels-extended", 0, b"WithouFreSpacExt\x02"),
    ("Bochs", 0, b"Bochs Virtual HD Image"),
    ("VDI", 64, b"\x7f\x10\xda\xbe"),
    ("cloop", 0, b"#!/bin/sh\n#V2.0 Format\nmodprobe cloop "),
    ("gzip", 0, b"\x1f\x8b\x08"),
    ("VMware's changed block tracking", 0, b"\xa2\x72\x19\xf6"),
    ("VMware's seSparse", 0, b"\xbe\xba\xfe\xca\0\0\0\0"),
];

/// Descriptors: a paragraph each, its `createType`, then its lines of extents.
const DESCRIPTORS: &str = include_str!("descriptors.txt");

/// Every seed of `fuzz_measure_detect`. Fails when a file is not of the formats that its name begins with: a fault of
/// this list or of the detector.
pub(crate) fn seeds() -> Result<Vec<Seed>> {
    let fixed = |start: &[(usize, &[u8])]| [file(1024, start), footer(2, u64::MAX, 1024)].concat();
    let mut all: Vec<(String, Vec<u8>)> = Vec::new();
    for (name, at, magic) in STARTS {
        all.push((name.to_owned(), file(1024, &[(at, magic)])));
    }
    let paragraphs = DESCRIPTORS.split("\n\n");
    for (kind, extents) in paragraphs.filter_map(|paragraph| paragraph.split_once('\n')) {
        let text = format!(
            "# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType=\"{kind}\"\n\n\
             # Extent description\n{extents}\n\nddb.adapterType = \"ide\"\n"
        );
        all.push((format!("vmdk-{kind}"), text.into_bytes()));
    }
    let delta = "  \nversion=3\r\nCID=1\nparentCID = 12AB\nparentFileNameHint=\"a\"\ncreateType=custom\nRW 1 ZERO\n\0x";
    // The size of a disk is no part of a VHD that is known by its header.
    let dynamic = |start: &[u8]| {
        let table_at = 1536_u64.to_be_bytes();
        let fields = [
            (0, &b"cxsparse"[..]),
            (16, &table_at),
            (24, &[0, 1, 0, 0, 0, 0, 0, 2, 0, 0, 2, 0]),
        ];
        let header = checked(1024, 36, &fields);
        let table = [[0, 0, 0, 4], [0xff; 4]].concat();
        let start = file(3072, &[(0, start), (512, &header), (1536, &table)]);
        [start, footer(3, 512, 1024)].concat()
    };
    let extent = [
        (0, &b"KDMV\x01\0\0\0"[..]),
        (12, &[16]),
        (20, &[8]),
        (44, &[0, 2]),
        (56, &[1]),
        (512, &[2]),
        (1024, &[6]),
    ];
    let vdi: (usize, &[u8]) = (64, b"\x7f\x10\xda\xbe");
    let qcow2 = [(0, &b"QFI\xfb\0\0\0\x02"[..]), (23, &[16]), (59, &[1])];
    let ends_in = |footer: Vec<u8>| [file(2048, &[]), footer].concat();
    let mut damaged = fixed(&[]);
    damaged[1500] = 1;
    let named = [
        ("raw", file(1024, &[(512, b"KDMV")])),
        ("raw-of-one-byte", vec![b'Q']),
        ("raw-qcow-of-version-0", file(1024, &[(0, b"QFI\xfb")])),
        ("raw-after-an-empty-line", b"\nversion=1\n".to_vec()),
        ("raw-with-an-old-footer", ends_in(footer(2, u64::MAX, 1024))),
        ("raw-with-a-footer-alone", ends_in(footer(3, 512, 1024))),
        ("raw-footer-with-a-wrong-checksum", damaged),
        ("vhd-fixed", fixed(&[])),
        ("vhd-without-its-last-byte", fixed(&[])[..1535].to_vec()),
        ("vhd-dynamic", dynamic(&footer(3, 512, 1024))),
        ("vhd-dynamic-by-its-end", dynamic(&[])),
        ("DMG", file(1024, &[(512, b"koly\0\0\0\x04")])),
        ("vmdk-that-a-scanner-takes", file(4096, &extent)),
        ("qcow2-that-a-scanner-takes", file(1024, &qcow2)),
        ("vmdk-delta", delta.as_bytes().to_vec()),
        ("qcow2+vhd-fixed", fixed(&qcow2)),
        ("vmdk+vhd-descriptor", dynamic(b"version=1\n#")),
        ("vhd+vhdx", fixed(&[(0, b"vhdxfile")])),
        ("vhd+LUKS", fixed(&[(0, b"LUKS\xba\xbe")])),
        ("vhd+gzip", dynamic(b"\x1f\x8b\x08")),
        ("qcow2+VDI", file(512, &[qcow2[0], vdi])),
        (
            "vhdx+VDI+DMG",
            file(1025, &[(0, b"vhdxfile"), vdi, (513, b"koly")]),
        ),
    ];
    all.extend(named.map(|(name, file)| (name.to_owned(), file)));
    all.into_iter()
        .map(|(name, input)| {
            let device = DetectCase { file: &input }.device(512);
            let detector = SUBJECT.detector.context("there is a detector")?;
            let found = detector.detect(&device).map_err(Error::msg)?.to_string();
            let rest = name.strip_prefix(&found);
            let is_named = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
            ensure!(is_named, "the seed {name} is of the formats {found}");
            let name = name.replace(['(', ')', '\''], "").replace(' ', "-");
            Ok(Seed { name, input })
        })
        .collect()
}

/// Zeros, and the pieces at their places.
fn file(length: usize, pieces: &[(usize, &[u8])]) -> Vec<u8> {
    let mut file = vec![0; length];
    for (at, piece) in pieces {
        file[*at..at + piece.len()].copy_from_slice(piece);
    }
    file
}

/// As [`file`], with the checksum of a VHD's structure at `at`: the ones' complement of the sum of the other bytes.
fn checked(length: usize, at: usize, pieces: &[(usize, &[u8])]) -> Vec<u8> {
    let mut structure = file(length, pieces);
    let sum: u32 = structure.iter().map(|&byte| u32::from(byte)).sum();
    structure[at..at + 4].copy_from_slice(&(!sum).to_be_bytes());
    structure
}

/// The footer of a VHD of this type, with its header at byte `header` and a disk of `size` bytes.
fn footer(kind: u8, header: u64, size: u64) -> Vec<u8> {
    let (header, size) = (header.to_be_bytes(), size.to_be_bytes());
    let start = &b"conectix\0\0\0\x02\0\x01\0\0"[..];
    checked(
        512,
        64,
        &[(0, start), (16, &header), (48, &size), (63, &[kind])],
    )
}
