//! The text descriptor of a VMDK: "Virtual Disk Format 5.0", section "The Descriptor File".

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use vmdk::descriptor::{MAGIC, MAX_TEXT, begins};

use crate::file::{ImageFile, read_up_to};
use crate::shown;

/// Whether a file that begins so is a text descriptor: as for QEMU, or by its title. QEMU takes one with a title and
/// no version for a raw disk.
pub(super) fn is_text(head: &[u8]) -> bool {
    head.starts_with(MAGIC) || begins(head)
}

/// The text of a descriptor that is a file of its own, as far as it may be long; none of another file.
pub(super) fn read(image: &ImageFile) -> Result<Option<Vec<u8>>> {
    if !is_text(&image.bytes_at(0..512)?) {
        return Ok(None);
    }
    let mut text = vec![0; usize::try_from(image.length)?.min(MAX_TEXT + 1)];
    let length = read_up_to(&image.file, 0, &mut text)?;
    text.truncate(length);
    Ok(Some(text))
}

/// Refuses an extent of a split disk: `text` is what lies in the place of its descriptor.
///
/// QEMU does not open an extent alone either: every disk has a content id. Fails when `text` is no descriptor. The
/// message names the file to open instead.
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
