//! Detection and the descriptors of VMDK as a subject.

use std::fmt::Write as _;

use ::vmdk::descriptor::{Access, Descriptor, DescriptorError};
use harness_core::subject::{Detection, Detector, MockDevice};

use crate::BuiltIn;

impl Detector for BuiltIn {
    fn detect(&self, device: &MockDevice<'_>) -> Detection {
        let mut cache = [0; shared::MAX_SECTOR_SIZE];
        let cache = &mut cache[..device.sector_size() as usize];
        Ok(detect::detect(
            device.build_call_table(),
            device.index(),
            cache,
        )?)
    }

    fn descriptor(&self, text: &[u8]) -> Option<Result<String, usize>> {
        Some(match Descriptor::parse(text) {
            Ok(descriptor) => Ok(anew(&descriptor)),
            Err(DescriptorError::Line { number, .. }) => Err(number),
            Err(_) => Err(0),
        })
    }
}

fn anew(descriptor: &Descriptor<'_>) -> String {
    let mut text = format!(
        "version={}\ncreateType={}\nCID={:08x}\nparentCID={:08x}\n",
        descriptor.version,
        descriptor.create_type.escape_ascii(),
        descriptor.cid,
        descriptor.parent_cid
    );
    if let Some(name) = descriptor.parent_file_name_hint {
        let _ = writeln!(text, "parentFileNameHint={}", name.escape_ascii());
    }
    for extent in descriptor.extents() {
        let access = match extent.access {
            Access::ReadWrite => "RW",
            Access::ReadOnly => "RDONLY",
            Access::NoAccess => "NOACCESS",
        };
        let (kind, name) = (extent.kind.name(), extent.file_name.escape_ascii());
        let _ = writeln!(
            text,
            "{access} {} {kind} {name} {}",
            extent.sectors, extent.offset
        );
    }
    text + &format!("{} sectors\n", descriptor.total_sectors)
}
