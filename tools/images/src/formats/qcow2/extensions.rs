//! The header extensions of a qcow2 image: `docs/interop/qcow2.txt`, section "Header extensions".

use std::ops::Range;

use anyhow::{Result, ensure};
use qcow2::QcowHeader;

use crate::file::ImageFile;

/// The format of the backing file, by its name.
pub(super) const BACKING_FORMAT: u32 = 0xe279_2aca;
/// The name of the external data file.
pub(super) const DATA_FILE: u32 = 0x4441_5441;
/// Dirty bitmaps.
pub(super) const BITMAPS: u32 = 0x2385_2875;

/// Where the data of the extension of type `kind` lies in the image; none without one.
///
/// # Errors
/// When an extension before it is too long for its place, or the file cannot be read.
pub(super) fn find(
    image: &ImageFile,
    header: &QcowHeader,
    kind: u32,
) -> Result<Option<Range<u64>>> {
    let end = match header.backing_file_offset {
        0 => header.cluster_size(),
        offset => offset,
    };
    let mut at = u64::from(header.header_length);
    while at + 8 <= end.min(image.length) {
        let found = u32::from_be_bytes(image.array(at)?);
        let data_length = u64::from(u32::from_be_bytes(image.array(at + 4)?));
        at += 8;
        ensure!(
            data_length <= end.saturating_sub(at),
            "a header extension is too long"
        );
        match found {
            0 => break,
            _ if found == kind => return Ok(Some(at..at + data_length)),
            _ => at += data_length.next_multiple_of(8),
        }
    }
    Ok(None)
}
