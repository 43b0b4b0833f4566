//! Detection and the descriptors of VMDK as a subject.

use ::vmdk::descriptor::{Access, Descriptor as Parsed, DescriptorError, Extent};
use harness_core::subject::{
    Descriptor, DescriptorFacts, DescriptorFault, Detector, ExtentFacts, FileFormats, MockDevice,
    Refusal,
};

use crate::BuiltIn;

impl Detector for BuiltIn {
    fn detect(&self, device: &MockDevice<'_>) -> Result<FileFormats, Refusal> {
        let mut cache = [0; shared::MAX_SECTOR_SIZE];
        let cache = &mut cache[..device.sector_size() as usize];
        Ok(detect::detect(
            device.build_call_table(),
            device.index(),
            cache,
        )?)
    }

    fn descriptor<'a>(&self, text: &'a [u8]) -> Option<Descriptor<'a>> {
        Some(Parsed::parse(text).map(stated).map_err(fault))
    }
}

fn stated(parsed: Parsed<'_>) -> (DescriptorFacts<'_>, Vec<ExtentFacts<'_>>) {
    let facts = DescriptorFacts {
        version: parsed.version,
        create_type: parsed.create_type,
        cid: parsed.cid,
        parent_cid: parsed.parent_cid,
        parent_name: parsed.parent_file_name_hint,
        total_sectors: parsed.total_sectors,
    };
    (facts, parsed.extents().map(extent_stated).collect())
}

fn extent_stated(extent: Extent<'_>) -> ExtentFacts<'_> {
    ExtentFacts {
        access: match extent.access {
            Access::ReadWrite => "RW",
            Access::ReadOnly => "RDONLY",
            Access::NoAccess => "NOACCESS",
        },
        sectors: extent.sectors,
        kind: extent.kind.name(),
        file_name: extent.file_name,
        offset: extent.offset,
    }
}

fn fault(error: DescriptorError) -> DescriptorFault {
    match error {
        DescriptorError::TooLong => DescriptorFault::TooLong,
        DescriptorError::Missing(key) => DescriptorFault::Missing(key),
        DescriptorError::Line { number, .. } => DescriptorFault::Line(number),
        DescriptorError::NoExtent => DescriptorFault::NoExtent,
    }
}
