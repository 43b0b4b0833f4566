//! The header extensions of a qcow2 image: `docs/interop/qcow2.txt`, section "Header extensions".

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;

use anyhow::{Result, ensure};
use qcow2::QcowHeader;

/// The format of the backing file, by its name.
pub const BACKING_FORMAT: u32 = 0xe279_2aca;
/// Dirty bitmaps.
pub const BITMAPS: u32 = 0x2385_2875;

/// Where the data of the extension of type `kind` lies in `file`, of `length` bytes; none without one.
///
/// # Errors
/// When an extension before it is too long for its place, or the file cannot be read.
pub fn find(
    file: &File,
    length: u64,
    header: &QcowHeader,
    kind: u32,
) -> Result<Option<Range<u64>>> {
    let end = match header.backing_file_offset {
        0 => header.cluster_size(),
        offset => offset,
    };
    let mut at = u64::from(header.header_length);
    while at + 8 <= end.min(length) {
        let mut head = [0; 8];
        file.read_exact_at(&mut head, at)?;
        let [found, data_length] = [0, 4].map(|at| {
            let b = &head[at..];
            u32::from_be_bytes([b[0], b[1], b[2], b[3]])
        });
        let data_length = u64::from(data_length);
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
