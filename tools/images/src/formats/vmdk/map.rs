//! The map of a sparse VMDK extent: "Virtual Disk Format 5.0", section "Hosted Sparse Extents".

use std::ffi::OsString;
use std::fs::File;
use std::ops::Range;
use std::os::unix::ffi::OsStringExt as _;

use anyhow::Result;
use vmdk::VmdkHeader;

use crate::file::ImageFile;
use crate::map::{Content, Entries, Map, Stretch, Tables};

/// The unit of offsets, in bytes.
const SECTOR: u64 = 512;
/// A grain table entry of a zeroed grain, when the header's flags allow them.
const ZEROED: u64 = 1;

/// Where QEMU looks for the descriptor, in bytes.
const DESCRIPTOR: Range<u64> = 512..512 + (10 << 10);

/// A grain directory and grain tables, found by the header.
pub(super) struct VmdkTables(pub(super) VmdkHeader);

/// The text in the place of the descriptor.
pub(super) fn descriptor(header: &VmdkHeader, image: &ImageFile) -> Result<Vec<u8>> {
    image.bytes_at(header.descriptor().unwrap_or(DESCRIPTOR))
}

impl Tables for VmdkTables {
    fn map<'a>(&'a self, file: &'a File) -> Box<dyn Map + 'a> {
        Box::new(VmdkMap {
            header: self.0,
            directory: Entries::new(file),
            table: Entries::new(file),
        })
    }

    fn backing_name(&self, image: &ImageFile) -> Result<Option<OsString>> {
        let text = descriptor(&self.0, image)?;
        Ok(vmdk::descriptor::parent(&text).map(|name| OsString::from_vec(name.to_vec())))
    }

    /// The parent of a VMDK is a VMDK.
    fn backing_format(&self, _image: &ImageFile) -> Result<Option<String>> {
        Ok(Some("vmdk".to_owned()))
    }
}

struct VmdkMap<'a> {
    header: VmdkHeader,
    directory: Entries<'a>,
    table: Entries<'a>,
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
