//! The device that the image is on.

use crate::layout::{Bytes, at};

/// The sector sizes that a device may have, in bytes. The first one is what most recipes have: a scan
/// costs a call for each sector.
pub const SECTOR_SIZES: [u32; 8] = [4096, 512, 65536, 1024, 2048, 8192, 16384, 32768];

/// How many bytes a device serves of a damaged image that is longer; then its reads fail. Damage makes
/// tables of what is none, and a file may have a GiB of that; engines keep the inputs that have most, and
/// would spend their time on these.
pub const SERVED_OF_DAMAGED: u64 = 512 << 10;

/// The device that the image is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conditions {
    /// The device's sector size in bytes: a power of two from 512 to 65536.
    pub sector_size: u32,
    /// The device's index.
    pub index: u32,
    /// Where the device ends.
    pub end: End,
}

/// Where the device ends, which need not be where the file does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With the file.
    OfFile,
    /// So many bytes before the file's end.
    Before(u64),
    /// So many bytes after the file's end.
    After(u64),
    /// At that byte.
    At(u64),
}

impl Conditions {
    pub(super) fn decode(bytes: &Bytes) -> Self {
        let device = bytes.u8(at::DEVICE);
        let place = u64::from(bytes.u16(at::END)) | u64::from(bytes.u8(at::END + 2)) << 16;
        Self {
            sector_size: SECTOR_SIZES[usize::from(device & 7)],
            index: u32::from(device >> 3) + 1,
            end: match bytes.u8(at::END_MODE) {
                0 => End::OfFile,
                mode => match mode & 3 {
                    0 => End::Before(place & 0xffff),
                    1 => End::Before((place & 0xffff) << 9),
                    2 => End::After(place & 0xffff),
                    _ => End::At(place),
                },
            },
        }
    }

    /// The device's capacity in bytes for a file of `file_size` bytes.
    pub fn capacity(&self, file_size: u64) -> u64 {
        match self.end {
            End::OfFile => file_size,
            End::Before(bytes) => file_size.saturating_sub(bytes),
            End::After(bytes) => file_size.saturating_add(bytes),
            End::At(at) => at,
        }
    }

    pub(super) fn in_words(&self) -> String {
        let end = match self.end {
            End::OfFile => String::new(),
            End::Before(bytes) => format!(", cut {bytes} bytes before the file's end"),
            End::After(bytes) => format!(", {bytes} bytes longer than the file"),
            End::At(at) => format!(", of {at} bytes"),
        };
        format!(
            "on device {} with sectors of {} bytes{end}",
            self.index, self.sector_size
        )
    }
}
