//! Inputs of `fuzz_measure_calc`: a question to a calculator as bytes. `harness_core::calc` has the layout.

use shared::AllocationSummary;
use types::Options as CalcOptions;

/// The fields that hold a calculator's options.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fields {
    /// Selects the format.
    pub format: u8,
    /// The place of the width of refcounts in the target's table.
    pub refcount: u8,
    /// Bit 0 extended_l2, 1 lazy_refcounts, 2 compat_v3, 3 compress, 4 VHD force_size.
    pub flags: u8,
    /// Off, metadata, falloc, full.
    pub preallocation: u8,
    /// The VMDK's subformat.
    pub vmdk: u8,
    /// The VHD's subformat.
    pub vhd: u8,
    /// The cluster size in bytes.
    pub cluster: u32,
    /// The grain size in bytes.
    pub grain: u32,
    /// The block size in bytes.
    pub block: u32,
    /// The room for a LUKS header in bytes; 0 is none.
    pub luks: u64,
}

impl Fields {
    /// The input that asks about the disk of `summary`: 42 bytes, or 59 with a count of touched units.
    #[must_use]
    pub fn encode(&self, summary: &AllocationSummary) -> Vec<u8> {
        let mut input = vec![
            self.format,
            self.refcount,
            self.flags,
            self.preallocation,
            self.vmdk,
            self.vhd,
        ];
        input.extend(summary.virtual_size.to_le_bytes());
        input.extend(summary.allocated_bytes.to_le_bytes());
        input.extend(self.cluster.to_le_bytes());
        input.extend(self.grain.to_le_bytes());
        input.extend(self.block.to_le_bytes());
        input.extend(self.luks.to_le_bytes());
        if let Some(touched) = summary.touched {
            // The count was made for the unit that follows.
            input.push(3 << 4);
            input.extend(touched.count.to_le_bytes());
            input.extend(touched.unit.to_le_bytes());
        }
        input
    }
}

/// A question that is a seed.
#[derive(Debug, Clone)]
pub struct CalcSeed {
    /// What it shows; the seed's name.
    pub name: String,
    /// The calculator and its options.
    pub options: CalcOptions,
    /// The disk.
    pub summary: AllocationSummary,
    /// What else is asked, and by how much it differs.
    pub probe: (u8, u64),
    /// Whether sizes are written as places in the decoder's tables, so that an engine comes from one limit to
    /// the next by changing a byte. Only for the defaults and a disk of 1 TiB.
    pub from_tables: bool,
}

impl CalcSeed {
    /// A disk of 1 GiB that holds 100 MiB.
    #[must_use]
    pub fn new(name: impl Into<String>, options: CalcOptions) -> Self {
        Self {
            name: name.into(),
            options,
            summary: AllocationSummary::new(1 << 30, 100 << 20),
            probe: (0, 0),
            from_tables: false,
        }
    }

    /// The same for a disk of so many bytes, so many of which hold data.
    #[must_use]
    pub fn disk(mut self, virtual_size: u64, allocated_bytes: u64) -> Self {
        self.summary = AllocationSummary::new(virtual_size, allocated_bytes);
        self
    }

    /// The same with a count of units that data touches.
    #[must_use]
    pub fn touched(mut self, count: u64, unit: u64) -> Self {
        self.summary = self.summary.with_touched(unit, count);
        self
    }

    /// The input, whose options are in `fields`: 42 bytes, or 43 with sizes from tables, 59 with a count of
    /// touched units, 68 with a second question.
    #[must_use]
    pub fn encode(&self, fields: &Fields) -> Vec<u8> {
        if self.from_tables {
            let places = Fields {
                cluster: 7,
                grain: 4,
                block: if fields.block == 0 { 0 } else { 3 },
                ..*fields
            };
            // 1 TiB: the boundary of this number, four steps from four below it.
            let size = 4 << 8 | 16;
            let mut input =
                places.encode(&AllocationSummary::new(size, self.summary.allocated_bytes));
            // Sizes of units, the disk's and the data's.
            input.push(0b111);
            return input;
        }
        let mut input = fields.encode(&self.summary);
        if let (probe @ 1.., more) = self.probe {
            input.resize(59, 0);
            input.push(probe);
            input.extend(more.to_le_bytes());
        }
        input
    }
}
