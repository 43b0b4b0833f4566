//! qcow2-rs 0.1.6 as a subject. It is asynchronous: the adapter waits for each answer.

use std::{ops::Range, path::Path};

use futures::executor::block_on;
use harness_core::library::read_each_at;
use harness_core::subject::ScanFormat;
use harness_core::{ImageFile, Judgement, Library, Map, Refusal, Subject};
use qcow2_rs::dev::{Qcow2Dev, Qcow2DevParams};
use qcow2_rs::error::Qcow2Result;
use qcow2_rs::meta::MappingSource::{Compressed, DataFile};
use qcow2_rs::ops::Qcow2IoOps;
use qcow2_rs::utils::qcow2_alloc_dev;

pub static SUBJECT: Subject<'static> = Subject::new("subject::SUBJECT")
    .with_scanner(&Library::new(&[ScanFormat::Qcow2], map).with_read(read))
    .held_to(Judgement::MEMORY.and(Judgement::CONTENT))
    .with_known(include_str!("../../known.toml"));

fn open(image: ImageFile) -> Result<Qcow2Dev<File>, Refusal> {
    let params = Qcow2DevParams::new(9, None, None, true, false);
    let open = qcow2_alloc_dev(Path::new("image"), File(image), &params);
    let (device, backing) = block_on(open).map_err(Refusal::words)?;
    if backing.is_some() {
        return Err(Refusal::not_supported("a backing file"));
    }
    block_on(device.qcow2_prep_io()).map_err(Refusal::words)?;
    Ok(device)
}

/// It reads whole sectors, here each by itself: a longer read may end at a cluster's end.
fn read(image: ImageFile, _: ScanFormat, ranges: &[Range<u64>]) -> Result<Vec<Vec<u8>>, Refusal> {
    let device = open(image)?;
    read_each_at(ranges, device.info.virtual_size(), |to, at| {
        let skip = (at % 512) as usize;
        let mut sectors = vec![0; (skip + to.len()).next_multiple_of(512)];
        let starts = (at - skip as u64..).step_by(512);
        for (sector, at) in sectors.chunks_mut(512).zip(starts) {
            block_on(device.read_at(sector, at)).map_err(Refusal::words)?;
        }
        *to = sectors[skip..][..to.len()].to_vec();
        Ok(())
    })
}

fn map(image: ImageFile, _format: ScanFormat) -> Result<Map, Refusal> {
    let device = open(image)?;
    Map::by_pieces(device.info.virtual_size(), |at| {
        let mapping = block_on(device.get_mapping(at)).map_err(Refusal::words)?;
        let is_data = matches!(mapping.source, DataFile | Compressed);
        Ok((device.info.cluster_size() as u64, is_data))
    })
}

struct File(ImageFile);

impl Qcow2IoOps for File {
    async fn read_to(&self, offset: u64, buffer: &mut [u8]) -> Qcow2Result<usize> {
        Ok(self.0.read_at(buffer, offset)?)
    }
    async fn write_from(&self, _: u64, _: &[u8]) -> Qcow2Result<()> {
        Err("a write".into())
    }
    async fn fallocate(&self, _: u64, _: usize, _: u32) -> Qcow2Result<()> {
        Err("a write".into())
    }
    async fn fsync(&self, _: u64, _: usize, _: u32) -> Qcow2Result<()> {
        Ok(())
    }
}
