//! vhd-core 0.1.4 as a subject. It has no map, and is judged by where it reads the file.

use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;

use harness_core::library::read_each;
use harness_core::subject::ScanFormat;
use harness_core::{ImageFile, Judgement, Library, Map, Refusal, Subject};
use vhd::{DiskType, VhdReader};

pub static SUBJECT: Subject<'static> = Subject::new("subject::SUBJECT")
    .with_scanner(&Library::new(&[ScanFormat::Vhd], map).with_read(read))
    .held_to(Judgement::MEMORY.and(Judgement::CONTENT))
    .with_known(include_str!("../../known.toml"));

fn map(image: ImageFile, _format: ScanFormat) -> Result<Map, Refusal> {
    let mut disk = open(&image)?;
    let size = disk.virtual_disk_size();
    let block = match disk.disk_type() {
        DiskType::Fixed => 1 << 20,
        DiskType::Dynamic => block_size(&image)?,
    };
    Map::by_reading(&image, size, block, 0, |at, bytes| {
        disk.seek(SeekFrom::Start(at))?;
        disk.read(bytes).map(drop)
    })
}

fn read(image: ImageFile, _: ScanFormat, ranges: &[Range<u64>]) -> Result<Vec<Vec<u8>>, Refusal> {
    read_each(ranges, open(&image)?)
}

fn open(image: &ImageFile) -> Result<VhdReader, Refusal> {
    if image.size() > 64 << 20 {
        return Err(Refusal::not_supported(
            "a file of more than 64 MiB, which it reads whole",
        ));
    }
    Ok(VhdReader::open_reader(Box::new(image.clone()))?)
}

/// The size of a block in bytes, which the library does not tell: at byte 32 of the header that the footer names.
fn block_size(image: &ImageFile) -> std::io::Result<u64> {
    let (mut header, mut block_size) = ([0; 8], [0; 4]);
    image.read_exact_at(&mut header, image.size() - 512 + 16)?;
    image.read_exact_at(&mut block_size, u64::from_be_bytes(header) + 32)?;
    Ok(u64::from(u32::from_be_bytes(block_size)))
}
