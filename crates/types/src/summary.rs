//! What a scan answers, and what a calculator is asked about.

/// How much of a virtual disk holds data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct AllocationSummary {
    /// The size of the virtual disk, in bytes.
    pub virtual_size: u64,
    /// The bytes of the virtual disk that hold data; at most `virtual_size`.
    pub allocated_bytes: u64,
    /// How many of the target's clusters, grains or blocks hold any data, when that was counted.
    /// Without it a calculator has to assume that all data lies together, from the disk's start.
    pub touched: Option<TouchedUnits>,
}

impl AllocationSummary {
    /// A disk of `virtual_size` bytes, `allocated_bytes` of which hold data that lies together.
    #[must_use]
    pub const fn new(virtual_size: u64, allocated_bytes: u64) -> Self {
        Self {
            virtual_size,
            allocated_bytes,
            touched: None,
        }
    }

    /// The same disk, with the number of units of `unit` bytes that its data touches.
    #[must_use]
    pub const fn with_touched(self, unit: u64, count: u64) -> Self {
        Self {
            touched: Some(TouchedUnits { unit, count }),
            ..self
        }
    }
}

/// A count of the target's clusters, grains or blocks that hold any data, and the unit's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TouchedUnits {
    /// The size of one unit, in bytes. A calculator refuses a count that was made for another unit.
    pub unit: u64,
    /// How many such units hold at least one byte of data.
    pub count: u64,
}
