//! vmdk-core 0.8.4 as a subject.

use std::ops::Range;

use harness_core::library::read_each;
use harness_core::subject::ScanFormat;
use harness_core::{ImageFile, Judgement, Library, Map, Refusal, Subject};
use vmdk::VmdkReader;

pub static SUBJECT: Subject<'static> = Subject::new("subject::SUBJECT")
    .with_scanner(&Library::new(&[ScanFormat::Vmdk], map).with_read(read))
    .held_to(Judgement::MEMORY.and(Judgement::CONTENT))
    .with_known(include_str!("../../known.toml"));

fn map(image: ImageFile, _format: ScanFormat) -> Result<Map, Refusal> {
    let mut disk = VmdkReader::open(image)?;
    let mut map = Map::new(disk.virtual_disk_size());
    for grain in disk.iter_allocated_grains()? {
        map.add(grain.start_lba * 512, grain.sector_count * 512);
    }
    Ok(map)
}

fn read(image: ImageFile, _: ScanFormat, ranges: &[Range<u64>]) -> Result<Vec<Vec<u8>>, Refusal> {
    read_each(ranges, VmdkReader::open(image)?)
}
