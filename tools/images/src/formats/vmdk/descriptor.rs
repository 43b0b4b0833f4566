//! The text descriptor of a VMDK: "Virtual Disk Format 5.0", section "The Descriptor File".

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::shown;

/// Whether a file that begins with `head` is a text descriptor: its first line names it, or its first line
/// that is neither blank nor a comment is the version (which is qemu-img's test).
pub(super) fn begins(head: &[u8]) -> bool {
    head.starts_with(vmdk::descriptor::MAGIC)
        || head
            .split(|&byte| byte == b'\n')
            .map(<[u8]>::trim_ascii)
            .find(|line| !line.is_empty() && !line.starts_with(b"#"))
            .is_some_and(|line| matches!(line, b"version=1" | b"version=2" | b"version=3"))
}

/// Refuses an extent of a split disk: `text` is what lies in the place of its descriptor.
///
/// QEMU does not open an extent alone either: every disk has a content id.
///
/// # Errors
/// When `text` is no descriptor. The message names the file to open instead.
pub(super) fn refuse_extent(path: &Path, text: &[u8]) -> Result<()> {
    if text.windows(4).any(|four| four == b"CID=") {
        return Ok(());
    }
    match descriptor_beside(path) {
        Some(descriptor) => bail!(
            "it is one extent of a split disk: the disk is {}, the descriptor that lists its extents",
            shown(&descriptor)
        ),
        None => bail!(
            "it is one extent of a split disk: the disk is the descriptor that lists its extents"
        ),
    }
}

/// The descriptor beside an extent, if it is there: `disk.vmdk` beside `disk-s001.vmdk`.
fn descriptor_beside(path: &Path) -> Option<PathBuf> {
    let (disk, number) = path.file_stem()?.to_str()?.rsplit_once("-s")?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let descriptor = path.with_file_name(format!("{disk}.vmdk"));
    (is_number && descriptor.is_file()).then_some(descriptor)
}

/// The parent that a descriptor names. The name is empty when there is a parent, by its content id
/// (`parentCID`), but no name of it.
///
/// QEMU follows the name whatever the id is.
#[must_use]
pub(super) fn parent(text: &[u8]) -> Option<&[u8]> {
    let has_parent =
        value(text, b"parentCID").is_some_and(|id| !id.eq_ignore_ascii_case(b"ffffffff"));
    let name = value(text, b"parentFileNameHint").unwrap_or_default();
    (has_parent || !name.is_empty()).then_some(name)
}

/// The value of the first line `key=value` or `key="value"`.
fn value<'a>(text: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let value = text.split(|&byte| byte == b'\n').find_map(|line| {
        let equals = line.iter().position(|&byte| byte == b'=')?;
        let (name, value) = line.split_at(equals);
        (name.trim_ascii() == key).then(|| value[1..].trim_ascii())
    })?;
    let (value, end) = match value.strip_prefix(b"\"") {
        Some(quoted) => (quoted, b'"'),
        None => (value, 0),
    };
    value.split(|&byte| byte == end).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_is_known_by_its_name_or_its_content_id() {
        for (text, name) in [
            (
                &b"# Disk DescriptorFile\nparentCID=12345678\nparentFileNameHint=\"base.vmdk\"\n"[..],
                Some(&b"base.vmdk"[..]),
            ),
            (b"parentFileNameHint = \"\xff=b\"\r\n", Some(b"\xff=b")),
            (b"parentFileNameHint=\"b\"\0\0\"", Some(b"b")),
            (b"parentCID=ffffffff\nparentFileNameHint=b\0", Some(b"b")),
            (b"parentCID=12345678\n", Some(b"")),
            (b"parentCID=FFFFFFFF\n", None),
            (b"parentCID=ffffffff\0\0", None),
            (b"parentFileNameHint=\"\"\n", None),
            (b"", None),
        ] {
            assert_eq!(parent(text), name, "{:?}", text.escape_ascii().to_string());
        }
    }
}
