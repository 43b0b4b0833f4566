//! The text descriptor: which files hold a disk, and on which parent it lies.
//!
//! It is a file of its own, or lies in a sparse extent. Source: "Virtual Disk Format 5.0", section "The Descriptor
//! File"; what it leaves open is as in QEMU's `block/vmdk.c`: how a descriptor is detected, that the first line of a
//! key counts, and that the text ends with the first zero byte. Parsing needs no heap, never panics, and takes time
//! linear in the text.
//!
//! Stricter than QEMU, which passes over a line that it does not understand, and answers for a smaller disk: a line
//! is blank, a comment, `key=value` or an extent, and everything else is an error.

pub mod extent;

use core::fmt;

pub use extent::{Access, Extent, ExtentKind};

/// How the descriptors of QEMU and VMware begin.
pub const MAGIC: &[u8] = b"# Disk DescriptorFile";

/// The most bytes that a descriptor may have: what QEMU reads of one.
pub const MAX_TEXT: usize = (1 << 20) - 1;

/// How much of a file QEMU looks at to detect its format, in bytes.
const PROBE: usize = 512;

/// The `parentCID` of a disk without a parent.
pub const NO_PARENT: u32 = u32::MAX;

/// Whether a file is a text descriptor, by its first 512 bytes, or all of it: what `vmdk_probe` decides in QEMU. After
/// comments and lines of blanks, with `\n` or `\r\n` at their ends, comes the version. An empty line is no line of
/// blanks.
#[must_use]
pub fn begins(head: &[u8]) -> bool {
    let mut rest = head.get(..PROBE).unwrap_or(head);
    while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
        let line = &rest[..end];
        match line.strip_suffix(b"\r").unwrap_or(line) {
            [b'#', ..] => {}
            [b' ', blanks @ ..] if blanks.iter().all(|&byte| byte == b' ') => {}
            line => return version(line.strip_prefix(b"version=")).is_some(),
        }
        rest = &rest[end + 1..];
    }
    false
}

/// A descriptor that was verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Descriptor<'a> {
    text: &'a [u8],
    /// 1 to 3.
    pub version: u32,
    /// The kind of the disk, such as `monolithicFlat`. It may be one that is not known.
    pub create_type: &'a [u8],
    /// The content id, which changes with the disk's content.
    pub cid: u32,
    /// The content id that the parent had, or [`NO_PARENT`].
    pub parent_cid: u32,
    /// The name of the parent's file, if there is one.
    pub parent_file_name_hint: Option<&'a [u8]>,
    /// How many extents there are; 1 or more.
    pub extent_count: usize,
    /// The virtual disk's size in sectors of 512 bytes: that of all extents together. Under 2^54.
    pub total_sectors: u64,
}

impl<'a> Descriptor<'a> {
    /// Parses and verifies a descriptor. `text` is the whole file, or its start when it is longer than [`MAX_TEXT`].
    ///
    /// # Errors
    /// The first thing that is wrong with the text.
    pub fn parse(text: &'a [u8]) -> Result<Self, DescriptorError> {
        if text.len() > MAX_TEXT {
            return Err(DescriptorError::TooLong);
        }
        let missing = DescriptorError::Missing;
        let text = until_zero(text);
        let id = |key: &'static str| value(text, key).and_then(content_id).ok_or(missing(key));
        let mut descriptor = Self {
            text,
            version: version(value(text, "version")).ok_or(missing("version"))?,
            create_type: value(text, "createType").ok_or(missing("createType"))?,
            cid: id("CID")?,
            parent_cid: id("parentCID")?,
            parent_file_name_hint: value(text, "parentFileNameHint"),
            extent_count: 0,
            total_sectors: 0,
        };
        for (number, line) in (1..).zip(lines(text)) {
            let wrong = |reason| DescriptorError::Line { number, reason };
            if let Some(extent) = extent::parse(line).map_err(wrong)? {
                descriptor.extent_count += 1;
                descriptor.total_sectors += extent.sectors;
                if descriptor.total_sectors >= extent::SECTOR_LIMIT {
                    return Err(wrong("the extents are 2^63 bytes or more"));
                }
            }
        }
        match descriptor.extent_count {
            0 => Err(DescriptorError::NoExtent),
            _ => Ok(descriptor),
        }
    }

    /// The extents, in the order in which they make up the disk.
    pub fn extents(&self) -> impl Iterator<Item = Extent<'a>> + use<'a> {
        lines(self.text).filter_map(|line| extent::parse(line).ok().flatten())
    }
}

