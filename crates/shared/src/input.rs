//! Reading structures of any length and alignment through one-sector caches.

use crate::{CallTable, MAX_SECTOR_SIZE, MIN_SECTOR_SIZE, ScanError};

/// A caller's buffer that holds one sector of the input.
///
/// Two structures that are walked in step (a directory and its tables) each get a cache of their
/// own, so that neither drives the other out.
#[derive(Debug)]
pub struct SectorCache<'a> {
    buffer: &'a mut [u8],
    held: Option<u64>,
}

impl<'a> SectorCache<'a> {
    /// An empty cache in `buffer`, which must hold at least one sector of the device it is used with;
    /// its first sector's worth of bytes is used and its former content does not matter.
    pub fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, held: None }
    }
}

/// An image on a device: bounds, sector size, and how much was read.
#[derive(Debug)]
pub struct Input<'a> {
    calls: CallTable<'a>,
    device: u32,
    capacity: u64,
    sector_shift: u32,
    bytes_read: u64,
}

impl<'a> Input<'a> {
    /// Asks the device for its capacity and sector size; reads nothing.
    ///
    /// # Errors
    /// [`ScanError::InvalidArgument`] when the sector size is not a power of two from 512 to 65536,
    /// or one of `caches` is smaller than a sector.
    pub fn open(
        calls: CallTable<'a>,
        device: u32,
        caches: &[&SectorCache<'_>],
    ) -> Result<Self, ScanError> {
        let sector_size = calls.get_input_sector_size(device) as usize;
        if !sector_size.is_power_of_two()
            || !(MIN_SECTOR_SIZE..=MAX_SECTOR_SIZE).contains(&sector_size)
        {
            return Err(ScanError::InvalidArgument(
                "the device's sector size is not a power of two from 512 to 65536",
            ));
        }
        if caches.iter().any(|cache| cache.buffer.len() < sector_size) {
            return Err(ScanError::InvalidArgument(
                "a cache is smaller than one sector of the device",
            ));
        }
        Ok(Self {
            calls,
            device,
            capacity: calls.get_input_capacity(device),
            sector_shift: sector_size.trailing_zeros(),
            bytes_read: 0,
        })
    }

    /// The image's size in bytes.
    #[must_use]
    pub const fn capacity(&self) -> u64 {
        self.capacity
    }

    /// The size of a sector in bytes.
    #[must_use]
    pub const fn sector_size(&self) -> usize {
        1 << self.sector_shift
    }

    /// How many bytes the device was asked for and gave: whole sectors, failed reads not counted.
    #[must_use]
    pub const fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// Whether `length` bytes at byte `offset` lie wholly inside the image.
    #[must_use]
    pub const fn contains(&self, offset: u64, length: u64) -> bool {
        match offset.checked_add(length) {
            Some(end) => end <= self.capacity,
            None => false,
        }
    }

    /// Reads `N` bytes at byte `offset`; `what` names the structure, for the error.
    ///
    /// # Errors
    /// [`ScanError::Corrupt`] with `what` when the bytes are not wholly inside the image,
    /// [`ScanError::Io`] when the device fails.
    pub fn read_array<const N: usize>(
        &mut self,
        cache: &mut SectorCache<'_>,
        offset: u64,
        what: &'static str,
    ) -> Result<[u8; N], ScanError> {
        const { assert!(N > 0) };
        if !self.contains(offset, N as u64) {
            return Err(ScanError::Corrupt(what));
        }
        // Most lie in one sector: then a copy of known length does.
        #[allow(
            clippy::cast_possible_truncation,
            reason = "it is below a sector's size"
        )]
        let from = (offset & (self.sector_size() as u64 - 1)) as usize;
        let held = self.hold(cache, offset >> self.sector_shift)?;
        if let Some(array) = held[from..].first_chunk() {
            return Ok(*array);
        }
        let mut array = [0; N];
        self.read(cache, offset, &mut array, what)?;
        Ok(array)
    }

    /// Fills `out` with the bytes at byte `offset`; `what` names the structure, for the error.
    ///
    /// # Errors
    /// As [`read_array`](Self::read_array).
    pub fn read(
        &mut self,
        cache: &mut SectorCache<'_>,
        offset: u64,
        out: &mut [u8],
        what: &'static str,
    ) -> Result<(), ScanError> {
        let mut filled = 0;
        self.for_each_piece(cache, offset, out.len() as u64, what, |piece| {
            out[filled..filled + piece.len()].copy_from_slice(piece);
            filled += piece.len();
        })
    }

    /// Hands the `length` bytes at byte `offset` to `use_piece`, in order, in pieces of at most a
    /// sector; `what` names the structure, for the error.
    ///
    /// # Errors
    /// As [`read_array`](Self::read_array). The bounds are checked before the first piece.
    pub fn for_each_piece(
        &mut self,
        cache: &mut SectorCache<'_>,
        offset: u64,
        length: u64,
        what: &'static str,
        mut use_piece: impl FnMut(&[u8]),
    ) -> Result<(), ScanError> {
        if !self.contains(offset, length) {
            return Err(ScanError::Corrupt(what));
        }
        let size = self.sector_size() as u64;
        let mut at = offset;
        let end = offset + length;
        while at < end {
            let from = at & (size - 1);
            let to = size.min(from + (end - at));
            let held = self.hold(cache, at >> self.sector_shift)?;
            #[allow(
                clippy::cast_possible_truncation,
                reason = "both are at most a sector's size"
            )]
            use_piece(&held[from as usize..to as usize]);
            at += to - from;
        }
        Ok(())
    }

    /// The bytes of `sector`, from the cache or the device.
    #[inline]
    fn hold<'c>(
        &mut self,
        cache: &'c mut SectorCache<'_>,
        sector: u64,
    ) -> Result<&'c [u8], ScanError> {
        let size = self.sector_size();
        if cache.held != Some(sector) {
            // A failed read may leave anything in the buffer.
            cache.held = None;
            self.calls
                .read_input_sector(self.device, sector, &mut cache.buffer[..size])
                .map_err(|_| ScanError::Io { sector })?;
            cache.held = Some(sector);
            self.bytes_read += size as u64;
        }
        Ok(&cache.buffer[..size])
    }
}
