//! The formats by qemu-img's names, and detecting them by their bytes.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use anyhow::{Context as _, Result, bail};

/// A format of disk images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ImageFormat {
    /// The disk's bytes and nothing else.
    Raw,
    /// QEMU's own format, version 2 or 3.
    Qcow2,
    /// VMware's format.
    Vmdk,
    /// Microsoft's VHD. qemu-img calls it `vpc`.
    Vhd,
    /// Microsoft's VHDX.
    Vhdx,
}

impl ImageFormat {
    /// Every format.
    pub const ALL: [Self; 5] = [Self::Raw, Self::Qcow2, Self::Vmdk, Self::Vhd, Self::Vhdx];

    /// The name that qemu-img uses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
            Self::Vmdk => "vmdk",
            Self::Vhd => "vpc",
            Self::Vhdx => "vhdx",
        }
    }

    /// The format of that name; `vhd` is another name for `vpc`.
    ///
    /// # Errors
    /// When there is no such format; the message lists those there are.
    pub fn parse(name: &str) -> Result<Self> {
        if name == "vhd" {
            return Ok(Self::Vhd);
        }
        match Self::ALL.into_iter().find(|format| format.name() == name) {
            Some(format) => Ok(format),
            None => {
                bail!("unknown format {name:?}: known are raw, qcow2, vmdk, vpc (or vhd), vhdx")
            }
        }
    }
}

impl fmt::Display for ImageFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How much of a file's start is looked at, in bytes.
const PROBE: usize = 512;

/// The length of a VHD footer, in bytes.
const VHD_FOOTER: usize = 512;
/// The type of a fixed VHD in its footer.
const FIXED_VHD: [u8; 4] = [0, 0, 0, 2];

/// What qemu-img knows and we do not: where the magic number is, the number, and the format's name.
const OTHER_FORMATS: [(usize, &[u8], &str); 7] = [
    (0, b"QFI\xfb\0\0\0\x01", "qcow (version 1)"),
    (0, b"QED\0", "QED"),
    (0, b"LUKS\xba\xbe", "LUKS"),
    (0, b"WithoutFreeSpace", "Parallels"),
    (0, b"WithouFreSpacExt", "Parallels"),
    (0, b"Bochs Virtual HD Image", "Bochs"),
    (0x40, b"\x7f\x10\xda\xbe", "VDI"),
];

/// Detects the format of a file of `length` bytes by its contents: as [`probe`], and by the footer of a
/// fixed VHD, which QEMU does not look for.
///
/// # Errors
/// When the file cannot be read, is empty, or is an image of a format not known here.
pub fn detect(file: &File, length: u64) -> Result<ImageFormat> {
    if length == 0 {
        bail!("the file is empty, so it has no format (-f raw takes it as a disk of 0 bytes)");
    }
    let format = probe(file)?;
    if format == ImageFormat::Raw
        && ends_in_vhd_footer(file, length).context("the file's end cannot be read")?
    {
        return Ok(ImageFormat::Vhd);
    }
    Ok(format)
}

/// Detects the format of a file by the magic numbers in its first 512 bytes, as QEMU does. Without
/// any it is raw.
///
/// # Errors
/// When the file cannot be read, or is an image of a format not known here, which is no raw disk.
pub fn probe(file: &File) -> Result<ImageFormat> {
    let mut head = [0; PROBE];
    let read = read_up_to(file, 0, &mut head).context("the file's start cannot be read")?;
    let head = &head[..read];
    if let Some(format) = format_of_head(head) {
        return Ok(format);
    }
    for (offset, magic, name) in OTHER_FORMATS {
        if head.get(offset..).is_some_and(|at| at.starts_with(magic)) {
            bail!(
                "an image of format {name}, which is not known here (-f raw takes its bytes for a disk)"
            );
        }
    }
    Ok(ImageFormat::Raw)
}

fn format_of_head(head: &[u8]) -> Option<ImageFormat> {
    let is_qcow2 = head.starts_with(&qcow2::header::MAGIC)
        && head
            .get(4..8)
            .is_some_and(|version| version > &[0, 0, 0, 1][..]);
    if is_qcow2 {
        Some(ImageFormat::Qcow2)
    } else if head.starts_with(&vmdk::header::MAGIC)
        || head.starts_with(&vmdk::header::COWD_MAGIC)
        || is_vmdk_descriptor(head)
    {
        Some(ImageFormat::Vmdk)
    } else if head.starts_with(b"conectix") {
        Some(ImageFormat::Vhd)
    } else if head.starts_with(b"vhdxfile") {
        Some(ImageFormat::Vhdx)
    } else {
        None
    }
}

/// A VMDK text descriptor: its first line names it, or its first line that is neither blank nor
/// a comment is the version (which is qemu-img's test).
fn is_vmdk_descriptor(head: &[u8]) -> bool {
    head.starts_with(vmdk::descriptor::MAGIC)
        || head
            .split(|&byte| byte == b'\n')
            .map(<[u8]>::trim_ascii)
            .find(|line| !line.is_empty() && !line.starts_with(b"#"))
            .is_some_and(|line| matches!(line, b"version=1" | b"version=2" | b"version=3"))
}

/// Whether a file ends in the footer of the VHD that it is. A raw disk may end in the footer of an older
/// one: a fixed VHD is its disk and the footer, and any other has a header where the footer places it.
fn ends_in_vhd_footer(file: &File, length: u64) -> io::Result<bool> {
    let Some(start) = length.checked_sub(VHD_FOOTER as u64) else {
        return Ok(false);
    };
    let mut footer = [0; VHD_FOOTER];
    let read = read_up_to(file, start, &mut footer)?;
    if read < VHD_FOOTER || !footer.starts_with(b"conectix") || !has_right_checksum(&footer) {
        return Ok(false);
    }
    let field = |at: usize| u64::from_be_bytes(std::array::from_fn(|nth| footer[at + nth]));
    let (header_offset, current_size) = (field(16), field(48));
    if footer[60..64] == FIXED_VHD {
        return Ok(current_size == start);
    }
    let mut header = [0; 8];
    if header_offset < start {
        read_up_to(file, header_offset, &mut header)?;
    }
    Ok(&header == b"cxsparse")
}

