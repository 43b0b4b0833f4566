//! A reader of images that are in order.

use recipes::vhdx::Geometry;
use recipes::vhdx::geometry::Tables;
use sparse::SparseImage;

use crate::{K, M};

/// What a reader finds that knows no more than the specification and which region table counts.
pub(crate) struct Found {
    pub(crate) virtual_size: u64,
    pub(crate) block_size: u64,
    /// Payload entries between two sector bitmap entries, and one of these.
    chunk: u64,
    /// The disk's payload entries.
    pub(crate) entries: Vec<u64>,
    /// Those past its end that are not zero, among the first ones.
    pub(crate) past_the_end: Vec<u64>,
}

fn number(image: &SparseImage, at: u64, width: usize) -> u64 {
    let mut bytes = [0; 8];
    image.read(at, &mut bytes[..width]);
    u64::from_le_bytes(bytes)
}

impl Found {
    /// Reads an image that is in order.
    pub(crate) fn of(image: &SparseImage, geometry: &Geometry) -> Self {
        let table = match geometry.tables {
            Tables::FirstDamaged => 256 * K,
            _ => 192 * K,
        };
        let (mut bat, mut metadata) = ((0, 0), 0);
        for entry in 0..number(image, table + 8, 4) {
            let entry = table + 16 + 32 * entry;
            let start = number(image, entry + 16, 8);
            match (number(image, entry, 8), number(image, entry + 8, 8)) {
                (0x4200_f623_2dc2_7766, 0x084a_fd9b_5e11_649d) => {
                    bat = (start, number(image, entry + 24, 4));
                }
                (0x4b9a_4790_8b7c_a206, 0x6e88_0f05_5f57_feb8) => metadata = start,
                _ => {}
            }
        }
        let (mut virtual_size, mut block_size, mut sector) = (0, 0, 0);
        for entry in 0..number(image, metadata + 10, 2) {
            let entry = metadata + 32 + 32 * entry;
            let item = metadata + number(image, entry + 16, 4);
            match (number(image, entry, 8), number(image, entry + 8, 8)) {
                (0x4d43_fa36_caa1_6737, 0x6be7_44aa_f033_b6b3) => {
                    block_size = number(image, item, 4);
                }
                (0x4876_cd1b_2fa5_4224, 0xb8f4_3bd8_be5d_11b2) => {
                    virtual_size = number(image, item, 8);
                }
                (0x4709_a96f_8141_bf1d, 0x5fab_faa8_33f2_47ba) => {
                    sector = number(image, item, 4);
                }
                _ => {}
            }
        }
        let chunk = (sector << 23) / block_size + 1;
        let blocks = virtual_size.div_ceil(block_size);
        let mut found = Self {
            virtual_size,
            block_size,
            chunk,
            entries: Vec::new(),
            past_the_end: Vec::new(),
        };
        // Entries that are not zero are rare: only what the image keeps is looked at.
        found.entries.resize(usize::try_from(blocks).unwrap(), 0);
        for (at, piece) in image.pieces(bat.0, bat.1) {
            for (nth, entry) in piece.as_chunks().0.iter().enumerate() {
                let index = (at - bat.0) / 8 + nth as u64;
                let entry = u64::from_le_bytes(*entry);
                if entry == 0 || index % chunk == chunk - 1 {
                    continue;
                }
                let block = index - index / chunk;
                match found.entries.get_mut(usize::try_from(block).unwrap()) {
                    Some(place) => *place = entry,
                    None => found.past_the_end.push(entry),
                }
            }
        }
        found
    }

    /// The disk's present blocks, each with its place in the file.
    pub(crate) fn present(&self) -> impl Iterator<Item = (u64, u64)> {
        self.entries
            .iter()
            .zip(0..)
            .filter(|(entry, _)| *entry & 7 == 6)
            .map(|(entry, block)| (block, entry & !(M - 1)))
    }

    /// Whether the disk has so many blocks that a sector bitmap entry lies between theirs.
    pub(crate) fn needs_bitmap_entry(&self) -> bool {
        self.entries.len() as u64 >= self.chunk
    }

    /// Where a block ends on the disk, in bytes.
    pub(crate) fn end_of(&self, block: u64) -> u64 {
        ((block + 1) * self.block_size).min(self.virtual_size)
    }

    /// The data, as start and end in bytes; neighbours are one.
    pub(crate) fn extents(&self) -> Vec<(u64, u64)> {
        let mut extents: Vec<(u64, u64)> = Vec::new();
        for (block, _) in self.present() {
            let (start, end) = (block * self.block_size, self.end_of(block));
            match extents.last_mut() {
                Some((_, last)) if *last == start => *last = end,
                _ => extents.push((start, end)),
            }
        }
        extents
    }
}
