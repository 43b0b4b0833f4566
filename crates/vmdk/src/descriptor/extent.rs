//! The lines of a descriptor that are extents: `RW 4192256 FLAT "disk-f001.vmdk" 0`.

/// Sizes and places in sectors of 512 bytes are smaller: 2^63 bytes.
pub(super) const SECTOR_LIMIT: u64 = 1 << 54;

/// The longest name of a file in bytes, as in QEMU.
const MAX_NAME: usize = 511;

/// What a guest may do with an extent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// `RW`
    ReadWrite,
    /// `RDONLY`: for a guest. It can be read.
    ReadOnly,
    /// `NOACCESS`: it cannot be read.
    NoAccess,
}

/// How an extent holds its part of the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtentKind {
    /// `FLAT`: the bytes of the disk, in a file or a device.
    Flat,
    /// `SPARSE`: a sparse extent.
    Sparse,
    /// `ZERO`: zeroes, and no file.
    Zero,
    /// `VMFS`: as `Flat`, from the file's start.
    Vmfs,
    /// `VMFSSPARSE`: a sparse extent of ESX (COWD).
    VmfsSparse,
    /// `VMFSRDM`: a raw device.
    VmfsRdm,
    /// `VMFSRAW`: a raw device.
    VmfsRaw,
    /// `SESPARSE`: a space-efficient sparse extent.
    SeSparse,
}

impl ExtentKind {
    const NAMES: [(Self, &'static str); 8] = [
        (Self::Flat, "FLAT"),
        (Self::Sparse, "SPARSE"),
        (Self::Zero, "ZERO"),
        (Self::Vmfs, "VMFS"),
        (Self::VmfsSparse, "VMFSSPARSE"),
        (Self::VmfsRdm, "VMFSRDM"),
        (Self::VmfsRaw, "VMFSRAW"),
        (Self::SeSparse, "SESPARSE"),
    ];

    /// Its name in a descriptor.
    #[must_use]
    pub const fn name(self) -> &'static str {
        Self::NAMES[self as usize].1
    }
}

/// A stretch of the disk, and the file that holds it. Sizes are in sectors of 512 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent<'a> {
    /// What a guest may do with it.
    pub access: Access,
    /// Its size; 1 or more, and under 2^54.
    pub sectors: u64,
    /// How it holds its part of the disk.
    pub kind: ExtentKind,
    /// The file's name: 1 to 511 bytes without `"`, or none with `Zero`. Any other byte is possible: `/`, `..`.
    pub file_name: &'a [u8],
    /// Where its data begins in the file; 0 when it is not `Flat`. With the size it is at most 2^54.
    pub offset: u64,
}

/// The extent in a line without blanks around it; none in one that is blank, a comment or `key=value`.
///
/// # Errors
/// What is wrong with it.
pub(super) fn parse(line: &[u8]) -> Result<Option<Extent<'_>>, &'static str> {
    let (access, rest) = word(line);
    let access = match access {
        b"RW" => Access::ReadWrite,
        b"RDONLY" => Access::ReadOnly,
        b"NOACCESS" => Access::NoAccess,
        _ if line.is_empty() || line.starts_with(b"#") || line.contains(&b'=') => return Ok(None),
        _ => return Err("it is no comment, no key=value and no extent"),
    };
    let (sectors, rest) = word(rest);
    let sectors = number(sectors).ok_or("the extent's size is no number under 2^54")?;
    if sectors == 0 {
        return Err("the extent has 0 sectors");
    }
    let (kind, rest) = word(rest);
    let mut kinds = ExtentKind::NAMES.into_iter();
    let (kind, _) = kinds
        .find(|(_, name)| name.as_bytes() == kind)
        .ok_or("the extent's type is not known")?;
    let mut extent = Extent {
        access,
        sectors,
        kind,
        file_name: &[],
        offset: 0,
    };
    let mut rest = rest;
    if kind != ExtentKind::Zero {
        (extent.file_name, rest) = quoted(rest).ok_or("the name of the extent's file is wrong")?;
    }
    if kind == ExtentKind::Flat {
        let (offset, after) = word(rest);
        let offset = number(offset).filter(|offset| offset + sectors <= SECTOR_LIMIT);
        extent.offset = offset.ok_or("the extent's offset is no number, or past 2^63 bytes")?;
        rest = after;
    }
    if rest.is_empty() {
        Ok(Some(extent))
    } else {
        Err("there is more in the line than an extent of its type has")
    }
}

/// The first word of a line, and the rest from its next word on.
fn word(line: &[u8]) -> (&[u8], &[u8]) {
    let end = line.iter().position(u8::is_ascii_whitespace);
    let (word, rest) = line.split_at(end.unwrap_or(line.len()));
    (word, rest.trim_ascii_start())
}

/// The name in quotes that a line begins with, and the rest from its next word on.
fn quoted(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let quoted = line.strip_prefix(b"\"")?;
    let end = quoted.iter().position(|&byte| byte == b'"')?;
    let (name, rest) = quoted.split_at(end);
    let is_name = (1..=MAX_NAME).contains(&name.len()) && !name.contains(&b'\r');
    is_name.then(|| (name, rest[1..].trim_ascii_start()))
}

/// A decimal number under 2^54.
fn number(word: &[u8]) -> Option<u64> {
    if word.is_empty() {
        return None;
    }
    word.iter().try_fold(0_u64, |number, &byte| {
        let digit = char::from(byte).to_digit(10)?;
        let number = number * 10 + u64::from(digit);
        (number < SECTOR_LIMIT).then_some(number)
    })
}
