//! vhdx-core 0.4.1 as a subject. It has no map, and is judged by where it reads the file.

use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;

use harness_core::library::read_each;
use harness_core::subject::ScanFormat;
use harness_core::{ImageFile, Judgement, Library, Map, Refusal, Subject};
use vhdx::VhdxReader;

pub static SUBJECT: Subject<'static> = Subject::new("subject::SUBJECT")
    .with_scanner(&Library::new(&[ScanFormat::Vhdx], map).with_read(read))
    .held_to(Judgement::MEMORY.and(Judgement::CONTENT))
    .with_known(include_str!("../../known.toml"));

fn map(image: ImageFile, _format: ScanFormat) -> Result<Map, Refusal> {
    let mut disk = VhdxReader::open_reader(Box::new(image.clone()))?;
    let size = disk.virtual_disk_size();
    // No block is smaller than 1 MiB, and a byte of a bitmap may be read.
    Map::by_reading(&image, size, 1 << 20, 1, |at, bytes| {
        disk.seek(SeekFrom::Start(at))?;
        disk.read(bytes).map(drop)
    })
}

fn read(image: ImageFile, _: ScanFormat, ranges: &[Range<u64>]) -> Result<Vec<Vec<u8>>, Refusal> {
    read_each(ranges, VhdxReader::open_reader(Box::new(image))?)
}
