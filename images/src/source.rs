//! Opening any path safely, and scanning what lies there.

use std::fs::{File, FileType, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::num::NonZeroU64;
use std::ops::Range;
use std::os::unix::fs::{FileExt as _, FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Error, Result, anyhow, bail};
use qcow2::{Qcow2State, QcowHeader};
use rustix::fs::OFlags;
use rustix::io::Errno;
use shared::{AllocationSummary, CallTable, DataTally, ScanError};
use vhd::VhdState;
use vhdx::VhdxState;
use vmdk::VmdkState;

use super::file_device::FileDevice;
use super::format::{self, ImageFormat};
use super::shown;

/// The only device index that a [`FileDevice`] is asked for.
const DEVICE: u32 = 0;

/// How much of a VMDK's embedded descriptor is read, in bytes. QEMU writes 10 KiB.
const MAX_DESCRIPTOR: u64 = 64 << 10;

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
    /// The file that the image takes everything else from, by the name it says; the summary leaves
    /// that file's data out.
    pub backing_file: Option<String>,
    /// The header of a qcow2 image.
    pub qcow2_header: Option<QcowHeader>,
}

impl Source {
    /// Opens the image at `path` for reading, as `format`, or as the format that is detected. Never
    /// waits for another process: a FIFO is refused and not opened.
    ///
    /// # Errors
    /// When `path` is no regular file and no block device, cannot be opened, or no format is detected.
    pub fn open(path: &Path, format: Option<ImageFormat>) -> Result<Self> {
        Self::open_unnamed(path, format).with_context(|| shown(path))
    }

