//! The simple way to be a subject: answer where an image holds data.
//!
//! A [`Library`] is a function behind a [`Scanner`]. The harness adds up the extents, counts units, clips at the disk's end, counts
//! reads, makes reads fail, and asks related questions.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use types::ScanFormat;
use worker::memory::Meter;

use crate::judgement::Judgement;
use crate::subject::{
    AllocationSummary, DataTally, MockDevice, Refusal, ScanAnswer, ScanError, ScanRequest, Scanner,
};
use sparse::ImageFile;

/// A disk-image library.
#[derive(Debug, Clone, Copy)]
pub struct Library {
    /// The formats that it reads. It is asked about no other; inputs of the others are not judged.
    pub formats: &'static [ScanFormat],
    /// Opens an image and answers the size of the virtual disk and the extents that hold data, or why there is no
    /// answer. Every [`Error`](std::error::Error) becomes a [`Refusal`] by `?`.
    pub map: fn(ImageFile, ScanFormat) -> Result<Map, Refusal>,
    /// Reads the disk, if the library does: see [`with_read`](Self::with_read).
    pub read: Option<Reader>,
}

/// Opens an image and reads each of the ranges of its disk, both in bytes. Of a range that reaches past the disk's end
/// it answers what lies before the end, maybe nothing.
pub type Reader = fn(ImageFile, ScanFormat, &[Range<u64>]) -> Result<Vec<Vec<u8>>, Refusal>;

impl Library {
    /// A library that answers where an image holds data.
    #[must_use]
    pub const fn new(
        formats: &'static [ScanFormat],
        map: fn(ImageFile, ScanFormat) -> Result<Map, Refusal>,
    ) -> Self {
        Self {
            formats,
            map,
            read: None,
        }
    }

    /// The same with a reader. What it reads is judged when `content` is.
    ///
    /// ```
    /// use std::ops::Range;
    ///
    /// use harness_core::library::read_each;
    /// use harness_core::subject::{ScanFormat, Scanner};
    /// use harness_core::{ImageFile, Library, Refusal};
    ///
    /// static LIBRARY: Library = Library::of_reader(&[ScanFormat::Vhd], read);
    ///
    /// /// Of a fixed disk, which begins with the file.
    /// fn read(image: ImageFile, _: ScanFormat, ranges: &[Range<u64>]) -> Result<Vec<Vec<u8>>, Refusal> {
    ///     read_each(ranges, image)
    /// }
    ///
    /// let read = LIBRARY.reader().unwrap();
    /// let bytes = read(ImageFile::new(vec![7; 100]), ScanFormat::Vhd, &[9..11, 99..102]);
    /// assert_eq!(bytes, Ok(vec![vec![7; 2], vec![7]]));
    /// ```
    #[must_use]
    pub const fn with_read(self, read: Reader) -> Self {
        Self {
            read: Some(read),
            ..self
        }
    }

    /// A library that only reads: sizes and extents are not judged.
    #[must_use]
    pub const fn of_reader(formats: &'static [ScanFormat], read: Reader) -> Self {
        Self::new(formats, |_, _| Err(Refusal::not_supported("a map"))).with_read(read)
    }
}

/// Reads each range of a disk that is [`Read`] and [`Seek`].
///
/// # Errors
/// Those of the disk.
pub fn read_each(
    ranges: &[Range<u64>],
    mut disk: impl Read + Seek,
) -> Result<Vec<Vec<u8>>, Refusal> {
    let read = |range: &Range<u64>| {
        let mut bytes = Vec::new();
        disk.seek(SeekFrom::Start(range.start))?;
        let mut part = disk.by_ref().take(range.end - range.start);
        part.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    ranges.iter().map(read).collect()
}

/// Reads each range of a disk of `size` bytes, as far as it lies in it: `read` fills a buffer from an offset on.
///
/// # Errors
/// Those of `read`.
pub fn read_each_at(
    ranges: &[Range<u64>],
    size: u64,
    mut read: impl FnMut(&mut Vec<u8>, u64) -> Result<(), Refusal>,
) -> Result<Vec<Vec<u8>>, Refusal> {
    let read = |range: &Range<u64>| {
        let mut bytes = vec![0; range.end.min(size).saturating_sub(range.start) as usize];
        if !bytes.is_empty() {
            read(&mut bytes, range.start)?;
        }
        Ok(bytes)
    };
    ranges.iter().map(read).collect()
}

/// How much a disk may hold, and where it holds data.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Map {
    virtual_size: u64,
    /// Start and end, in bytes.
    extents: Vec<(u64, u64)>,
    /// How many bytes there are, when it is not known where.
    sum: Option<u64>,
}

