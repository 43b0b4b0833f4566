//! The simple way to be a subject: answer where an image holds data.
//!
//! A [`Library`] is a [`Scanner`]. The harness adds up the extents, counts units, clips at the disk's end, counts
//! reads, makes reads fail, and asks related questions.

use std::io;

use types::ScanFormat;

use crate::image_file::{ImageFile, PROBE};
use crate::judgement::Judgement;
use crate::subject::{DataTally, MockDevice, Refusal, ScanAnswer, ScanError, ScanRequest, Scanner};

/// A disk-image library.
pub trait Library: Sync {
    /// The formats that it reads. It is asked about no other; inputs of the others are not judged.
    fn formats(&self) -> &[ScanFormat];

    /// Opens `image` and answers the size of the virtual disk and the extents that hold data.
    ///
    /// # Errors
    /// Why there is no answer. Every [`Error`](std::error::Error) becomes a [`Refusal`] by `?`.
    fn map(&self, image: ImageFile, format: ScanFormat) -> Result<Map, Refusal>;
}

/// How much a disk may hold, and where it holds data.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Map {
    virtual_size: u64,
    /// Start and end, in bytes.
    extents: Vec<(u64, u64)>,
}

impl Map {
    /// A disk of `virtual_size` bytes without data.
    #[must_use]
    pub fn new(virtual_size: u64) -> Self {
        Self {
            virtual_size,
            extents: Vec::new(),
        }
    }

    /// Adds an extent of data, both in bytes. Extents may come in any order and overlap, and may reach past the
    /// disk's end.
    pub fn add(&mut self, start: u64, length: u64) {
        let end = start.saturating_add(length);
        match self.extents.last_mut() {
            Some((_, last)) if *last == start => *last = end,
            _ => self.extents.push((start, end)),
        }
    }

    /// The map of a library that has none and reads without a cache. A piece of `step` bytes of the disk is data
    /// when `read`, of a few bytes at an offset of the disk, reads as many of the file.
    ///
    /// # Errors
    /// When `read` fails elsewhere than past the file's end, and for a disk of too many pieces.
    pub fn by_reading(
        image: &ImageFile,
        virtual_size: u64,
        step: u64,
        mut read: impl FnMut(u64, &mut [u8]) -> io::Result<()>,
    ) -> Result<Self, Refusal> {
        if virtual_size / step > 1 << 16 {
            return Err(Refusal::not_supported("a disk too large to read through"));
        }
        let mut map = Self::new(virtual_size);
        for piece in 0..virtual_size.div_ceil(step) {
            let before = image.served().probes;
            let result = read(piece * step, &mut [0; PROBE]);
            let served = image.served();
            if served.probes > before && served.first_failed.is_none() && !served.stopped {
                map.add(piece * step, step);
            } else {
                result?;
            }
        }
        Ok(map)
    }

    /// Adds up the extents, each byte once.
    fn tally(mut self, mut tally: DataTally) -> DataTally {
        self.extents.sort_unstable();
        let mut counted = 0;
        for (start, end) in self.extents {
            let start = start.max(counted);
            if start < end {
                tally.add(start, end - start);
                counted = end;
            }
        }
        tally
    }
}

impl<L: Library> Scanner for L {
    fn formats(&self) -> &[ScanFormat] {
        Library::formats(self)
    }

    fn judgeable(&self) -> Judgement {
        Judgement::ALL.without(Judgement::DETAILS)
    }

    fn scan(&self, _request: ScanRequest<'_>) -> ScanAnswer {
        Refusal::not_supported("an image behind a call table").into()
    }

    fn scan_device(&self, device: &MockDevice<'_>, request: ScanRequest<'_>) -> ScanAnswer {
        let format = request.format;
        if !Library::formats(self).contains(&format) {
            return Refusal::not_supported(format.name()).into();
        }
        let file = device.file();
        let map = self.map(file.clone(), format);
        let served = file.served();
        device.note_served(served);
        let failed = served.first_failed;
        let sector_size = u64::from(device.sector_size());
        ScanAnswer {
            result: match map {
                Ok(map) => {
                    let tally = DataTally::new(map.virtual_size, request.unit);
                    Ok(map.tally(tally).summary())
                }
                // Whatever a library makes of a read that failed is an I/O error, unless it names another kind.
                Err(Refusal::Words { kind: None, .. }) if failed.is_some() => {
                    let sector = failed.unwrap_or_default() / sector_size;
                    Err(ScanError::Io { sector }.into())
                }
                Err(refusal) => Err(refusal),
            },
            again: None,
            bytes_read: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;

    fn counted(size: u64, extents: &[(u64, u64)]) -> (u64, u64) {
        let mut map = Map::new(size);
        for &(start, length) in extents {
            map.add(start, length);
        }
        let tally = DataTally::new(size, NonZeroU64::new(512));
        let summary = map.tally(tally).summary();
        let units = summary.touched.map_or(0, |units| units.count);
        (summary.allocated_bytes, units)
    }

    #[test]
    fn a_disk_is_read_piece_by_piece() {
        let image = ImageFile::new(vec![7; 100]);
        // The second of four pieces is data, and lies past the file's end.
        let map = Map::by_reading(&image, 200, 64, |at, bytes| {
            if at == 64 {
                return image.read_exact_at(bytes, 90);
            }
            image.read_exact_at(&mut bytes[..8], 0)
        });
        let mut expected = Map::new(200);
        expected.add(64, 64);
        assert_eq!(map, Ok(expected));
        let unreadable = Map::by_reading(&image, 200, 64, |_, _| Err(io::Error::other("no")));
        assert_eq!(unreadable, Err(Refusal::words("no")));
        let large = Map::by_reading(&image, 1 << 40, 64, |_, _| Ok(()));
        assert!(matches!(large, Err(Refusal::NotSupported(_))));
    }

    #[test]
    fn extents_in_any_order_count_once_and_end_with_the_disk() {
        assert_eq!(counted(4096, &[(0, 512), (512, 512)]), (1024, 2));
        assert_eq!(counted(4096, &[(1024, 512), (0, 100)]), (612, 2));
        assert_eq!(
            counted(4096, &[(0, 1024), (512, 100), (100, 1000)]),
            (1100, 3)
        );
        assert_eq!(counted(4096, &[(4000, 512), (9000, u64::MAX)]), (96, 1));
        assert_eq!(counted(0, &[(0, 512)]), (0, 0));
    }
}
