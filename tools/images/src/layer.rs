//! What an image holds: by its tables, once the holes of its file are known, and in a chain of images.

use std::num::NonZeroU64;

use anyhow::{Error, Result, anyhow};
use shared::{AllocationSummary, CallTable, DataTally, ScanError};

use super::file::ImageFile;
use super::file_device::FileDevice;
use super::map::{Content, Map, Tables};

/// The bytes of a unit, where the units that data touches are to be counted.
pub(crate) type Unit = Option<NonZeroU64>;

/// The result of a scan.
pub(crate) struct Scanned {
    /// How large the disk is, and how much of it this file holds.
    pub summary: AllocationSummary,
    /// How many sectors the scan read; 0 for a raw image, about which the file system is asked.
    pub sector_reads: u64,
    /// Where the image's tables are.
    pub tables: Box<dyn Tables>,
}

/// Runs a scanner, which gets a device that reads the file in sectors of `sector_size` bytes, and two buffers of a
/// sector each.
pub(crate) fn scan_tables(
    image: &ImageFile,
    sector_size: u32,
    scanner: impl FnOnce(
        CallTable<'_>,
        [&mut [u8]; 2],
    ) -> Result<(AllocationSummary, Box<dyn Tables>), ScanError>,
) -> Result<Scanned> {
    let device = FileDevice::new(&image.file, image.length, sector_size);
    let mut caches = [(); 2].map(|()| vec![0; sector_size as usize]);
    let [first, second] = &mut caches;
    let answer = scanner(CallTable::over(&device), [first, second]);
    let (summary, tables) = answer.map_err(|error| match (error, device.take_failure()) {
        (ScanError::Io { .. }, Some(cause)) => Error::new(cause).context(error),
        _ => anyhow!(error),
    })?;
    Ok(Scanned {
        summary,
        sector_reads: device.sector_reads(),
        tables,
    })
}

/// Adds up the data that `tables` place where the file is no hole, of a disk of `size` bytes.
pub(crate) fn stored(
    image: &ImageFile,
    size: u64,
    tables: &dyn Tables,
    unit: Unit,
) -> Result<AllocationSummary> {
    let map = tables.stored_map(image);
    tally(&mut [Layer { size, map }], unit)
}

/// One image of a chain.
pub(crate) struct Layer<'a> {
    /// The size of its disk in bytes.
    pub size: u64,
    /// What it holds.
    pub map: Box<dyn Map + 'a>,
}

/// Adds up the data of a chain, whose top image comes first; counts the units of `unit` bytes that data
/// touches, when given. The disk has the size of the top image.
///
/// The rules are those of `bdrv_co_common_block_status_above` in QEMU's `block/io.c`: the first image
/// that holds data or zeroes decides. What lies past the end of an image is zeroes, whatever is below.
pub(crate) fn tally(layers: &mut [Layer<'_>], unit: Unit) -> Result<AllocationSummary> {
    let size = layers.first().map_or(0, |top| top.size);
    let mut tally = DataTally::new(size, unit);
    let mut offset = 0;
    while offset < size {
        let (is_data, length) = look_up(layers, offset, size - offset)?;
        if is_data {
            tally.add(offset, length);
        }
        offset += length;
    }
    Ok(tally.summary())
}

/// Whether byte `offset` of a chain's disk is data, and for how many bytes that is so.
fn look_up(layers: &mut [Layer<'_>], offset: u64, most: u64) -> Result<(bool, u64)> {
    let mut length = most;
    for layer in layers {
        if offset >= layer.size {
            break;
        }
        let stretch = layer.map.at(offset)?;
        length = length.min(layer.size - offset).min(stretch.length);
        match stretch.content {
            Content::Data(_) => return Ok((true, length)),
            Content::Zero => break,
            Content::Absent => {}
        }
    }
    Ok((false, length))
}
