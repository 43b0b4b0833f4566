//! A builder of small VMDK images.

/// Where header fields are that tests of tables change, in bytes.
pub(crate) const VERSION: usize = 4;
pub(crate) const FLAGS: usize = 8;
pub(crate) const CAPACITY: usize = 12;
pub(crate) const DIRECTORY: usize = 56;

/// A grain of 128 sectors, in bytes.
pub(crate) const GRAIN: u64 = 65536;

/// A sparse extent: sector 0 the header, then the grain directory, then what was asked for, in order.
#[derive(Clone)]
pub(crate) struct Image {
    pub(crate) bytes: Vec<u8>,
    grain_sectors: u64,
}

impl Image {
    /// An empty image of `capacity` sectors of 512 bytes.
    pub(crate) fn new(grain_sectors: u64, capacity: u64) -> Self {
        let mut image = Self {
            bytes: vec![0; 512],
            grain_sectors,
        };
        image.append(capacity.div_ceil(512 * grain_sectors) * 4);
        image.bytes[..4].copy_from_slice(b"KDMV");
        image.put32(VERSION, 1);
        image.put32(FLAGS, 3);
        image.put64(CAPACITY, capacity);
        image.put64(20, grain_sectors);
        image.put32(44, 512);
        image.put64(DIRECTORY, 1);
        image
    }

    pub(crate) fn put32(&mut self, at: usize, value: u32) {
        self.bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn put64(&mut self, at: usize, value: u64) {
        self.bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn get32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.bytes[at..at + 4].try_into().unwrap())
    }

    /// Appends whole sectors of zeroes for `bytes` bytes; the sector where they begin.
    pub(crate) fn append(&mut self, bytes: u64) -> u32 {
        let at = self.bytes.len();
        let length = bytes.next_multiple_of(512) as usize;
        self.bytes.resize(at + length, 0);
        u32::try_from(at / 512).unwrap()
    }

    /// Where the directory entry number `index` lies.
    pub(crate) fn directory_entry(index: u64) -> usize {
        512 + index as usize * 4
    }

    /// Where the table entry of grain number `grain` lies; makes the table if need be.
    pub(crate) fn table_entry(&mut self, grain: u64) -> usize {
        let at = Self::directory_entry(grain / 512);
        if self.get32(at) == 0 {
            let table = self.append(2048);
            self.put32(at, table);
        }
        self.get32(at) as usize * 512 + (grain % 512) as usize * 4
    }

    /// Gives grain number `grain` data of its own.
    pub(crate) fn data(&mut self, grain: u64) -> &mut Self {
        let at = self.table_entry(grain);
        let sector = self.append(self.grain_sectors * 512);
        self.put32(at, sector);
        self
    }
}
