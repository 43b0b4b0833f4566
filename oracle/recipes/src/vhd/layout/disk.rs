//! What a recipe says of the disk, in bytes and blocks.

use crate::recipe::Recipe;

use super::super::{Chs, ChsChoice, CurrentSize, FIXED, Geometry, LARGEST_DISK, LARGEST_GEOMETRY};
use super::SECTOR;

/// The disk: what the recipe says of it, in bytes and blocks.
pub(super) struct Disk {
    /// The size that is meant, in bytes; more than [`LARGEST_DISK`] when it is too large.
    pub(super) size: u64,
    pub(super) current_size: u64,
    pub(super) chs: Chs,
    pub(super) block: u64,
    /// How many blocks it has; no more than the table may have.
    pub(super) blocks: u64,
    /// Whether it has more.
    pub(super) table_is_too_short: bool,
}

impl Disk {
    pub(super) fn new(recipe: &Recipe, geometry: &Geometry) -> Self {
        let block = geometry.block();
        let largest = LARGEST_DISK * SECTOR;
        let most = if geometry.disk_type == FIXED {
            largest
        } else {
            largest.min(geometry.most_blocks * block)
        };
        let asked = recipe.size.bytes(block, most, 1);
        let chs = match geometry.chs {
            ChsChoice::OfSize => Chs::of(asked / SECTOR),
            ChsChoice::Given(Chs(cylinders, heads, track)) => {
                let cylinder = u64::from(heads) * u64::from(track);
                let fit = (most / SECTOR).checked_div(cylinder).unwrap_or(0);
                let cylinders = u64::from(cylinders) % fit.saturating_add(1);
                Chs(cylinders as u16, heads, track)
            }
            ChsChoice::Forced(chs) => chs,
        };
        let by_chs =
            matches!(&geometry.creator, b"qemu" | b"vpc ") && chs.sectors() != LARGEST_GEOMETRY;
        let (size, current_size) = if by_chs {
            let size = chs.sectors() * SECTOR;
            let current = match geometry.current_size {
                CurrentSize::Same => size,
                CurrentSize::Recipe => asked,
                CurrentSize::Bytes(bytes) => bytes,
            };
            (size, geometry.too_large.unwrap_or(current))
        } else {
            let current = geometry.too_large.unwrap_or(asked);
            (current / SECTOR * SECTOR, current)
        };
        let blocks = size.div_ceil(block);
        Self {
            size,
            current_size,
            chs,
            block,
            blocks: blocks.min(geometry.most_blocks),
            table_is_too_short: blocks > geometry.most_blocks,
        }
    }

    /// What a block takes in the file: its sector bitmap, one bit a sector in whole sectors, and its data.
    pub(super) fn block_in_file(&self) -> u64 {
        (self.block / SECTOR).div_ceil(8).next_multiple_of(SECTOR) + self.block
    }
}