/// "Virtual Hard Disk Image Format Specification", "Hard Disk Footer Format": the ones' complement of
/// the sum of all bytes but the checksum's own, which are 64 to 67.
fn has_right_checksum(footer: &[u8; VHD_FOOTER]) -> bool {
    let (stored, rest) = (&footer[64..68], [&footer[..64], &footer[68..]]);
    let sum: u32 = rest
        .into_iter()
        .flatten()
        .map(|&byte| u32::from(byte))
        .sum();
    stored == (!sum).to_be_bytes()
}

/// Fills `buffer` with the bytes at `offset`, as far as the file goes; how many that were.
pub(super) fn read_up_to(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn detected(bytes: &[u8]) -> Result<ImageFormat> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        detect(&file, bytes.len() as u64)
    }

    #[test]
    fn names_are_qemus_and_vhd_is_an_alias() {
        for format in ImageFormat::ALL {
            assert_eq!(ImageFormat::parse(format.name()).unwrap(), format);
        }
        assert_eq!(ImageFormat::parse("vhd").unwrap(), ImageFormat::Vhd);
        for name in ["", "VHD", "vdi", "qcow"] {
            assert!(ImageFormat::parse(name).is_err(), "{name}");
        }
    }

    #[test]
    fn magic_numbers() {
        let cases: [(&[u8], ImageFormat); 8] = [
            (b"QFI\xfb\0\0\0\x02", ImageFormat::Qcow2),
            (b"QFI\xfb\0\0\0\x03rest", ImageFormat::Qcow2),
            (b"KDMV", ImageFormat::Vmdk),
            (b"# Disk DescriptorFile\nversion=1\n", ImageFormat::Vmdk),
            (b"#x\n \nversion=1\r\n", ImageFormat::Vmdk),
            (b"conectix", ImageFormat::Vhd),
            (b"vhdxfile", ImageFormat::Vhdx),
            (b"QFI\xfb", ImageFormat::Raw),
        ];
        for (bytes, format) in cases {
            assert_eq!(detected(bytes).unwrap(), format, "{bytes:?}");
        }
    }

    /// A disk that ends in a VHD footer with these fields and a right checksum.
    fn with_footer(disk: &[u8], kind: u8, data_offset: u64, current_size: u64) -> Vec<u8> {
        let mut footer = [0; VHD_FOOTER];
        footer[..8].copy_from_slice(b"conectix");
        footer[16..24].copy_from_slice(&data_offset.to_be_bytes());
        footer[48..56].copy_from_slice(&current_size.to_be_bytes());
        footer[63] = kind;
        let sum: u32 = footer.iter().map(|&byte| u32::from(byte)).sum();
        footer[64..68].copy_from_slice(&(!sum).to_be_bytes());
        [disk, &footer].concat()
    }

    #[test]
    fn a_fixed_vhd_is_found_by_a_footer_that_fits_the_file() {
        for size in [512, 1536, 65536] {
            let disk = vec![0; size];
            let mut image = with_footer(&disk, 2, u64::MAX, size as u64);
            assert_eq!(detected(&image).unwrap(), ImageFormat::Vhd, "{size}");
            image[size + 100] += 1;
            assert_eq!(detected(&image).unwrap(), ImageFormat::Raw, "checksum");
            for other in [
                size as u64 + 512,
                size as u64 + 1,
                size as u64 / 2 + 1,
                1 << 40,
            ] {
                let image = with_footer(&disk, 2, u64::MAX, other);
                assert_eq!(detected(&image).unwrap(), ImageFormat::Raw, "{other}");
            }
        }
        let mut image = with_footer(&[0; 1536], 2, u64::MAX, 1536);
        image.push(0);
        assert_eq!(detected(&image).unwrap(), ImageFormat::Raw);
    }

    #[test]
    fn a_dynamic_vhd_without_its_first_footer_is_found_by_its_header() {
        let mut disk = vec![0; 4096];
        disk[512..520].copy_from_slice(b"cxsparse");
        for (kind, at, format) in [
            (3, 512, ImageFormat::Vhd),
            (4, 512, ImageFormat::Vhd),
            (3, 1024, ImageFormat::Raw),
            (3, u64::MAX - 3, ImageFormat::Raw),
        ] {
            let image = with_footer(&disk, kind, at, 1 << 20);
            assert_eq!(detected(&image).unwrap(), format, "{kind} {at}");
        }
    }

    #[test]
    fn as_a_backing_file_a_fixed_vhd_of_no_named_format_is_raw() {
        let mut file = tempfile::tempfile().unwrap();
        assert_eq!(probe(&file).unwrap(), ImageFormat::Raw);
        file.write_all(&with_footer(&[0; 512], 2, u64::MAX, 512))
            .unwrap();
        assert_eq!(probe(&file).unwrap(), ImageFormat::Raw);
    }

    #[test]
    fn no_other_format_is_taken_for_a_raw_disk() {
        let mut vdi = vec![0; 512];
        vdi[0x40..0x44].copy_from_slice(b"\x7f\x10\xda\xbe");
        for (bytes, name) in [
            (&b"QFI\xfb\0\0\0\x01"[..], "qcow (version 1)"),
            (&vdi, "VDI"),
            (b"QED\0...", "QED"),
        ] {
            let error = detected(bytes).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
        assert!(detected(b"").is_err());
    }
}