impl Map {
    /// A disk of `virtual_size` bytes without data.
    #[must_use]
    pub fn new(virtual_size: u64) -> Self {
        Self {
            virtual_size,
            ..Self::default()
        }
    }

    /// A disk of which `allocated_bytes` hold data, and nobody knows where: units are not judged.
    #[must_use]
    pub fn of_sum(virtual_size: u64, allocated_bytes: u64) -> Self {
        Self {
            sum: Some(allocated_bytes),
            ..Self::new(virtual_size)
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

    /// Asks piece by piece: `piece` gets an offset of the disk and answers how many bytes there are alike, and whether
    /// they are data.
    ///
    /// # Errors
    /// Those of `piece`, and for a disk of more than 2^18 pieces.
    ///
    /// # Panics
    /// When a piece has no bytes: the library makes no progress, and that is a finding.
    pub fn by_pieces(
        virtual_size: u64,
        mut piece: impl FnMut(u64) -> Result<(u64, bool), Refusal>,
    ) -> Result<Self, Refusal> {
        let (mut map, mut at) = (Self::new(virtual_size), 0);
        for _ in 0..1 << 18 {
            if at >= virtual_size {
                return Ok(map);
            }
            let (length, is_data) = piece(at)?;
            assert_ne!(length, 0, "no progress at byte {at} of {virtual_size}");
            if is_data {
                map.add(at, length);
            }
            at = at.saturating_add(length);
        }
        Err(Refusal::not_supported("a disk of more than 2^18 pieces"))
    }

    /// The map of a library that has none and reads without a cache. A piece of `step` bytes of the disk is data
    /// when `read`, of some 60 bytes at an offset of the disk, asks for more than `metadata` bytes of the file.
    ///
    /// # Errors
    /// When `read` fails and no data is there, or a read of the file failed by intent; and as
    /// [`by_pieces`](Self::by_pieces).
    pub fn by_reading(
        image: &ImageFile,
        virtual_size: u64,
        step: u64,
        metadata: u64,
        mut read: impl FnMut(u64, &mut [u8]) -> io::Result<()>,
    ) -> Result<Self, Refusal> {
        Self::by_pieces(virtual_size, |at| {
            let before = image.served().wanted;
            let result = read(at, &mut [0; 61]);
            let served = image.served();
            let is_data = served.wanted > before + metadata;
            if !is_data || served.first_failed.is_some() || served.stopped {
                result?;
            }
            Ok((step, is_data))
        })
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

impl Scanner for Library {
    fn formats(&self) -> &[ScanFormat] {
        self.formats
    }

    fn judgeable(&self) -> Judgement {
        let all = Judgement::ALL.without(Judgement::DETAILS);
        match self.read {
            Some(_) => all,
            None => all.without(Judgement::CONTENT),
        }
    }

    fn reader(&self) -> Option<Reader> {
        self.read
    }

    fn scan(&self, _request: ScanRequest<'_>) -> ScanAnswer {
        Refusal::not_supported("an image behind a call table").into()
    }

    fn scan_device(&self, device: &MockDevice<'_>, request: ScanRequest<'_>) -> ScanAnswer {
        let format = request.format;
        if !self.formats.contains(&format) {
            return Refusal::format(format.name()).into();
        }
        let file = device.file();
        let meter = Meter::start();
        let map = (self.map)(file.clone(), format);
        let served = file.served();
        device.note_served(served, meter.peak());
        let failed = served.first_failed;
        let sector_size = u64::from(device.sector_size());
        ScanAnswer {
            result: match map {
                Ok(Map {
                    virtual_size,
                    sum: Some(sum),
                    ..
                }) => Ok(AllocationSummary::new(virtual_size, sum)),
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
        let map = Map::by_reading(&image, 200, 64, 8, |at, bytes| {
            if at == 64 {
                return image.read_exact_at(bytes, 90);
            }
            image.read_exact_at(&mut bytes[..8], 0)
        });
        let mut expected = Map::new(200);
        expected.add(64, 64);
        assert_eq!(map, Ok(expected));
        let unreadable = Map::by_reading(&image, 200, 64, 8, |_, _| Err(io::Error::other("no")));
        assert_eq!(unreadable, Err(Refusal::words("no")));
        let large = Map::by_reading(&image, 1 << 40, 64, 8, |_, _| Ok(()));
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
