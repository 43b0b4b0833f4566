//! The backing file that an image names.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};

use super::shown;

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
