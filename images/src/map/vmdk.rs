//! The map of a sparse VMDK extent: "Virtual Disk Format 5.0", section "Hosted Sparse Extents".

use std::fs::File;

use anyhow::Result;
use vmdk::VmdkHeader;

use super::{Content, Entries, Map, Stretch};

/// The unit of offsets, in bytes.
const SECTOR: u64 = 512;
/// A grain table entry of a zeroed grain, when the header's flags allow them.
const ZEROED: u64 = 1;

pub(super) struct VmdkMap<'a> {
    header: VmdkHeader,
    directory: Entries<'a>,
    table: Entries<'a>,
}

impl<'a> VmdkMap<'a> {
    pub(super) const fn new(file: &'a File, header: VmdkHeader) -> Self {
        Self {
            header,
            directory: Entries::new(file),
            table: Entries::new(file),
        }
    }
}

impl Map for VmdkMap<'_> {
    fn at(&mut self, offset: u64) -> Result<Stretch> {
        let coverage = self.header.table_coverage();
        let in_directory = self.header.directory_offset + offset / coverage * 4;
        let table = u64::from(u32::from_le_bytes(self.directory.read(in_directory)?)) * SECTOR;
        if table == 0 {
            return Ok(Stretch {
                content: Content::Absent,
                length: coverage - offset % coverage,
            });
        }
        let grain_size = self.header.grain_size();
        let within = offset % grain_size;
        let in_table = table + offset % coverage / grain_size * 4;
        let content = match u64::from(u32::from_le_bytes(self.table.read(in_table)?)) {
            0 => Content::Absent,
            ZEROED if self.header.has_zeroed_grains() => Content::Zero,
            _ if self.header.is_compressed() => Content::Data(None),
            sector => Content::Data(Some(sector * SECTOR + within)),
        };
        Ok(Stretch {
            content,
            length: grain_size - within,
        })
    }
}
