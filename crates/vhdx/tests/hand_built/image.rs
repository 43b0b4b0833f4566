//! A VHDX image, field by field, with checksums put right, or wrong on purpose. Sparse: only the
//! structures are in memory.

use std::borrow::Cow;

use testing::device::Source;

pub(crate) const K: u64 = 1 << 10;
pub(crate) const M: u64 = 1 << 20;

/// GUIDs as they lie in a file that qemu-img wrote.
pub(crate) const BAT: u128 = 0x6677_c22d_23f6_0042_9d64_115e_9bfd_4a08;
pub(crate) const METADATA: u128 = 0x06a2_7c8b_9047_9a4b_b8fe_575f_050f_886e;
const FILE_PARAMETERS: u128 = 0x3767_a1ca_36fa_434d_b3b6_33f0_aa44_e76b;
const VIRTUAL_DISK_SIZE: u128 = 0x2442_a52f_1bcd_7648_b211_5dbe_d83b_f4b8;
const VIRTUAL_DISK_ID: u128 = 0xab12_cabe_e6b2_2345_93ef_c309_e000_c746;
const LOGICAL_SECTOR_SIZE: u128 = 0x1dbf_4181_6fa9_0947_ba47_f233_a8fa_ab5f;
const PHYSICAL_SECTOR_SIZE: u128 = 0xc748_a3cd_5d44_7144_9cc9_e988_5251_c556;
pub(crate) const PARENT_LOCATOR: u128 = 0x2d5f_d3a8_0bb3_4d45_abf7_d3d8_4834_ab0c;

/// Where the sample's BAT and metadata are.
pub(crate) const BAT_AT: u64 = 2 * M;
pub(crate) const METADATA_AT: u64 = 3 * M;
/// Where its blocks may begin.
pub(crate) const BLOCKS_AT: u64 = 4 * M;
/// A present block's state.
pub(crate) const PRESENT: u64 = 6;

#[derive(Clone)]
pub(crate) struct Header {
    pub(crate) signature: [u8; 4],
    pub(crate) sequence: u64,
    pub(crate) log_guid: [u8; 16],
    pub(crate) log_length: u32,
    pub(crate) log_offset: u64,
    pub(crate) version: u16,
    /// A byte that no field takes.
    pub(crate) reserved: u8,
    /// Changes the right checksum.
    pub(crate) checksum_error: u32,
}

#[derive(Clone)]
pub(crate) struct Region {
    pub(crate) guid: u128,
    pub(crate) start: u64,
    pub(crate) length: u32,
    pub(crate) flags: u32,
}

#[derive(Clone)]
pub(crate) struct RegionTable {
    pub(crate) signature: [u8; 4],
    /// By default as many as there are.
    pub(crate) count: Option<u32>,
    pub(crate) regions: Vec<Region>,
    /// Changes the right checksum.
    pub(crate) checksum_error: u32,
}

impl RegionTable {
    pub(crate) fn bat(&mut self) -> &mut Region {
        &mut self.regions[0]
    }

    pub(crate) fn metadata(&mut self) -> &mut Region {
        &mut self.regions[1]
    }
}

#[derive(Clone)]
pub(crate) struct Item {
    pub(crate) guid: u128,
    pub(crate) offset: u32,
    pub(crate) length: u32,
    pub(crate) flags: u32,
    pub(crate) value: Vec<u8>,
}

#[derive(Clone)]
pub(crate) struct Image {
    pub(crate) signature: [u8; 8],
    pub(crate) headers: [Header; 2],
    pub(crate) tables: [RegionTable; 2],
    pub(crate) metadata_signature: [u8; 8],
    /// By default as many as there are.
    pub(crate) item_count: Option<u16>,
    pub(crate) items: Vec<Item>,
    pub(crate) bat: Vec<u64>,
    /// The file's length in bytes.
    pub(crate) length: u64,
}

