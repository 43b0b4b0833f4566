//! Opening any path as an image, and scanning what lies there.

use std::path::Path;

use anyhow::{Context as _, Error, Result, anyhow};
use built_in::SUBJECT;
use harness_core::subject::ScanRequest;
use shared::{CallTable, ScanError};

use super::file::{ImageFile, Opened};
use super::file_device::FileDevice;
use super::format::FormatRef;
use super::formats;
use super::layer::{Scanned, Unit};
use super::shown;

/// An image file that was opened for reading and whose format is known.
pub(crate) struct Source {
    pub image: ImageFile,
    /// The image's format.
    pub format: FormatRef,
}

impl Source {
    /// Opens the image at `path` for reading, as `format`, or as the format that is detected. Fails when `path` is no
    /// regular file and no block device, cannot be opened, or no format is detected.
    pub(crate) fn open(path: &Path, format: Option<FormatRef>) -> Result<Self> {
        let image = ImageFile::open(path, Opened::FileOrDevice)?;
        let format = format.map_or_else(|| formats::detect(&image), Ok);
        let format = format.with_context(|| shown(path))?;
        Ok(Self { image, format })
    }

    /// Opens the backing file at `path`, as `format`, or as the format that QEMU detects. Another image
    /// has named it, so that it must be a regular file or a link to one. Fails when `path` is no regular file, cannot
    /// be opened, or is of a format not known here.
    pub(crate) fn open_backing_file(path: &Path, format: Option<FormatRef>) -> Result<Self> {
        let image = ImageFile::open(path, Opened::File)?;
        let format = format.map_or_else(|| formats::probe(&image), Ok);
        let format = format.with_context(|| shown(path))?;
        Ok(Self { image, format })
    }

    /// Scans the image, reading sectors of `sector_size` bytes, and counts the units of `unit` bytes that data
    /// touches, when given.
    pub(crate) fn scan(&self, sector_size: u32, unit: Unit) -> Result<Scanned> {
        let scanned = self.format.driver.scan(&self.image, sector_size, unit);
        let scanned = scanned.map_err(|error| match error.downcast_ref() {
            Some(ScanError::Unsupported("a differencing disk")) => self.differencing(&error),
            _ => error,
        });
        scanned.with_context(|| format!("{} as {}", shown(&self.image.path), self.format))
    }

    /// Why there is no answer for a differencing VHD or VHDX.
    fn differencing(&self, error: &Error) -> Error {
        let parent = self.parent_name();
        let parent = parent.map_or_else(String::new, |name| format!(", {}", shown(name.as_ref())));
        anyhow!(
            "{error}, which holds only what differs from its parent{parent}; QEMU does not follow the parent either: \
             merge the two first"
        )
    }

    /// The parent that a differencing disk names, as far as it can be read.
    fn parent_name(&self) -> Option<String> {
        let device = FileDevice::new(&self.image.file, self.image.length, 512);
        let facts = SUBJECT.scanner.facts(ScanRequest {
            format: self.format.scanned?,
            calls: CallTable::over(&device),
            device: 0,
            caches: [&mut [0; 512], &mut [0; 512]],
            unit: None,
            twice: false,
        });
        let parent = facts.ok()??.parent?;
        let bytes = self.image.bytes_at(parent).ok()?;
        self.format.driver.parent_name(&bytes)
    }
}
