//! A builder of small qcow2 images.

/// Where header fields are that tests of tables change, in bytes.
pub(crate) const SIZE: usize = 24;
pub(crate) const L1_SIZE: usize = 36;
pub(crate) const L1_OFFSET: usize = 40;

pub(crate) const ZERO: u64 = 1;
pub(crate) const COPIED: u64 = 1 << 63;
pub(crate) const EXTENDED_L2: u64 = 1 << 4;

/// An image: cluster 0 the header, cluster 1 the refcount table (empty), then the L1 table, then what
/// was asked for, in order.
#[derive(Clone)]
pub(crate) struct Image {
    pub(crate) bytes: Vec<u8>,
    pub(crate) cluster: u64,
    pub(crate) l1_offset: u64,
    entry_size: u64,
}

impl Image {
    /// An empty image of version 3.
    pub(crate) fn new(cluster_bits: u32, size: u64) -> Self {
        Self::with(3, cluster_bits, size, 0)
    }

    /// An empty image.
    pub(crate) fn with(version: u32, cluster_bits: u32, size: u64, incompatible: u64) -> Self {
        let cluster = 1 << cluster_bits;
        let entry_size = if incompatible & EXTENDED_L2 != 0 {
            16
        } else {
            8
        };
        let l1_entries = size.div_ceil(cluster / entry_size * cluster);
        let mut image = Self {
            bytes: vec![0; 2 * cluster as usize],
            cluster,
            l1_offset: 2 * cluster,
            entry_size,
        };
        image.append(l1_entries * 8);
        image.bytes[..4].copy_from_slice(b"QFI\xfb");
        image.put32(4, version);
        image.put32(20, cluster_bits);
        image.put64(SIZE, size);
        image.put32(L1_SIZE, u32::try_from(l1_entries).unwrap());
        image.put64(L1_OFFSET, image.l1_offset);
        image.put64(48, cluster);
        image.put32(56, 1);
        if version > 2 {
            image.put64(72, incompatible);
            image.put32(96, 4);
            image.put32(100, 112);
        }
        image
    }

    pub(crate) fn put32(&mut self, at: usize, value: u32) {
        self.bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn put64(&mut self, at: usize, value: u64) {
        self.bytes[at..at + 8].copy_from_slice(&value.to_be_bytes());
    }

    pub(crate) fn get64(&self, at: usize) -> u64 {
        u64::from_be_bytes(self.bytes[at..at + 8].try_into().unwrap())
    }

    /// Appends whole clusters of zeroes for `bytes` bytes; where they begin.
    pub(crate) fn append(&mut self, bytes: u64) -> u64 {
        let at = self.bytes.len() as u64;
        let end = at + bytes.next_multiple_of(self.cluster);
        self.bytes.resize(end as usize, 0);
        at
    }

    /// How many clusters of the disk one L2 table maps.
    pub(crate) fn l2_entries(&self) -> u64 {
        self.cluster / self.entry_size
    }

    /// Where the L1 entry number `index` lies.
    pub(crate) fn l1_entry(&self, index: u64) -> usize {
        (self.l1_offset + index * 8) as usize
    }

    /// Where the L2 entry of cluster number `cluster` of the disk lies; makes the table if need be.
    pub(crate) fn l2_entry(&mut self, cluster: u64) -> usize {
        let l1_entry = self.l1_entry(cluster / self.l2_entries());
        if self.get64(l1_entry) == 0 {
            let table = self.append(self.cluster);
            self.put64(l1_entry, COPIED | table);
        }
        let table = self.get64(l1_entry) & !COPIED;
        (table + cluster % self.l2_entries() * self.entry_size) as usize
    }

    /// Sets the L2 entry of cluster number `cluster` of the disk.
    pub(crate) fn map(&mut self, cluster: u64, entry: u64) -> &mut Self {
        let at = self.l2_entry(cluster);
        self.put64(at, entry);
        self
    }

    /// Sets both words of an extended L2 entry.
    pub(crate) fn map_extended(&mut self, cluster: u64, entry: u64, bitmap: u64) -> &mut Self {
        let at = self.l2_entry(cluster);
        self.put64(at, entry);
        self.put64(at + 8, bitmap);
        self
    }

    /// Gives cluster number `cluster` of the disk a data cluster of its own.
    pub(crate) fn data(&mut self, cluster: u64) -> &mut Self {
        let at = self.l2_entry(cluster);
        let host = self.append(self.cluster);
        self.put64(at, COPIED | host);
        self
    }
}
