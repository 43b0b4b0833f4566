//! Header extensions: `docs/interop/qcow2.txt`, section "Header extensions". A scan does not read them.

use core::ops::Range;

use shared::ScanError;

use crate::QcowHeader;

/// The type of the extension that holds the name of the backing file's format.
pub const BACKING_FORMAT: u32 = 0xe279_2aca;
/// That of the external data file's name.
pub const DATA_FILE: u32 = 0x4441_5441;
/// That of the dirty bitmaps.
pub const BITMAPS: u32 = 0x2385_2875;

/// Where the data of the first extension of type `kind` lies in a file of `length` bytes, in bytes; none without one.
/// `read` answers the 8 bytes at a byte of the file; it is called in ascending order, inside of the first cluster.
///
/// # Errors
/// [`ScanError::Corrupt`] when an extension before it is too long for its place, or what `read` fails with.
pub fn find<E: From<ScanError>>(
    header: &QcowHeader,
    length: u64,
    kind: u32,
    mut read: impl FnMut(u64) -> Result<[u8; 8], E>,
) -> Result<Option<Range<u64>>, E> {
    let end = match header.backing_file_offset {
        0 => header.cluster_size(),
        offset => offset,
    };
    let mut at = u64::from(header.header_length);
    while at + 8 <= end.min(length) {
        let entry = u64::from_be_bytes(read(at)?);
        let (found, data) = (entry >> 32, entry & u64::from(u32::MAX));
        at += 8;
        if data > end - at {
            return Err(ScanError::Corrupt("a header extension is too long").into());
        }
        match found {
            0 => break,
            _ if found == u64::from(kind) => return Ok(Some(at..at + data)),
            _ => at += data.next_multiple_of(8),
        }
    }
    Ok(None)
}