    fn open_unnamed(path: &Path, format: Option<ImageFormat>) -> Result<Self> {
        // What opening would block on, or do something to, is not opened; and if it takes the file's
        // place in between, it is opened without waiting and then refused.
        refuse_special(std::fs::metadata(path)?.file_type())?;
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(path)?;
        let metadata = file.metadata()?;
        refuse_special(metadata.file_type())?;
        let may_have_holes = metadata.is_file();
        let length = if may_have_holes {
            metadata.len()
        } else {
            (&file)
                .seek(SeekFrom::End(0))
                .context("the size of the device cannot be told")?
        };
        let format = match format {
            Some(format) => format,
            None => format::detect(&file, length)?,
        };
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

    /// A raw disk has whole sectors of 512 bytes, as for qemu-img, and its data is what the file system
    /// has stored.
    fn scan_raw(&self, unit: impl FnOnce(u64) -> Option<NonZeroU64>) -> Result<Scanned> {
        let virtual_size = self.length.next_multiple_of(512);
        let unit = unit(virtual_size);
        let summary = match self.stored_extents(virtual_size, unit)? {
            Some(summary) => summary,
            None => raw::scan_allocation(virtual_size, unit),
        };
        Ok(Scanned {
            summary,
            sector_reads: 0,
            backing_file: None,
            qcow2_header: None,
        })
    }

    /// What `SEEK_DATA` and `SEEK_HOLE` say; `None` where they say nothing.
    fn stored_extents(
        &self,
        virtual_size: u64,
        unit: Option<NonZeroU64>,
    ) -> Result<Option<AllocationSummary>> {
        if !self.may_have_holes {
            return Ok(None);
        }
        let mut tally = DataTally::new(virtual_size, unit);
        let mut at = 0;
        while at < self.length {
            let start = match rustix::fs::seek(&self.file, rustix::fs::SeekFrom::Data(at)) {
                // No data from here on.
                Err(Errno::NXIO) => break,
                Err(Errno::INVAL | Errno::NOTSUP) => return Ok(None),
                other => other.context("its data cannot be looked for (SEEK_DATA)")?,
            };
            let end = rustix::fs::seek(&self.file, rustix::fs::SeekFrom::Hole(start))
                .context("its holes cannot be looked for (SEEK_HOLE)")?;
            if end <= at {
                bail!("the file changed while it was looked at");
            }
            // The last sector is whole, though the file ends in it.
            tally.add(start, end.next_multiple_of(512) - start);
            at = end;
        }
        Ok(Some(tally.summary()))
    }

    fn scan_with_tables(
        &self,
        sector_size: u32,
        unit: impl FnOnce(u64) -> Option<NonZeroU64>,
    ) -> Result<Scanned> {
        let device = FileDevice::new(&self.file, self.length, sector_size);
        let mut caches = [vec![0; sector_size as usize], vec![0; sector_size as usize]];
        let answer = self.ask_scanner(&device, &mut caches, unit);
        let (summary, backing_file_name, qcow2_header) =
            answer.map_err(|error| match (error, device.take_failure()) {
                (ScanError::Io { .. }, Some(cause)) => Error::new(cause).context(error),
                _ => anyhow!(error),
            })?;
        let backing_file = match (backing_file_name, self.format) {
            (Some(name), ImageFormat::Qcow2) => Some(self.text(name)?),
            (Some(descriptor), ImageFormat::Vmdk) => parent_in_descriptor(&self.text(descriptor)?),
            _ => None,
        };
        Ok(Scanned {
            summary,
            sector_reads: device.sector_reads(),
            backing_file,
            qcow2_header,
        })
    }

    fn ask_scanner(
        &self,
        device: &FileDevice<'_>,
        [first, second]: &mut [Vec<u8>; 2],
        unit: impl FnOnce(u64) -> Option<NonZeroU64>,
    ) -> Result<Answer, ScanError> {
        let calls = CallTable::over(device);
        match self.format {
            ImageFormat::Qcow2 => {
                let mut state = Qcow2State::init(calls, DEVICE, first, second)?;
                let header = *state.header();
                let virtual_size = header.virtual_size;
                let summary = state.scan_allocation(virtual_size, unit(virtual_size))?;
                Ok((summary, header.backing_file_name(), Some(header)))
            }
            ImageFormat::Vmdk => {
                let mut state = VmdkState::init(calls, DEVICE, first, second)?;
                let summary = state.scan_allocation(unit(state.virtual_size()))?;
                Ok((summary, state.header().descriptor(), None))
            }
            ImageFormat::Vhd => {
                let mut state = VhdState::init(calls, DEVICE, first, second)?;
                let summary = state.scan_allocation(unit(state.virtual_size()))?;
                Ok((summary, None, None))
            }
            ImageFormat::Vhdx => {
                let mut state = VhdxState::init(calls, DEVICE, first, second)?;
                let summary = state.scan_allocation(unit(state.virtual_size()))?;
                Ok((summary, None, None))
            }
            ImageFormat::Raw => Ok((raw::scan_allocation(self.length, None), None, None)),
        }
    }

    /// The bytes of the file in `range` as text, cut to [`MAX_DESCRIPTOR`] and the file's end.
    fn text(&self, range: Range<u64>) -> Result<String> {
        let end = range
            .end
            .min(self.length)
            .min(range.start.saturating_add(MAX_DESCRIPTOR));
        let length = usize::try_from(end.saturating_sub(range.start))?;
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, range.start)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
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

/// What a scanner says: the summary, where the name of a backing file may be found, and the header of a
/// qcow2 image.
type Answer = (AllocationSummary, Option<Range<u64>>, Option<QcowHeader>);

fn refuse_special(kind: FileType) -> Result<()> {
    let what = if kind.is_file() || kind.is_block_device() {
        return Ok(());
    } else if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else if kind.is_char_device() {
        "a character device"
    } else {
        "neither a file nor a block device"
    };
    bail!("it is {what}, not an image file");
}

/// The parent that an embedded VMDK descriptor names ("Virtual Disk Format 5.0", "The Header"): there
/// is one unless `parentCID` is all ones.
fn parent_in_descriptor(text: &str) -> Option<String> {
    let value = |key: &str| {
        text.lines().find_map(|line| {
            let (name, value) = line.split_once('=')?;
            (name.trim() == key).then(|| value.trim().trim_matches('"'))
        })
    };
    let has_parent = value("parentCID").is_some_and(|cid| !cid.eq_ignore_ascii_case("ffffffff"));
    has_parent.then(|| value("parentFileNameHint").unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vmdk_has_a_parent_when_its_content_id_is_set() {
        let text = "# Disk DescriptorFile\nparentCID=12345678\nparentFileNameHint=\"base.vmdk\"\n";
        assert_eq!(parent_in_descriptor(text), Some("base.vmdk".to_owned()));
        assert_eq!(parent_in_descriptor("parentCID=ffffffff\n"), None);
        assert_eq!(parent_in_descriptor(""), None);
    }
}
