//! All formats, and which one a file is of.

mod qcow2;
mod raw;
mod vhd;
mod vhdx;
mod vmdk;

use std::fs::File;

use anyhow::{Context as _, Result, bail};
use harness_core::subject::ScanFormat;
use types::Options as CalcOptions;

use super::file::read_up_to;
use super::format::FormatRef;

pub use qcow2::luks;

/// Every format, in the order of the targets' selectors.
pub static ALL: [FormatRef; 5] = [
    &raw::RAW,
    &qcow2::QCOW2,
    &vmdk::VMDK,
    &vhd::VHD,
    &vhdx::VHDX,
];

/// How much of a file's start is looked at, in bytes.
const PROBE: usize = 512;

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

/// The format of that name: qemu-img's, or ours.
///
/// # Errors
/// When there is no such format; the message lists those there are.
pub fn parse(name: &str) -> Result<FormatRef> {
    let found = ALL
        .into_iter()
        .find(|format| [format.qemu_name, format.name].contains(&name));
    found.with_context(|| {
        let names = ALL.map(|format| match (format.qemu_name, format.name) {
            (qemu, name) if qemu == name => name.to_owned(),
            (qemu, name) => format!("{qemu} (or {name})"),
        });
        format!("unknown format {name:?}: known are {}", names.join(", "))
    })
}

/// The format that a scanner is for.
///
/// # Panics
/// When a format has no row in the table, which a test excludes.
#[must_use]
pub fn of_scanner(scanned: ScanFormat) -> FormatRef {
    let mut all = ALL.into_iter();
    all.find(|format| format.scanned == Some(scanned))
        .expect("every scanner has a format")
}

/// The format that these options of a calculator are for.
///
/// # Panics
/// When a format has no row in the table, which a test excludes.
#[must_use]
pub fn of_options(options: &CalcOptions) -> FormatRef {
    let kind = std::mem::discriminant(options);
    let mut all = ALL.into_iter();
    all.find(|format| std::mem::discriminant(&format.driver.defaults()) == kind)
        .expect("every calculator has a format")
}

/// Detects the format of a file of `length` bytes by its contents: as [`probe`], and by the footer of a
/// fixed VHD, which QEMU does not look for.
///
/// # Errors
/// When the file cannot be read, is empty, or is an image of a format not known here.
pub fn detect(file: &File, length: u64) -> Result<FormatRef> {
    if length == 0 {
        bail!("the file is empty, so it has no format (-f raw takes it as a disk of 0 bytes)");
    }
    if let Some(format) = of_head(file)? {
        return Ok(format);
    }
    for format in ALL {
        if format
            .driver
            .ends(file, length)
            .context("the file's end cannot be read")?
        {
            return Ok(format);
        }
    }
    Ok(&raw::RAW)
}

/// Detects the format of a file by the magic numbers in its first 512 bytes, as QEMU does. Without
/// any it is raw.
///
/// # Errors
/// When the file cannot be read, or is an image of a format not known here, which is no raw disk.
pub fn probe(file: &File) -> Result<FormatRef> {
    Ok(of_head(file)?.unwrap_or(&raw::RAW))
}

/// A text up to the first zero.
fn utf16(units: impl Iterator<Item = u16>) -> String {
    let units = char::decode_utf16(units.take_while(|&unit| unit != 0));
    let text = units.map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER));
    text.collect()
}

fn of_head(file: &File) -> Result<Option<FormatRef>> {
    let mut head = [0; PROBE];
    let read = read_up_to(file, 0, &mut head).context("the file's start cannot be read")?;
    let head = &head[..read];
    if let Some(format) = ALL.into_iter().find(|format| format.driver.begins(head)) {
        return Ok(Some(format));
    }
    for (offset, magic, name) in OTHER_FORMATS {
        if head.get(offset..).is_some_and(|at| at.starts_with(magic)) {
            bail!(
                "an image of format {name}, which is not known here (-f raw takes its bytes for a disk)"
            );
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn detected(bytes: &[u8]) -> Result<FormatRef> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        detect(&file, bytes.len() as u64)
    }

    #[test]
    fn names_are_qemus_and_vhd_is_an_alias() {
        for format in ALL {
            assert_eq!(parse(format.qemu_name).unwrap(), format);
            assert_eq!(of_options(&format.driver.defaults()), format);
        }
        for scanned in ScanFormat::ALL {
            let format = of_scanner(scanned);
            assert_eq!(parse(scanned.name()).unwrap(), format);
        }
        for name in ["", "VHD", "vdi", "qcow"] {
            let error = parse(name).unwrap_err().to_string();
            let known = "known are raw, qcow2, vmdk, vpc (or vhd), vhdx";
            assert!(error.ends_with(known), "{error}");
        }
    }

    #[test]
    fn magic_numbers() {
        let cases: [(&[u8], &str); 8] = [
            (b"QFI\xfb\0\0\0\x02", "qcow2"),
            (b"QFI\xfb\0\0\0\x03rest", "qcow2"),
            (b"KDMV", "vmdk"),
            (b"# Disk DescriptorFile\nversion=1\n", "vmdk"),
            (b"#x\n \nversion=1\r\n", "vmdk"),
            (b"conectix", "vhd"),
            (b"vhdxfile", "vhdx"),
            (b"QFI\xfb", "raw"),
        ];
        for (bytes, format) in cases {
            assert_eq!(detected(bytes).unwrap().name, format, "{bytes:?}");
        }
    }
}
