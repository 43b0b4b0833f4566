//! Opening any path as an image, and scanning what lies there.

use std::num::NonZeroU64;
use std::path::Path;

use anyhow::{Context as _, Error, Result, anyhow};
use shared::{AllocationSummary, CallTable, ScanError};

use super::file::ImageFile;
use super::file_device::FileDevice;
use super::format::{FormatRef, Scan};
use super::formats;
use super::layer::{self, Layer};
use super::map::{Flat, Tables};
use super::shown;

/// An image file that was opened for reading and whose format is known.
#[derive(Debug)]
pub struct Source {
    /// The file.
    pub image: ImageFile,
    /// The image's format.
    pub format: FormatRef,
}

/// What a scan of a [`Source`] found.
#[derive(Debug)]
pub struct Scanned {
    /// How large the disk is, and how much of it this file holds.
    pub summary: AllocationSummary,
    /// How many sectors the scan read; 0 for a raw image, about which the file system is asked.
    pub sector_reads: u64,
    /// Where the image's tables are.
    pub tables: Box<dyn Tables>,
}

impl Source {
    /// Opens the image at `path` for reading, as `format`, or as the format that is detected.
    ///
    /// # Errors
    /// When `path` is no regular file and no block device, cannot be opened, or no format is detected.
    pub fn open(path: &Path, format: Option<FormatRef>) -> Result<Self> {
        let image = ImageFile::open(path, true)?;
        let format = format.map_or_else(|| formats::detect(&image.file, image.length), Ok);
        let format = format.with_context(|| shown(path))?;
        Ok(Self { image, format })
    }

    /// Opens the backing file at `path`, as `format`, or as the format that QEMU detects. Another image
    /// has named it, so that it must be a regular file or a link to one.
    ///
    /// # Errors
    /// When `path` is no regular file, cannot be opened, or is of a format not known here.
    pub fn open_backing_file(path: &Path, format: Option<FormatRef>) -> Result<Self> {
        let image = ImageFile::open(path, false)?;
        let format = format.map_or_else(|| formats::probe(&image.file), Ok);
        let format = format.with_context(|| shown(path))?;
        Ok(Self { image, format })
    }

    /// Scans the image, reading sectors of `sector_size` bytes, and counts the units that data touches
    /// if `unit`, which is given the size of the virtual disk, names one.
    ///
    /// # Errors
    /// The scanner's reason.
    pub fn scan(
        &self,
        sector_size: u32,
        unit: impl Fn(u64) -> Option<NonZeroU64>,
    ) -> Result<Scanned> {
        let scanned = match self.format.scanned() {
            None => self.scan_flat(&unit),
            Some(_) => self.scan_with_tables(sector_size, &unit),
        };
        scanned.with_context(|| format!("{} as {}", shown(&self.image.path), self.format))
    }

    /// How many bytes of the data that `scanned` counts this file stores: what is not a hole in it.
    /// None when the data is in another file.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn stored_bytes(&self, scanned: &Scanned) -> Result<Option<u64>> {
        if scanned.tables.has_external_data() {
            return Ok(None);
        }
        let stored = self.tally(scanned.summary.virtual_size, &*scanned.tables, None);
        let stored = stored.with_context(|| shown(&self.image.path))?;
        Ok(Some(stored.allocated_bytes))
    }

    /// Adds up the data that the tables place where the file is no hole.
    fn tally(
        &self,
        size: u64,
        tables: &dyn Tables,
        unit: Option<NonZeroU64>,
    ) -> Result<AllocationSummary> {
        let mut layers = [Layer {
            size,
            map: tables.map(&self.image.file),
            extents: Some(self.image.extents()),
        }];
        layer::tally(&mut layers, unit)
    }

    /// A raw disk has whole sectors of 512 bytes, as for qemu-img, and its data is what the file system
    /// has stored.
    fn scan_flat(&self, unit: &dyn Fn(u64) -> Option<NonZeroU64>) -> Result<Scanned> {
        let size = self.image.length.next_multiple_of(512);
        Ok(Scanned {
            summary: self.tally(size, &Flat, unit(size))?,
            sector_reads: 0,
            tables: Box::new(Flat),
        })
    }

    fn scan_with_tables(
        &self,
        sector_size: u32,
        unit: &dyn Fn(u64) -> Option<NonZeroU64>,
    ) -> Result<Scanned> {
        let device = FileDevice::new(&self.image.file, self.image.length, sector_size);
        let mut caches = [vec![0; sector_size as usize], vec![0; sector_size as usize]];
        let [first, second] = &mut caches;
        let answer = self.format.scan(Scan {
            calls: CallTable::over(&device),
            caches: [first, second],
            unit,
        });
        let (summary, tables) = answer.map_err(|error| match (error, device.take_failure()) {
            (ScanError::Io { .. }, Some(cause)) => Error::new(cause).context(error),
            (ScanError::Unsupported("a differencing disk"), _) => {
                anyhow!("{error}: QEMU does not follow its parent either; merge the two first")
            }
            _ => anyhow!(error),
        })?;
        tables.refuse_part(&self.image)?;
        Ok(Scanned {
            summary,
            sector_reads: device.sector_reads(),
            tables,
        })
    }
}
