//! Opening any path safely, and scanning what lies there.

use std::fs::{File, FileType, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::num::NonZeroU64;
use std::ops::Range;
use std::os::unix::fs::{FileExt as _, FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Error, Result, anyhow, bail};
use qcow2::Qcow2State;
use rustix::fs::OFlags;
use shared::{AllocationSummary, CallTable, ScanError};
use vhd::VhdState;
use vhdx::VhdxState;
use vmdk::{VmdkHeader, VmdkState};

use super::file_device::FileDevice;
use super::file_extents::FileExtents;
use super::format::{self, ImageFormat};
use super::layer::{self, Layer};
use super::map::{BlockTable, Tables};
use super::shown;
use super::vmdk_descriptor;

/// The only device index that a [`FileDevice`] is asked for.
const DEVICE: u32 = 0;

/// How much of a text in an image is read, in bytes. The descriptor in a VMDK of QEMU has 10 KiB.
const MAX_TEXT: u64 = 64 << 10;

/// Where QEMU looks for the descriptor in a VMDK, in bytes.
const VMDK_DESCRIPTOR: Range<u64> = 512..512 + (10 << 10);

/// An image file that was opened for reading and whose format is known.
#[derive(Debug)]
pub struct Source {
    path: PathBuf,
    file: File,
    length: u64,
    format: ImageFormat,
    may_have_holes: bool,
}

/// What a scan of a [`Source`] found.
#[derive(Debug)]
pub struct Scanned {
    /// How large the disk is, and how much of it this file holds.
    pub summary: AllocationSummary,
    /// How many sectors the scan read; 0 for a raw image, about which the file system is asked.
    pub sector_reads: u64,
    /// Where the image's tables are.
    pub tables: Tables,
}

impl Source {
    /// Opens the image at `path` for reading, as `format`, or as the format that is detected. Never
    /// waits for another process: a FIFO is refused and not opened.
    ///
    /// # Errors
    /// When `path` is no regular file and no block device, cannot be opened, or no format is detected.
    pub fn open(path: &Path, format: Option<ImageFormat>) -> Result<Self> {
        Self::open_if(
            path,
            FileType::is_block_device,
            |file, length| match format {
                Some(format) => Ok(format),
                None => format::detect(file, length),
            },
        )
    }

    /// Opens the backing file at `path`, as `format`, or as the format that QEMU detects. Another image
    /// has named it, so that it must be a regular file or a link to one.
    ///
    /// # Errors
    /// When `path` is no regular file, cannot be opened, or is of a format not known here.
    pub fn open_backing_file(path: &Path, format: Option<ImageFormat>) -> Result<Self> {
        Self::open_if(
            path,
            |_| false,
            |file, _| match format {
                Some(format) => Ok(format),
                None => format::probe(file),
            },
        )
    }

    /// Opens a regular file or one of a kind that `is_allowed`.
    fn open_if(
        path: &Path,
        is_allowed: fn(&FileType) -> bool,
        format: impl FnOnce(&File, u64) -> Result<ImageFormat>,
    ) -> Result<Self> {
        Self::open_unnamed(path, is_allowed, format).with_context(|| shown(path))
    }

    fn open_unnamed(
        path: &Path,
        is_allowed: fn(&FileType) -> bool,
        format: impl FnOnce(&File, u64) -> Result<ImageFormat>,
    ) -> Result<Self> {
        let refuse = |kind: FileType| match kind.is_file() || is_allowed(&kind) {
            true => Ok(()),
            false => bail!("it is {}, not an image file", special(kind)),
        };
        // What opening would block on, or do something to, is not opened; and if it takes the file's
        // place in between, it is opened without waiting and then refused.
        refuse(std::fs::metadata(path)?.file_type())?;
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(path)?;
        let metadata = file.metadata()?;
        refuse(metadata.file_type())?;
        let may_have_holes = metadata.is_file();
        let length = if may_have_holes {
            metadata.len()
        } else {
            (&file)
                .seek(SeekFrom::End(0))
                .context("the size of the device is not known")?
        };
        let format = format(&file, length)?;
        Ok(Self {
            path: path.to_owned(),
            file,
            length,
            format,
            may_have_holes,
        })
    }

    /// The image's format.
    #[must_use]
    pub const fn format(&self) -> ImageFormat {
        self.format
    }

    /// The path it was opened by.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The size of the file in bytes.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// The open file.
    #[must_use]
    pub const fn file(&self) -> &File {
        &self.file
    }

    /// Scans the image, reading sectors of `sector_size` bytes, and counts the units that data touches
    /// if `unit`, which is given the size of the virtual disk, names one.
    ///
    /// # Errors
    /// The scanner's reason.
    pub fn scan(
        &self,
        sector_size: u32,
        unit: impl FnOnce(u64) -> Option<NonZeroU64>,
    ) -> Result<Scanned> {
        let scanned = match self.format {
            ImageFormat::Raw => self.scan_raw(unit),
            _ => self.scan_with_tables(sector_size, unit),
        };
        scanned.with_context(|| format!("{} as {}", shown(&self.path), self.format))
    }

    /// How many bytes of the data that `scanned` counts this file stores: what is not a hole in it.
    /// None when the data is in another file.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn stored_bytes(&self, scanned: &Scanned) -> Result<Option<u64>> {
        if matches!(&scanned.tables, Tables::Qcow2(header) if header.has_external_data()) {
            return Ok(None);
        }
        let mut layers = [Layer {
            size: scanned.summary.virtual_size,
            map: scanned.tables.map(&self.file),
            extents: Some(self.extents()),
        }];
        let stored = layer::tally(&mut layers, None).with_context(|| shown(&self.path))?;
        Ok(Some(stored.allocated_bytes))
    }

    /// Where the file holds data.
    #[must_use]
    pub const fn extents(&self) -> FileExtents<'_> {
        FileExtents::new(&self.file, self.length, self.may_have_holes)
    }

    /// A raw disk has whole sectors of 512 bytes, as for qemu-img, and its data is what the file system
    /// has stored.
    fn scan_raw(&self, unit: impl FnOnce(u64) -> Option<NonZeroU64>) -> Result<Scanned> {
        let tables = Tables::Flat;
        let size = self.length.next_multiple_of(512);
        let mut layers = [Layer {
            size,
            map: tables.map(&self.file),
            extents: Some(self.extents()),
        }];
        Ok(Scanned {
            summary: layer::tally(&mut layers, unit(size))?,
            sector_reads: 0,
            tables,
        })
    }

    fn scan_with_tables(
        &self,
        sector_size: u32,
        unit: impl FnOnce(u64) -> Option<NonZeroU64>,
    ) -> Result<Scanned> {
        let device = FileDevice::new(&self.file, self.length, sector_size);
        let mut caches = [vec![0; sector_size as usize], vec![0; sector_size as usize]];
        let answer = self.ask_scanner(&device, &mut caches, unit);
        let (summary, tables) = answer.map_err(|error| match (error, device.take_failure()) {
            (ScanError::Io { .. }, Some(cause)) => Error::new(cause).context(error),
            (ScanError::Unsupported("a differencing disk"), _) => {
                anyhow!("{error}: QEMU does not follow its parent either; merge the two first")
            }
            _ => anyhow!(error),
        })?;
        if let Tables::Vmdk(header) = &tables {
            vmdk_descriptor::refuse_extent(&self.path, &self.vmdk_descriptor(header)?)?;
        }
        Ok(Scanned {
            summary,
            sector_reads: device.sector_reads(),
            tables,
        })
    }

    fn ask_scanner(
        &self,
        device: &FileDevice<'_>,
        [first, second]: &mut [Vec<u8>; 2],
        unit: impl FnOnce(u64) -> Option<NonZeroU64>,
    ) -> Result<(AllocationSummary, Tables), ScanError> {
        let calls = CallTable::over(device);
        match self.format {
            ImageFormat::Qcow2 => {
                let mut state = Qcow2State::init(calls, DEVICE, first, second)?;
                let header = *state.header();
                let virtual_size = header.virtual_size;
                let summary = state.scan_allocation(virtual_size, unit(virtual_size))?;
                Ok((summary, Tables::Qcow2(header)))
            }
            ImageFormat::Vmdk => {
                let mut state = VmdkState::init(calls, DEVICE, first, second)?;
                let summary = state.scan_allocation(unit(state.virtual_size()))?;
                Ok((summary, Tables::Vmdk(*state.header())))
            }
            ImageFormat::Vhd => {
                let mut state = VhdState::init(calls, DEVICE, first, second)?;
                let summary = state.scan_allocation(unit(state.virtual_size()))?;
                let table = state.block_size().zip(state.table_offset());
                let tables = table.map_or(Tables::Flat, |(block_size, start)| {
                    Tables::Blocks(BlockTable::Vhd {
                        start,
                        block_size: u64::from(block_size),
                    })
                });
                Ok((summary, tables))
            }
            ImageFormat::Vhdx => {
                let mut state = VhdxState::init(calls, DEVICE, first, second)?;
                let summary = state.scan_allocation(unit(state.virtual_size()))?;
                let tables = Tables::Blocks(BlockTable::Vhdx {
                    start: state.table_offset(),
                    block_size: u64::from(state.block_size()),
                    sector_size: u64::from(state.logical_sector_size()),
                });
                Ok((summary, tables))
            }
            ImageFormat::Raw => Ok((raw::scan_allocation(self.length, None), Tables::Flat)),
        }
    }

    /// The text in the place of a VMDK's descriptor.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn vmdk_descriptor(&self, header: &VmdkHeader) -> Result<Vec<u8>> {
        self.bytes_at(header.descriptor().unwrap_or(VMDK_DESCRIPTOR))
    }

    /// The bytes of the file in `range`, cut to 64 KiB and the file's end.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn bytes_at(&self, range: Range<u64>) -> Result<Vec<u8>> {
        let end = range
            .end
            .min(self.length)
            .min(range.start.saturating_add(MAX_TEXT));
        let length = usize::try_from(end.saturating_sub(range.start))?;
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, range.start)?;
        Ok(bytes)
    }

    /// All of the file's bytes, if they are at most `limit`.
    ///
    /// # Errors
    /// When there are more, or they cannot be read.
    pub fn bytes(&self, limit: u64) -> Result<Vec<u8>> {
        if self.length > limit {
            bail!("{} is larger than {limit} bytes", shown(&self.path));
        }
        let mut bytes = Vec::new();
        (&self.file)
            .seek(SeekFrom::Start(0))
            .and_then(|_| (&self.file).take(limit).read_to_end(&mut bytes))
            .with_context(|| shown(&self.path))?;
        Ok(bytes)
    }
}

/// What a file of this kind is called, which is not regular.
fn special(kind: FileType) -> &'static str {
    if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else if kind.is_char_device() {
        "a character device"
    } else if kind.is_block_device() {
        "a block device"
    } else {
        "neither a file nor a block device"
    }
}
