//! imago 0.2.6 as a subject: its qcow2 driver.

use std::{fmt, io, ops::Range};

use harness_core::library::read_each_at;
use harness_core::subject::ScanFormat;
use harness_core::{ImageFile, Judgement, Library, Map, Refusal, Subject};
use imago::io_buffers::{IoVector, IoVectorMut};
use imago::storage::drivers::CommonStorageHelper;
use imago::{FormatAccess, Mapping, Storage, qcow2::Qcow2};

pub static SUBJECT: Subject<'static> = Subject::new("subject::SUBJECT")
    .with_scanner(&Library::new(&[ScanFormat::Qcow2], map).with_read(read))
    .held_to(Judgement::MEMORY.and(Judgement::CONTENT))
    .with_known(include_str!("../../known.toml"));

fn open(image: ImageFile) -> Result<FormatAccess<File>, Refusal> {
    let image = Qcow2::<File>::open_image(File(image, Default::default()), false)?;
    Ok(FormatAccess::new(image))
}

fn read(image: ImageFile, _: ScanFormat, ranges: &[Range<u64>]) -> Result<Vec<Vec<u8>>, Refusal> {
    let image = open(image)?;
    read_each_at(ranges, image.size(), |to, at| Ok(image.read(to, at)?))
}

fn map(image: ImageFile, _format: ScanFormat) -> Result<Map, Refusal> {
    let image = open(image)?;
    Map::by_pieces(image.size(), |at| {
        let (mapping, length) = image.get_mapping(at, image.size() - at)?;
        let is_data = matches!(mapping, Mapping::Raw { .. } | Mapping::Special { .. });
        Ok((length, is_data))
    })
}

/// An image as imago reads it. The methods of its trait are declared `unsafe`: these have no block that is.
#[derive(Debug)]
struct File(ImageFile, CommonStorageHelper);

impl fmt::Display for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("image")
    }
}

impl Storage for File {
    fn size(&self) -> io::Result<u64> {
        Ok(self.0.size())
    }
    unsafe fn pure_readv(&self, mut to: IoVectorMut<'_>, offset: u64) -> io::Result<()> {
        // Past the end imago expects zeros.
        let mut bytes = vec![0; to.len() as usize];
        self.0.read_at(&mut bytes, offset)?;
        to.copy_from_slice(&bytes);
        Ok(())
    }
    unsafe fn pure_writev(&self, _: IoVector<'_>, _: u64) -> io::Result<()> {
        panic!("a write")
    }
    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
    unsafe fn invalidate_cache(&self) -> io::Result<()> {
        Ok(())
    }
    fn get_storage_helper(&self) -> &CommonStorageHelper {
        &self.1
    }
}
