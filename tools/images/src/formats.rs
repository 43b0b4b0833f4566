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
pub use raw::Raw;

/// Every format, in the order of the targets' selectors.
pub static ALL: [FormatRef; 5] = [
    &raw::Raw,
    &qcow2::Qcow2,
    &vmdk::Vmdk,
    &vhd::Vhd,
    &vhdx::Vhdx,
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
        .find(|format| [format.qemu_name(), format.name()].contains(&name));
    found.with_context(|| {
        let names = ALL.map(|format| match (format.qemu_name(), format.name()) {
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
    all.find(|format| format.scanned() == Some(scanned))
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
    all.find(|format| std::mem::discriminant(&format.defaults()) == kind)
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
            .ends(file, length)
            .context("the file's end cannot be read")?
        {
            return Ok(format);
        }
    }
    Ok(&Raw)
}

/// Detects the format of a file by the magic numbers in its first 512 bytes, as QEMU does. Without
/// any it is raw.
///
/// # Errors
/// When the file cannot be read, or is an image of a format not known here, which is no raw disk.
pub fn probe(file: &File) -> Result<FormatRef> {
    Ok(of_head(file)?.unwrap_or(&Raw))
}

fn of_head(file: &File) -> Result<Option<FormatRef>> {
    let mut head = [0; PROBE];
    let read = read_up_to(file, 0, &mut head).context("the file's start cannot be read")?;
    let head = &head[..read];
    if let Some(format) = ALL.into_iter().find(|format| format.begins(head)) {
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
    use crate::options::{Options, specs};
    use crate::target::Target;
    use shared::AllocationSummary;
    use std::io::Write as _;

    fn detected(bytes: &[u8]) -> Result<FormatRef> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        detect(&file, bytes.len() as u64)
    }

    #[test]
    fn names_are_qemus_and_vhd_is_an_alias() {
        for format in ALL {
            assert_eq!(parse(format.qemu_name()).unwrap(), format);
            assert_eq!(of_options(&format.defaults()), format);
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
            assert_eq!(detected(bytes).unwrap().name(), format, "{bytes:?}");
        }
    }

    /// A disk that ends in a VHD footer with these fields and a right checksum.
    fn with_footer(disk: &[u8], kind: u8, data_offset: u64, current_size: u64) -> Vec<u8> {
        let mut footer = [0; 512];
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
            assert_eq!(detected(&image).unwrap().name(), "vhd", "{size}");
            image[size + 100] += 1;
            assert_eq!(detected(&image).unwrap().name(), "raw", "checksum");
            for other in [
                size as u64 + 512,
                size as u64 + 1,
                size as u64 / 2 + 1,
                1 << 40,
            ] {
                let image = with_footer(&disk, 2, u64::MAX, other);
                assert_eq!(detected(&image).unwrap().name(), "raw", "{other}");
            }
        }
        let mut image = with_footer(&[0; 1536], 2, u64::MAX, 1536);
        image.push(0);
        assert_eq!(detected(&image).unwrap().name(), "raw");
    }

    #[test]
    fn a_dynamic_vhd_without_its_first_footer_is_found_by_its_header() {
        let mut disk = vec![0; 4096];
        disk[512..520].copy_from_slice(b"cxsparse");
        for (kind, at, format) in [
            (3, 512, "vhd"),
            (4, 512, "vhd"),
            (3, 1024, "raw"),
            (3, u64::MAX - 3, "raw"),
        ] {
            let image = with_footer(&disk, kind, at, 1 << 20);
            assert_eq!(detected(&image).unwrap().name(), format, "{kind} {at}");
        }
    }

    #[test]
    fn as_a_backing_file_a_fixed_vhd_of_no_named_format_is_raw() {
        let mut file = tempfile::tempfile().unwrap();
        assert_eq!(probe(&file).unwrap().name(), "raw");
        file.write_all(&with_footer(&[0; 512], 2, u64::MAX, 512))
            .unwrap();
        assert_eq!(probe(&file).unwrap().name(), "raw");
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

    fn target(format: &str, list: &str) -> Result<Target> {
        let format = parse(format)?;
        let known = specs(format.option_table());
        let options = Options::parse(&[list.to_owned()], &known)?;
        format.target(&options, &["s".to_owned()])
    }

    #[test]
    fn options_reach_the_calculators() {
        let size = |format, list| {
            let answer = target(format, list).unwrap().measure_empty(1 << 20);
            let answer = answer.unwrap();
            (answer.required, answer.fully_allocated)
        };
        assert_eq!(size("raw", "preallocation=full"), (1 << 20, 1 << 20));
        assert_eq!(size("qcow2", "cluster_size=4k"), (20480, 1_069_056));
        assert_eq!(size("qcow2", "preallocation=full"), (1_376_256, 1_376_256));
        let luks = "encrypt.format=luks,encrypt.key-secret=s,encrypt.cipher-alg=aes-128";
        assert_eq!(size("qcow2", luks), (1_441_792, 2_490_368));
        assert_eq!(size("vmdk", "subformat=monolithicFlat"), (1 << 20, 1 << 20));
        assert_eq!(size("vhd", "subformat=fixed,force_size").0, (1 << 20) + 512);
        assert_eq!(size("vhdx", "log_size=2.5M").0, 10 << 20);
        assert_eq!(size("vhdx", "block_size=1").1, 9 << 20);
    }

    /// That they are refused `tests/measure_options.rs` shows.
    #[test]
    fn what_is_refused_is_named() {
        for (format, list, expected) in [
            ("raw", "preallocation=metadata", "preallocation"),
            ("qcow2", "cluster_size=256", "cluster_size"),
            ("qcow2", "refcount_bits=256", "refcount_bits"),
            ("qcow2", "compat=0.10,data_file=d", "compat=1.1"),
            ("qcow2", "extended_l2,cluster_size=8k", "16k"),
            ("qcow2", "backing_file=", "name is missing"),
            ("vmdk", "subformat=twoGbMaxExtentFlat", "several files"),
            ("vmdk", "compat6,hwversion=4", "compat6"),
            ("vpc", "subformat=differencing", "subformat"),
            ("vhdx", "subformat=fixed", "cannot be answered"),
            ("vhdx", "log_size=4G", "log_size"),
        ] {
            let error = format!("{:#}", target(format, list).unwrap_err());
            assert!(error.contains(expected), "{format} {list}: {error}");
        }
        for (list, expected) in [
            ("encryption", "key-secret"),
            ("encrypt.key-secret=s", "encrypt.format is missing"),
            ("encrypt.format=rot13", "luks or aes"),
            ("encrypt.format=luks,encrypt.key-secret=t", "no --object"),
            ("encrypt.format=aes,encrypt.hash-alg=md5", "hash-alg"),
            ("encrypt.format=luks,encrypt.cipher-alg=3des", "cipher-alg"),
            ("encrypt.format=luks,encrypt.cipher-alg=cast5-128", "xts"),
        ] {
            let error = format!("{:#}", target("qcow2", list).unwrap_err());
            assert!(error.contains(expected), "{list}: {error}");
        }
    }

    #[test]
    fn a_base_image_makes_all_of_a_copy_data_in_qcow2_and_no_answer_in_vmdk() {
        let summary = AllocationSummary::new(1 << 20, 0);
        let qcow2 = target("qcow2", "backing_file=b").unwrap();
        let answer = qcow2.measure_copy(summary).unwrap();
        assert_eq!(answer.required, answer.fully_allocated);
        let vmdk = target("vmdk", "backing_file=b,backing_fmt=vmdk").unwrap();
        assert!(vmdk.measure_copy(summary).is_err());
        assert!(vmdk.measure_empty(1 << 20).is_ok());
    }
}
