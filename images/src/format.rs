//! The formats by qemu-img's names, and telling them apart by their bytes.

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

    /// The name, as qemu-img says it.
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

/// Tells the format of a file of `length` bytes by its contents, as qemu-img does: by the magic
/// numbers in its first 512 bytes, and raw without any. Other than qemu-img, it also finds a fixed VHD,
/// which has its only footer in its last 512 bytes (the footer's checksum must be right: a raw disk may
/// end in a VHD's remains), and it does not take an image of a format unknown here for a raw disk.
///
/// # Errors
/// When the file cannot be read, is empty, or is an image of a format not known here.
pub fn detect(file: &File, length: u64) -> Result<ImageFormat> {
    if length == 0 {
        bail!("the file is empty, so it has no format (-f raw takes it as a disk of 0 bytes)");
    }
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
    if ends_in_vhd_footer(file, length).context("the file's end cannot be read")? {
        return Ok(ImageFormat::Vhd);
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

/// A VMDK text descriptor: it says so in its first line, or its first line that is neither blank nor
/// a comment is the version (which is qemu-img's test).
fn is_vmdk_descriptor(head: &[u8]) -> bool {
    head.starts_with(vmdk::descriptor::MAGIC)
        || head
            .split(|&byte| byte == b'\n')
            .map(<[u8]>::trim_ascii)
            .find(|line| !line.is_empty() && !line.starts_with(b"#"))
            .is_some_and(|line| matches!(line, b"version=1" | b"version=2" | b"version=3"))
}

fn ends_in_vhd_footer(file: &File, length: u64) -> io::Result<bool> {
    let Some(start) = length.checked_sub(VHD_FOOTER as u64) else {
        return Ok(false);
    };
    let mut footer = [0; VHD_FOOTER];
    let read = read_up_to(file, start, &mut footer)?;
    Ok(read == VHD_FOOTER && footer.starts_with(b"conectix") && has_right_checksum(&footer))
}

/// "Virtual Hard Disk Image Format Specification", "Hard Disk Footer Format": the ones' complement of
/// the sum of all bytes but the checksum's own, which are 64 to 67.
fn has_right_checksum(footer: &[u8; VHD_FOOTER]) -> bool {
    let (said, rest) = (&footer[64..68], [&footer[..64], &footer[68..]]);
    let sum: u32 = rest
        .into_iter()
        .flatten()
        .map(|&byte| u32::from(byte))
        .sum();
    said == (!sum).to_be_bytes()
}

/// Fills `buffer` with the bytes at `offset`, as far as the file goes; how many that were.
fn read_up_to(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
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

    #[test]
    fn a_fixed_vhd_is_found_by_a_footer_with_a_right_checksum() {
        let mut image = vec![0; 2048];
        image[1536..1544].copy_from_slice(b"conectix");
        assert_eq!(detected(&image).unwrap(), ImageFormat::Raw);
        let sum: u32 = image.iter().map(|&byte| u32::from(byte)).sum();
        image[1600..1604].copy_from_slice(&(!sum).to_be_bytes());
        assert_eq!(detected(&image).unwrap(), ImageFormat::Vhd);
        image.push(0);
        assert_eq!(detected(&image).unwrap(), ImageFormat::Raw);
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
