//! qcow2-core 0.3.4 as a subject. It has no map, and is judged by where it reads the file.

use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;

use harness_core::library::read_each;
use harness_core::subject::ScanFormat;
use harness_core::{ImageFile, Judgement, Library, Map, Refusal, Subject};
use qcow2::Qcow2Reader;

pub static SUBJECT: Subject<'static> = Subject::new("subject::SUBJECT")
    .with_scanner(&Library::new(&[ScanFormat::Qcow2], map).with_read(read))
    .held_to(Judgement::MEMORY.and(Judgement::CONTENT))
    .with_known(include_str!("../../known.toml"));

fn map(image: ImageFile, _format: ScanFormat) -> Result<Map, Refusal> {
    let mut disk = Qcow2Reader::from_reader(image.clone())?;
    let mut cluster_bits = [0];
    image.read_exact_at(&mut cluster_bits, 23)?;
    let cluster = 1 << cluster_bits[0];
    // An L2 entry is read for each cluster.
    Map::by_reading(&image, disk.virtual_disk_size(), cluster, 8, |at, bytes| {
        disk.seek(SeekFrom::Start(at))?;
        disk.read(bytes).map(drop)
    })
}

fn read(image: ImageFile, _: ScanFormat, ranges: &[Range<u64>]) -> Result<Vec<Vec<u8>>, Refusal> {
    read_each(ranges, Qcow2Reader::from_reader(image)?)
}