impl Image {
    /// Ten blocks of 1 MiB, the last of which has one sector; the first, fifth and last are in the
    /// file. The second header is the current one.
    pub(crate) fn sample() -> Self {
        let header = |sequence| Header {
            signature: *b"head",
            sequence,
            log_guid: [0; 16],
            log_length: 1 << 20,
            log_offset: M,
            version: 1,
            reserved: 0,
            checksum_error: 0,
        };
        let region = |guid, start| Region {
            guid,
            start,
            length: 1 << 20,
            flags: 1,
        };
        let table = RegionTable {
            signature: *b"regi",
            count: None,
            regions: vec![region(BAT, BAT_AT), region(METADATA, METADATA_AT)],
            checksum_error: 0,
        };
        let mut bat = vec![0; 10];
        bat[0] = BLOCKS_AT | PRESENT;
        bat[4] = (BLOCKS_AT + 2 * M) | PRESENT;
        bat[9] = (BLOCKS_AT + M) | PRESENT;
        let mut image = Self {
            signature: *b"vhdxfile",
            headers: [header(40), header(41)],
            tables: [table.clone(), table],
            metadata_signature: *b"metadata",
            item_count: None,
            items: Vec::new(),
            bat,
            length: BLOCKS_AT + 3 * M,
        };
        for (guid, value, flags) in [
            (FILE_PARAMETERS, vec![0; 8], 4),
            (VIRTUAL_DISK_SIZE, vec![0; 8], 6),
            (VIRTUAL_DISK_ID, vec![0x1d; 16], 6),
            (LOGICAL_SECTOR_SIZE, vec![0; 4], 6),
            (PHYSICAL_SECTOR_SIZE, vec![0; 4], 6),
        ] {
            image.add_item(guid, value, flags);
        }
        image.set_block_size(1 << 20, 0);
        image.set_size(9 * M + 512);
        image.set_sectors(512, 4096);
        image
    }

    /// Adds a metadata item behind the others.
    pub(crate) fn add_item(&mut self, guid: u128, value: Vec<u8>, flags: u32) {
        let offset = match self.items.last() {
            Some(item) => item.offset + item.value.len() as u32,
            None => 64 << 10,
        };
        self.items.push(Item {
            guid,
            offset,
            length: value.len() as u32,
            flags,
            value,
        });
    }

    /// The file parameters.
    pub(crate) fn set_block_size(&mut self, block_size: u32, flags: u32) {
        self.items[0].value = [block_size.to_le_bytes(), flags.to_le_bytes()].concat();
    }

    pub(crate) fn set_size(&mut self, size: u64) {
        self.items[1].value = size.to_le_bytes().to_vec();
    }

    pub(crate) fn set_sectors(&mut self, logical: u32, physical: u32) {
        self.items[3].value = logical.to_le_bytes().to_vec();
        self.items[4].value = physical.to_le_bytes().to_vec();
    }

    /// Changes both region tables.
    pub(crate) fn regions(&mut self, change: impl Fn(&mut RegionTable)) {
        self.tables.iter_mut().for_each(change);
    }

    pub(crate) fn build(&self) -> Sparse {
        let mut pieces = vec![(0, self.signature.to_vec())];
        for (header, at) in self.headers.iter().zip([64 * K, 128 * K]) {
            pieces.push((at, header.bytes()));
        }
        for (table, at) in self.tables.iter().zip([192 * K, 256 * K]) {
            pieces.push((at, table.bytes()));
        }
        let bat = self.bat.iter().flat_map(|entry| entry.to_le_bytes());
        pieces.push((BAT_AT, bat.collect()));
        pieces.push((METADATA_AT, self.metadata()));
        Sparse {
            pieces,
            length: self.length,
        }
    }

