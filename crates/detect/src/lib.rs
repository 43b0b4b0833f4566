//! Which formats a file is of, by its bytes: one, several at once, or none.
//!
//! # What counts
//! A format counts when a reader that trusts the bytes alone would take the file for it:
//!
//! - **by its start**, as QEMU's probes do (`bdrv_probe_all` in block.c): a magic number in the first 512 bytes, for
//!   qcow2 with a version of 2 or later, or a VMDK's text descriptor, also one that only VMware takes, by its first
//!   line. A shorter file is filled up with zeros;
//! - **by its end**, which QEMU does not look at: the footer of the VHD that the file is ([`vhd::ends`]), or the trailer
//!   of a DMG (`dmg_find_koly_offset` in QEMU's block/dmg.c).
//!
//! Every format that counts is in the set. Two are there when a file starts as one and ends as another, and when VDI's
//! magic number, which is at byte 64, stands in another format's header. A VHD whose footer is at both ends is one
//! format. Signatures anywhere else make no format: no reader starts from them (VHDX without `vhdxfile` at byte 0,
//! say). What a raw disk holds, such as partition tables and file systems, is no format of disk images.
//!
//! # Work
//! The first sector, the last 512 bytes, and 8 bytes where a VHD's footer places its header: at most five sectors.
//!
//! `no_std`, no heap. Nothing here knows that it is fuzzed.
#![no_std]
#![cfg_attr(not(test), warn(clippy::cast_possible_truncation))]

use shared::{CallTable, Input, ScanError, SectorCache};
use types::{FileFormat, FileFormats};

/// How much of a file's start is looked at, in bytes: as much as QEMU's probes get (`BLOCK_PROBE_BUF_SIZE`).
const HEAD: usize = 512;
/// The length of what a VHD or a DMG ends in, in bytes.
const TAIL: u64 = 512;

/// Where a format has its magic number, in bytes from the file's start, and the number. Sources: `*_probe` of the driver
/// in QEMU's block/, without the versions that it wants beside some; gzip: RFC 1952, 2.3.1, with the one method that
/// there is; changed block tracking: libvmdk's description of the format; seSparse: QEMU's block/vmdk.c.
static MAGIC: [(usize, &[u8], FileFormat); 16] = [
    (0, &vmdk::header::MAGIC, FileFormat::Vmdk),
    (0, &vmdk::header::COWD_MAGIC, FileFormat::Vmdk),
    (0, vmdk::descriptor::MAGIC, FileFormat::Vmdk),
    (0, &vhd::COOKIE, FileFormat::Vhd),
    (0, &vhdx::FILE_SIGNATURE, FileFormat::Vhdx),
    (0, b"QFI\xfb\0\0\0\x01", FileFormat::Qcow1),
    (0, b"QED\0", FileFormat::Qed),
    (0, b"LUKS\xba\xbe", FileFormat::Luks),
    (0, b"WithoutFreeSpace", FileFormat::Parallels),
    (0, b"WithouFreSpacExt", FileFormat::Parallels),
    (0, b"Bochs Virtual HD Image", FileFormat::Bochs),
    (64, b"\x7f\x10\xda\xbe", FileFormat::Vdi),
    (0, b"#!/bin/sh\n#V2.0 Format\n", FileFormat::Cloop),
    (0, b"\x1f\x8b\x08", FileFormat::Gzip),
    (0, b"\xa2\x72\x19\xf6", FileFormat::ChangeTracking),
    (0, b"\xbe\xba\xfe\xca\0\0\0\0", FileFormat::SeSparse),
];

/// The formats that the file on `device` is of, by its start and by its end. `cache` is one sector of `device` long, or
/// longer.
///
/// # Errors
/// [`ScanError::Io`] and [`ScanError::InvalidArgument`]: see there. A read that fails is never an answer.
pub fn detect(
    calls: CallTable<'_>,
    device: u32,
    cache: &mut [u8],
) -> Result<FileFormats, ScanError> {
    let mut cache = SectorCache::new(cache);
    let mut input = Input::open(calls, device, &[&cache])?;
    let by_start = of_start(&mut input, &mut cache)?;
    let Some(end) = input.capacity().checked_sub(TAIL) else {
        return Ok(by_start);
    };
    let tail = input.read_array(&mut cache, end, "the end is not wholly in the file")?;
    Ok(by_start
        .with_if(FileFormat::Dmg, tail.starts_with(b"koly"))
        .with_if(FileFormat::Vhd, vhd::ends(&mut input, &mut cache, &tail)?))
}

/// The formats that the file on `device` is of by its start alone, as QEMU finds them. `cache`: see [`detect`].
///
/// # Errors
/// As [`detect`].
pub fn probe(
    calls: CallTable<'_>,
    device: u32,
    cache: &mut [u8],
) -> Result<FileFormats, ScanError> {
    let mut cache = SectorCache::new(cache);
    let mut input = Input::open(calls, device, &[&cache])?;
    of_start(&mut input, &mut cache)
}

fn of_start(input: &mut Input<'_>, cache: &mut SectorCache<'_>) -> Result<FileFormats, ScanError> {
    let mut head = [0; HEAD];
    let length = usize::try_from(input.capacity()).map_or(HEAD, |capacity| capacity.min(HEAD));
    input.read(
        cache,
        0,
        &mut head[..length],
        "the start is not in the file",
    )?;
    let is_qcow2 = head.starts_with(&qcow2::header::MAGIC) && head[4..8] > [0, 0, 0, 1][..];
    let formats = FileFormats::EMPTY
        .with_if(FileFormat::Qcow2, is_qcow2)
        .with_if(FileFormat::Vmdk, vmdk::descriptor::begins(&head));
    Ok(MAGIC.iter().fold(formats, |formats, &(at, magic, format)| {
        formats.with_if(format, head[at..].starts_with(magic))
    }))
}
