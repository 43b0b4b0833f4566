//! VHD images, with checksums put right.

/// The entry of a block that is not in the file.
pub(crate) const ABSENT: u32 = u32::MAX;

/// A dynamic disk.
pub(crate) struct Disk {
    pub(crate) header_at: u64,
    pub(crate) table_at: u64,
    pub(crate) table: Vec<u32>,
    pub(crate) block_size: u32,
    /// The disk's size in bytes.
    pub(crate) size: u64,
    /// The file's length in bytes, with the footer.
    pub(crate) length: usize,
}

/// The sample's length, with the footer.
pub(crate) const LENGTH: usize = 1536 + 512 + 3 * (512 + 4096) + 512;

/// Its three blocks that are in the file, the last one short.
pub(crate) const DATA: u64 = 3 * 4096 - 512;

impl Disk {
    /// Eight blocks of 4096 bytes, the last one short by a sector; the first, fifth and last are in the file.
    pub(crate) fn sample() -> Self {
        let mut table = vec![ABSENT; 8];
        (table[0], table[4], table[7]) = (4, 22, 13);
        Self {
            header_at: 512,
            table_at: 1536,
            table,
            block_size: 4096,
            size: 8 * 4096 - 512,
            length: LENGTH,
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.length];
        let end = self.length - 512;
        put_footer(&mut bytes[end..], 3, self.header_at, self.size);
        put_footer(&mut bytes, 3, self.header_at, self.size);
        let header = &mut bytes[self.header_at as usize..][..1024];
        put(header, 0, b"cxsparse");
        put(header, 8, &u64::MAX.to_be_bytes());
        put(header, 16, &self.table_at.to_be_bytes());
        put(header, 24, &0x0001_0000_u32.to_be_bytes());
        put(header, 28, &(self.table.len() as u32).to_be_bytes());
        put(header, 32, &self.block_size.to_be_bytes());
        seal_one(header, 36);
        for (nth, entry) in self.table.iter().enumerate() {
            let at = self.table_at as usize + 4 * nth;
            put(&mut bytes, at, &entry.to_be_bytes());
        }
        bytes
    }
}

/// A fixed disk of `size` bytes, in a file with so many more.
pub(crate) fn fixed(size: u64, more: usize) -> Vec<u8> {
    let end = size as usize + more;
    let mut bytes = vec![0; end + 512];
    put_footer(&mut bytes[end..], 2, u64::MAX, size);
    bytes
}

/// The creator is not one whose geometry is the size.
pub(crate) fn put_footer(bytes: &mut [u8], disk_type: u32, header_at: u64, size: u64) {
    put(bytes, 0, b"conectix");
    put(bytes, 8, &2_u32.to_be_bytes());
    put(bytes, 12, &0x0001_0000_u32.to_be_bytes());
    put(bytes, 16, &header_at.to_be_bytes());
    put(bytes, 28, b"win ");
    // The original size, which nobody asks for.
    put(bytes, 40, &12345_u64.to_be_bytes());
    put(bytes, 48, &size.to_be_bytes());
    put(bytes, 56, &[0, 1, 4, 9]);
    put(bytes, 60, &disk_type.to_be_bytes());
    put(bytes, 68, b"unique id 16 byt");
    seal_one(&mut bytes[..512], 64);
}

fn put(bytes: &mut [u8], at: usize, field: &[u8]) {
    bytes[at..at + field.len()].copy_from_slice(field);
}

/// Puts the checksum at `field` right: the ones' complement of the sum of all bytes, its own taken as zeros.
fn seal_one(bytes: &mut [u8], field: usize) {
    bytes[field..field + 4].fill(0);
    let sum = bytes.iter().fold(0_u32, |sum, &byte| sum + u32::from(byte));
    put(bytes, field, &(!sum).to_be_bytes());
}
