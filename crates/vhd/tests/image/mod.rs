//! A VHD image, field by field, with checksums put right, or wrong on purpose.

/// The entry of a block that is not in the file.
pub(crate) const ABSENT: u32 = u32::MAX;

/// Bytes of the sample's last block that belong to the disk.
pub(crate) const LAST_BLOCK: u64 = 4096 - 512;

/// A footer's fields.
#[derive(Clone)]
pub(crate) struct Footer {
    pub(crate) cookie: [u8; 8],
    pub(crate) features: u32,
    pub(crate) version: u32,
    pub(crate) data_offset: u64,
    pub(crate) creator: [u8; 4],
    pub(crate) current_size: u64,
    /// Cylinders, heads, sectors a track.
    pub(crate) geometry: (u16, u8, u8),
    pub(crate) disk_type: u32,
    /// Added to the right checksum.
    pub(crate) checksum_error: u32,
}

impl Footer {
    fn new(disk_type: u32, data_offset: u64, current_size: u64) -> Self {
        Self {
            cookie: *b"conectix",
            features: 2,
            version: 0x0001_0000,
            data_offset,
            creator: *b"win ",
            current_size,
            geometry: (1, 4, 9),
            disk_type,
            checksum_error: 0,
        }
    }

    /// The footer of a fixed disk of `size` bytes.
    pub(crate) fn fixed(size: u64) -> Self {
        Self::new(2, u64::MAX, size)
    }

    pub(crate) fn bytes(&self) -> [u8; 512] {
        let mut bytes = [0; 512];
        bytes[..8].copy_from_slice(&self.cookie);
        put(&mut bytes, 8, &self.features.to_be_bytes());
        put(&mut bytes, 12, &self.version.to_be_bytes());
        put(&mut bytes, 16, &self.data_offset.to_be_bytes());
        put(&mut bytes, 28, &self.creator);
        // The original size, which nobody asks for.
        put(&mut bytes, 40, &12345_u64.to_be_bytes());
        put(&mut bytes, 48, &self.current_size.to_be_bytes());
        put(&mut bytes, 56, &self.geometry.0.to_be_bytes());
        put(&mut bytes, 58, &[self.geometry.1, self.geometry.2]);
        put(&mut bytes, 60, &self.disk_type.to_be_bytes());
        put(&mut bytes, 68, b"unique id 16 byt");
        seal(&mut bytes, 64, self.checksum_error);
        bytes
    }
}

/// A dynamic disk header's fields.
#[derive(Clone)]
pub(crate) struct Header {
    pub(crate) version: u32,
    /// By default where the table is.
    pub(crate) table_offset: Option<u64>,
    /// By default as many as the table has.
    pub(crate) entries: Option<u32>,
    pub(crate) block_size: u32,
    /// Added to the right checksum.
    pub(crate) checksum_error: u32,
}

/// A dynamic disk: footer copy, header, table, room for blocks, padding, footer.
#[derive(Clone)]
pub(crate) struct Image {
    pub(crate) copy: Footer,
    pub(crate) header: Header,
    pub(crate) table: Vec<u32>,
    /// Room for so many blocks of 4096 bytes and their bitmaps.
    pub(crate) blocks: usize,
    /// Bytes between the blocks and the footer.
    pub(crate) padding: usize,
    pub(crate) end: Footer,
}

impl Image {
    /// Eight blocks of 4096 bytes, the last one short by a sector; the first, fifth and last are in the file.
    pub(crate) fn sample() -> Self {
        let footer = Footer::new(3, 512, 7 * 4096 + LAST_BLOCK);
        let mut table = vec![ABSENT; 8];
        (table[0], table[4], table[7]) = (4, 22, 13);
        Self {
            copy: footer.clone(),
            header: Header {
                version: 0x0001_0000,
                table_offset: None,
                entries: None,
                block_size: 4096,
                checksum_error: 0,
            },
            table,
            blocks: 3,
            padding: 0,
            end: footer,
        }
    }

    pub(crate) fn build(&self) -> Vec<u8> {
        let table: Vec<u8> = self
            .table
            .iter()
            .flat_map(|entry| entry.to_be_bytes())
            .collect();
        let mut bytes = vec![0; 1536 + table.len().next_multiple_of(512)];
        bytes.resize(bytes.len() + self.blocks * (512 + 4096) + self.padding, 0);
        bytes.extend(self.end.bytes());
        let fits = |at: u64, length: usize| {
            let end = usize::try_from(at)
                .ok()
                .and_then(|at| at.checked_add(length));
            end.is_some_and(|end| end <= bytes.len() - 512)
        };
        let header_at = if fits(self.copy.data_offset, 1024) && self.copy.data_offset > 20_000 {
            self.copy.data_offset
        } else {
            512
        };
        // What does not fit is left where it is by default, for the field alone to be wrong.
        let table_at = match self.header.table_offset {
            Some(offset) if fits(offset, table.len()) && offset > 20_000 => offset,
            Some(512) if header_at != 512 => 512,
            _ => 1536,
        };
        put(&mut bytes, header_at as usize, &self.header_bytes());
        put(&mut bytes, table_at as usize, &table);
        put(&mut bytes, 0, &self.copy.bytes());
        bytes
    }

    fn header_bytes(&self) -> [u8; 1024] {
        let mut bytes = [0; 1024];
        let entries = self.header.entries.unwrap_or(self.table.len() as u32);
        put(&mut bytes, 0, b"cxsparse");
        put(&mut bytes, 8, &u64::MAX.to_be_bytes());
        let table_offset = self.header.table_offset.unwrap_or(1536);
        put(&mut bytes, 16, &table_offset.to_be_bytes());
        put(&mut bytes, 24, &self.header.version.to_be_bytes());
        put(&mut bytes, 28, &entries.to_be_bytes());
        put(&mut bytes, 32, &self.header.block_size.to_be_bytes());
        seal(&mut bytes, 36, self.header.checksum_error);
        bytes
    }
}

fn put(bytes: &mut [u8], at: usize, field: &[u8]) {
    bytes[at..at + field.len()].copy_from_slice(field);
}

/// Puts the checksum at `field` right, or wrong by `error`: the ones' complement of the sum of all
/// bytes, its own taken as zeros.
fn seal(bytes: &mut [u8], field: usize, error: u32) {
    bytes[field..field + 4].fill(0);
    let sum = bytes.iter().fold(0_u32, |sum, &byte| sum + u32::from(byte));
    put(bytes, field, &(!sum).wrapping_add(error).to_be_bytes());
}

/// Puts right the checksum of the footer at `at`.
pub(crate) fn seal_footer(bytes: &mut [u8], at: usize) {
    seal(&mut bytes[at..at + 512], 64, 0);
}

/// Puts right the checksum of the dynamic disk header at `at`.
pub(crate) fn seal_header(bytes: &mut [u8], at: usize) {
    seal(&mut bytes[at..at + 1024], 36, 0);
}
