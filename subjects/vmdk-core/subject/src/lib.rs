//! vmdk-core 0.8.4 as a subject.

use harness_core::subject::ScanFormat;
use harness_core::{ImageFile, Library, Map, Refusal, Subject};
use vmdk::VmdkReader;

pub static SUBJECT: Subject<'static> = Subject::new("subject::SUBJECT")
    .with_scanner(&VmdkCore)
    .with_known(include_str!("../../known.toml"));

struct VmdkCore;

impl Library for VmdkCore {
    fn formats(&self) -> &[ScanFormat] {
        &[ScanFormat::Vmdk]
    }

    fn map(&self, image: ImageFile, _format: ScanFormat) -> Result<Map, Refusal> {
        let mut disk = VmdkReader::open(image)?;
        let mut map = Map::new(disk.virtual_disk_size());
        for grain in disk.iter_allocated_grains()? {
            map.add(grain.start_lba * 512, grain.sector_count * 512);
        }
        Ok(map)
    }
}
