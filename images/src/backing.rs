//! The backing file that an image names.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

use super::extensions;
use super::format::ImageFormat;
use super::map::Tables;
use super::shown;
use super::source::{Scanned, Source};
use super::vmdk_descriptor;

/// The longest name of a format in a qcow2 header extension, in bytes (QEMU's `block/qcow2.c`).
const MAX_FORMAT_NAME: u64 = 15;

/// The name of the backing file of an image, as it stands there. It is empty when a VMDK has a parent
/// without a name.
///
/// # Errors
/// When the name cannot be read.
pub fn name(source: &Source, scanned: &Scanned) -> Result<Option<OsString>> {
    match &scanned.tables {
        Tables::Qcow2(header) => {
            let Some(place) = header.backing_file_name() else {
                return Ok(None);
            };
            let mut name = source.bytes_at(place)?;
            // As in QEMU, where it is a C string.
            name.truncate(
                name.iter()
                    .position(|&byte| byte == 0)
                    .unwrap_or(name.len()),
            );
            Ok((!name.is_empty()).then(|| OsString::from_vec(name)))
        }
        Tables::Vmdk(header) => {
            let text = source.vmdk_descriptor(header)?;
            Ok(vmdk_descriptor::parent(&text).map(|name| OsString::from_vec(name.to_vec())))
        }
        Tables::Flat | Tables::Blocks(_) => Ok(None),
    }
}

/// The format of the backing file, if the image names it. The parent of a VMDK is a VMDK.
///
/// # Errors
/// When the image names a format that is not known here, or its header extensions are damaged.
pub fn format(source: &Source, scanned: &Scanned) -> Result<Option<ImageFormat>> {
    let Tables::Qcow2(header) = &scanned.tables else {
        return Ok(Some(source.format()));
    };
    let (file, length) = (source.file(), source.length());
    let Some(place) = extensions::find(file, length, header, extensions::BACKING_FORMAT)? else {
        return Ok(None);
    };
    ensure!(
        place.end - place.start <= MAX_FORMAT_NAME,
        "the name of its format is longer than {MAX_FORMAT_NAME} bytes"
    );
    let bytes = source.bytes_at(place)?;
    let name = String::from_utf8_lossy(&bytes);
    let name = name.split('\0').next().unwrap_or_default();
    if name.is_empty() {
        return Ok(None);
    }
    ImageFormat::ALL
        .into_iter()
        .find(|format| format.name() == name)
        .map(Some)
        .with_context(|| format!("its format is {name:?}, which is not known here"))
}

/// The path of a backing file. A relative name is relative to the folder of the image that has it.
///
/// # Errors
/// When the name is empty, or begins with a protocol. QEMU takes everything before a colon for one.
pub fn path(image: &Path, name: &OsStr) -> Result<PathBuf> {
    ensure!(!name.is_empty(), "the image does not name it");
    let first = name.as_bytes().iter().find(|byte| b":/".contains(byte));
    if first == Some(&b':') {
        bail!("its name begins with a protocol, and only files are opened");
    }
    Ok(image.parent().unwrap_or(Path::new("")).join(name))
}

/// The note on an answer for an image alone, without its backing file.
#[must_use]
pub fn own_layer_note(image: &Path, name: &OsStr) -> String {
    let image = shown(image);
    let name = shown(Path::new(name));
    format!("{image} has a backing file, {name}: what it takes from there is not counted")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_relative_to_the_image_and_protocols_are_refused() {
        for (image, name, expected) in [
            ("top", "base", "base"),
            ("a/top", "base", "a/base"),
            ("a/top", "../b/base", "a/../b/base"),
            ("a/top", "/b/base", "/b/base"),
            ("a/top", "./x:y", "a/./x:y"),
            ("/a/top", "b/x:y", "/a/b/x:y"),
        ] {
            let path = path(Path::new(image), OsStr::new(name)).unwrap();
            assert_eq!(path, Path::new(expected));
        }
        for name in [
            "",
            "json:{\"file.filename\": \"x\"}",
            "nbd:localhost:10809",
            "http://host/x",
            "file:base",
            "fat:rw:/x",
            ":x",
        ] {
            assert!(path(Path::new("top"), OsStr::new(name)).is_err(), "{name}");
        }
    }
}