    fn metadata(&self) -> Vec<u8> {
        let mut bytes = vec![0; 66 << 10];
        let count = self.item_count.unwrap_or(self.items.len() as u16);
        put(&mut bytes, 0, &self.metadata_signature);
        put(&mut bytes, 10, &count.to_le_bytes());
        for (index, item) in self.items.iter().enumerate() {
            let entry = 32 + 32 * index;
            put(&mut bytes, entry, &item.guid.to_be_bytes());
            put(&mut bytes, entry + 16, &item.offset.to_le_bytes());
            put(&mut bytes, entry + 20, &item.length.to_le_bytes());
            put(&mut bytes, entry + 24, &item.flags.to_le_bytes());
            let end = item.offset as usize + item.value.len();
            // An item that is far off is not written: its entry alone is what is looked at.
            if end <= bytes.len() && item.offset >= 64 << 10 {
                put(&mut bytes, item.offset as usize, &item.value);
            }
        }
        bytes
    }
}

impl Header {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; 4096];
        put(&mut bytes, 0, &self.signature);
        put(&mut bytes, 8, &self.sequence.to_le_bytes());
        put(&mut bytes, 16, b"file write guid.data write guid.");
        put(&mut bytes, 48, &self.log_guid);
        put(&mut bytes, 66, &self.version.to_le_bytes());
        put(&mut bytes, 68, &self.log_length.to_le_bytes());
        put(&mut bytes, 72, &self.log_offset.to_le_bytes());
        bytes[4000] = self.reserved;
        seal(&mut bytes, self.checksum_error);
        bytes
    }
}

impl RegionTable {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; 64 << 10];
        let count = self.count.unwrap_or(self.regions.len() as u32);
        put(&mut bytes, 0, &self.signature);
        put(&mut bytes, 8, &count.to_le_bytes());
        for (index, region) in self.regions.iter().enumerate() {
            let entry = 16 + 32 * index;
            put(&mut bytes, entry, &region.guid.to_be_bytes());
            put(&mut bytes, entry + 16, &region.start.to_le_bytes());
            put(&mut bytes, entry + 24, &region.length.to_le_bytes());
            put(&mut bytes, entry + 28, &region.flags.to_le_bytes());
        }
        seal(&mut bytes, self.checksum_error);
        bytes
    }
}

/// A file of which only pieces are not zero; they do not overlap.
#[derive(Clone)]
pub(crate) struct Sparse {
    /// Each with its offset in bytes.
    pub(crate) pieces: Vec<(u64, Vec<u8>)>,
    pub(crate) length: u64,
}

impl Source for Sparse {
    fn length(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) {
        buffer.fill(0);
        let end = offset + buffer.len() as u64;
        for (start, piece) in &self.pieces {
            let from = offset.max(*start);
            let to = end.min(start + piece.len() as u64);
            if from < to {
                buffer[(from - offset) as usize..(to - offset) as usize]
                    .copy_from_slice(&piece[(from - start) as usize..(to - start) as usize]);
            }
        }
    }

    fn bytes(&self) -> Option<Cow<'_, [u8]>> {
        if self.length > 64 * M {
            return None;
        }
        let mut bytes = vec![0; self.length as usize];
        self.read_at(0, &mut bytes);
        Some(Cow::Owned(bytes))
    }
}

fn put(bytes: &mut [u8], at: usize, field: &[u8]) {
    bytes[at..at + field.len()].copy_from_slice(field);
}

/// Puts a header's or region table's checksum right, or wrong by `error`.
pub(crate) fn seal(bytes: &mut [u8], error: u32) {
    bytes[4..8].fill(0);
    let checksum = crc_32c(bytes) ^ error;
    put(bytes, 4, &checksum.to_le_bytes());
}

/// CRC-32C, a byte at a time: independent of the scanner's.
fn crc_32c(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut byte = 0;
        while byte < 256 {
            let (mut rest, mut bit) = (byte as u32, 0);
            while bit < 8 {
                rest = (rest >> 1) ^ if rest & 1 == 1 { 0x82f6_3b78 } else { 0 };
                bit += 1;
            }
            table[byte] = rest;
            byte += 1;
        }
        table
    };
    !bytes.iter().fold(!0, |crc, &byte| {
        TABLE[(crc as u8 ^ byte) as usize] ^ (crc >> 8)
    })
}