/// What is wrong with a descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DescriptorError {
    /// It has more than [`MAX_TEXT`] bytes.
    TooLong,
    /// The key has no line, or a wrong value.
    Missing(&'static str),
    /// This line is wrong; the first is number 1.
    Line {
        /// Which.
        number: usize,
        /// Why.
        reason: &'static str,
    },
    /// It lists no extent.
    NoExtent,
}

impl fmt::Display for DescriptorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "the descriptor has more than {MAX_TEXT} bytes"),
            Self::Missing(key) => write!(f, "the descriptor has no valid {key}"),
            Self::Line { number, reason } => {
                write!(f, "line {number} of the descriptor: {reason}")
            }
            Self::NoExtent => f.write_str("the descriptor lists no extent"),
        }
    }
}

impl core::error::Error for DescriptorError {}

/// The parent that a descriptor names, whether or not it is sound otherwise. The name is empty when there is a parent,
/// by its content id (`parentCID`), but no name of it.
///
/// QEMU follows the name whatever the id is.
#[must_use]
pub fn parent(text: &[u8]) -> Option<&[u8]> {
    let has_parent = value(text, "parentCID").is_some_and(|id| content_id(id) != Some(NO_PARENT));
    let name = value(text, "parentFileNameHint").unwrap_or_default();
    (has_parent || !name.is_empty()).then_some(name)
}

/// The value of the first line `key=value` or `key="value"`.
#[must_use]
pub fn value<'a>(text: &'a [u8], key: &str) -> Option<&'a [u8]> {
    let value = lines(until_zero(text)).find_map(|line| {
        let equals = line.iter().position(|&byte| byte == b'=')?;
        let (name, value) = line.split_at(equals);
        (name.trim_ascii() == key.as_bytes()).then(|| value[1..].trim_ascii())
    })?;
    match value.strip_prefix(b"\"") {
        Some(quoted) => quoted.split(|&byte| byte == b'"').next(),
        None => Some(value),
    }
}

/// What a scanner of one file does not support about a file that begins with a descriptor: its `createType`, by name.
/// `text` is the file's first 512 bytes, or all of it; QEMU's and VMware's descriptors name the kind in the first 200.
#[must_use]
pub fn kind(text: &[u8]) -> &'static str {
    let found = value(text, "createType");
    let known = KINDS
        .iter()
        .find(|(kind, _)| found == Some(kind.as_bytes()));
    known.map_or("a text descriptor of an unknown createType", |(_, what)| {
        what
    })
}

macro_rules! kinds {
    ($($name:literal $what:literal)*) => {
        const KINDS: &[(&str, &str)] =
            &[$(($name, concat!("a text descriptor ", $what, " (", $name, ")"))),*];
    };
}

kinds! {
    "monolithicFlat" "of a flat extent"
    "monolithicSparse" "beside its sparse extent"
    "streamOptimized" "beside its sparse extent"
    "twoGbMaxExtentFlat" "of several flat extents"
    "twoGbMaxExtentSparse" "of several sparse extents"
    "vmfs" "of a flat extent on VMFS"
    "vmfsSparse" "of a sparse extent on VMFS"
    "seSparse" "of a space-efficient sparse extent on VMFS"
    "fullDevice" "of a device"
    "partitionedDevice" "of a device's partitions"
    "vmfsRaw" "of a raw device on VMFS"
    "vmfsRDM" "of a raw device on VMFS"
    "vmfsRawDeviceMap" "of a raw device on VMFS"
    "vmfsPassthroughRawDeviceMap" "of a raw device on VMFS"
    "custom" "of several extents"
}

/// The version that a value names: 1 to 3.
fn version(value: Option<&[u8]>) -> Option<u32> {
    match value? {
        b"1" => Some(1),
        b"2" => Some(2),
        b"3" => Some(3),
        _ => None,
    }
}

/// A content id: 1 to 8 hexadecimal digits.
fn content_id(value: &[u8]) -> Option<u32> {
    if value.is_empty() || value.len() > 8 {
        return None;
    }
    value.iter().try_fold(0, |id, &byte| {
        Some(id << 4 | char::from(byte).to_digit(16)?)
    })
}

/// The text before its first zero byte.
fn until_zero(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|&byte| byte == 0);
    &text[..end.unwrap_or(text.len())]
}

/// The lines of a text, without blanks around them.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii)
}
