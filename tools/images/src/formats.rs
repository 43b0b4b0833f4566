//! All formats, and which one a file is of.

mod qcow2;
mod raw;
mod vhd;
mod vhdx;
mod vmdk;

use anyhow::{Context as _, Error, Result, bail};
use harness_core::subject::ScanFormat;
use shared::{CallTable, ScanError};
use types::{FileFormat, FileFormats, Options as CalcOptions};

use super::file::ImageFile;
use super::file_device::FileDevice;
use super::format::{Format, FormatRef};

pub(crate) use qcow2::luks;

/// Every format, in the order of the targets' selectors.
pub(crate) static ALL: [FormatRef; 5] = [
    &raw::RAW,
    &qcow2::QCOW2,
    &vmdk::VMDK,
    &vhd::VHD,
    &vhdx::VHDX,
];

/// The format of that name: qemu-img's, or ours. Fails when there is no such format; the message lists those there are.
pub(crate) fn parse(name: &str) -> Result<FormatRef> {
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

/// The format that a scanner is for. Panics when a format has no row in the table, which a test excludes.
pub(crate) fn of_scanner(scanned: ScanFormat) -> FormatRef {
    let mut all = ALL.into_iter();
    all.find(|format| format.scanned == Some(scanned))
        .expect("every scanner has a format")
}

/// The format that these options of a calculator are for. Panics when a format has no row in the table, which a test
/// excludes.
pub(crate) fn of_options(options: &CalcOptions) -> FormatRef {
    let kind = std::mem::discriminant(options);
    let mut all = ALL.into_iter();
    all.find(|format| std::mem::discriminant(&format.driver.defaults()) == kind)
        .expect("every calculator has a format")
}

/// Detects the format of a file by its contents: see [`detect`](mod@::detect). Fails when the file cannot be read, is
/// empty, or is of a format not known here or of several at once.
pub(crate) fn detect(image: &ImageFile) -> Result<FormatRef> {
    if image.length == 0 {
        bail!("the file is empty, so it has no format (-f raw takes it as a disk of 0 bytes)");
    }
    let found = ask(image, ::detect::detect)?;
    if found.iter().count() > 1 {
        let is: Vec<String> = found.iter().map(named).collect();
        let known = found.iter().filter_map(FileFormat::scanned);
        let options: String = known
            .map(|format| format!("-f {} or ", of_scanner(format)))
            .collect();
        bail!(
            "the file is {} at once: name the one that it is by {options}-f raw, which takes its bytes for a disk",
            is.join(" and ")
        );
    }
    one_of(found)
}

/// Detects the format of a file by its start, as QEMU does. Without a magic number it is raw. Fails when the file
/// cannot be read, or is an image of a format not known here, which is no raw disk.
pub(crate) fn probe(image: &ImageFile) -> Result<FormatRef> {
    one_of(ask(image, ::detect::probe)?)
}

type Question = fn(CallTable<'_>, u32, &mut [u8]) -> Result<FileFormats, ScanError>;

fn ask(image: &ImageFile, question: Question) -> Result<FileFormats> {
    let device = FileDevice::new(&image.file, image.length, 512);
    question(CallTable::over(&device), 0, &mut [0; 512]).map_err(|why| {
        let failure = device.take_failure().map(Error::from);
        let failure = failure.unwrap_or_else(|| why.into());
        failure.context("its format cannot be detected")
    })
}

/// The first of these formats. Those that are known here come first.
fn one_of(found: FileFormats) -> Result<FormatRef> {
    match found.iter().next().map(|format| (format, format.scanned())) {
        None => Ok(&raw::RAW),
        Some((_, Some(scanned))) => Ok(of_scanner(scanned)),
        Some((format, None)) => bail!(
            "an image of format {}, which is not known here (-f raw takes its bytes for a disk)",
            format.name()
        ),
    }
}

/// The name of a format: qemu-img's, where it is known here.
fn named(format: FileFormat) -> String {
    let known = format.scanned().map(of_scanner);
    known.map_or_else(|| format.name().to_owned(), Format::to_string)
}

/// A text up to the first zero, of units that `unit` reads.
fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let units = bytes.as_chunks().0.iter().map(|&bytes| unit(bytes));
    let units = char::decode_utf16(units.take_while(|&unit| unit != 0));
    let text = units.map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER));
    text.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
