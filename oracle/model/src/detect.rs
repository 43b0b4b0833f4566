//! Which formats a file is of, and what the descriptor of a VMDK states.
//!
//! Written from the probes of QEMU's drivers (block/*.c) and, for what a file ends in, from the formats' descriptions.
//! Each question is asked of the whole file; there is no table of magic numbers, and nothing is read in pieces.

use types::{FileFormat, FileFormats};

use crate::data::big_endian as field;
pub use crate::vmdk::descriptor::{is_one as is_descriptor, parse as descriptor};
use sparse::Bytes;

/// The formats that a file is of.
pub fn formats(file: &(impl Bytes + ?Sized)) -> FileFormats {
    let mut formats = FileFormats::EMPTY;
    for &format in FileFormat::ALL {
        formats = formats.with_if(format, is(file, format));
    }
    formats
}

fn is(file: &(impl Bytes + ?Sized), format: FileFormat) -> bool {
    // What QEMU gives its probes: a shorter file reads as zeros from its end on.
    let head: [u8; 512] = file.array(0);
    let starts = |text: &[u8]| head[..text.len()] == *text;
    let version = field(&head, 4..8);
    match format {
        FileFormat::Qcow2 => starts(b"QFI\xfb") && version >= 2,
        FileFormat::Qcow1 => starts(b"QFI\xfb") && version == 1,
        FileFormat::Vmdk => {
            let is_extent = starts(b"KDMV") || starts(b"COWD");
            is_extent || starts(b"# Disk DescriptorFile") || is_descriptor(&head)
        }
        FileFormat::Vhd => starts(b"conectix") || ends_as_vhd(file),
        FileFormat::Vhdx => starts(b"vhdxfile"),
        FileFormat::Qed => starts(b"QED\0"),
        FileFormat::Luks => starts(b"LUKS\xba\xbe"),
        FileFormat::Parallels => starts(b"WithoutFreeSpace") || starts(b"WithouFreSpacExt"),
        FileFormat::Bochs => starts(b"Bochs Virtual HD Image"),
        FileFormat::Vdi => field(&head, 64..68) == 0x7f10_dabe,
        FileFormat::Cloop => starts(b"#!/bin/sh\n#V2.0 Format\n"),
        FileFormat::Gzip => starts(&[31, 139, 8]),
        FileFormat::ChangeTracking => field(&head, 0..4) == 0xa272_19f6,
        FileFormat::SeSparse => field(&head, 0..8) == 0xbeba_feca << 32,
        FileFormat::Dmg => last_sector(file).is_some_and(|tail| tail[..4] == *b"koly"),
    }
}

/// Whether the last 512 bytes are the footer of this very file, or the last 511 of a file without the last byte of its
/// last sector: a fixed disk fills the rest of it, and any other has its header in it.
fn ends_as_vhd(file: &(impl Bytes + ?Sized)) -> bool {
    let Some(last) = last_sector(file) else {
        return false;
    };
    let lacks_a_byte = file.length() % 512 == 511 && !last.starts_with(b"conectix");
    let at = file.length() - if lacks_a_byte { 511 } else { 512 };
    let footer: [u8; 512] = file.array(at);
    let sum: u64 = footer.iter().map(|&byte| u64::from(byte)).sum();
    let own: u64 = footer[64..68].iter().map(|&byte| u64::from(byte)).sum();
    let is_sound = field(&footer, 64..68) == 0xffff_ffff - (sum - own);
    let header = field(&footer, 16..24);
    let is_own = if field(&footer, 60..64) == 2 {
        field(&footer, 48..56) == at
    } else {
        file.contains(header, 1024) && file.array(header) == *b"cxsparse"
    };
    footer[..8] == *b"conectix" && is_sound && is_own
}

/// The last 512 bytes of a file that has so many.
fn last_sector(file: &(impl Bytes + ?Sized)) -> Option<[u8; 512]> {
    Some(file.array(file.length().checked_sub(512)?))
}
