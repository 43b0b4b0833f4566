//! Where data is in a VHDX image, shown by reading it with QEMU.
//!
//! `qemu-img map` calls all of a VHDX image data. So each block that holds data gets bytes of its own, by its place
//! in the file, which our map of the image knows. qemu-io must read them there, and zeroes in the blocks beside.

use std::os::unix::fs::FileExt as _;

use anyhow::Result;

use crate::differential::evidence::AskedImage;
use crate::differential::qemu::{IMAGE, Inconclusive};
use crate::file::{ImageFile, Opened};
use crate::format::Driver as _;
use crate::map::Content;

/// The most blocks of a kind that are read.
const MOST: usize = 100;

/// Reads the disk of a sound image with qemu-io; answers what is not as it should be.
pub(super) fn verify(asked: &AskedImage<'_>) -> Result<Option<String>, Inconclusive> {
    let Some(truth) = asked.truth else {
        return Ok(None);
    };
    let data = mark(asked).map_err(|error| Inconclusive(format!("{IMAGE}: {error:#}")))?;
    let mut others = vec![0, truth.virtual_size.saturating_sub(512)];
    for (start, end) in truth.extents() {
        others.extend([start.saturating_sub(512), end]);
    }
    others.retain(|at| {
        let is_data = |(start, end): &(u64, u64)| (start..end).contains(&at);
        *at < truth.virtual_size && !truth.extents().iter().any(is_data)
    });
    let zeroes = others.iter().map(|&at| (at, 0)).take(MOST);
    let reads: Vec<_> = data.into_iter().chain(zeroes).collect();
    if reads.is_empty() {
        return Ok(None);
    }
    let mut line = "qemu-io -r -f vhdx".to_owned();
    for (at, byte) in &reads {
        line += &format!(" -c 'read -P {byte} {at} 512'");
    }
    let ended = asked.qemu.run(asked.folder, &format!("{line} {IMAGE}"))?;
    let mut lines = ended.stdout.lines().chain(ended.stderr.lines());
    let complaint = lines.find(|line| line.contains("failed"));
    let read = ended.stdout.matches("bytes at offset").count();
    Ok(match complaint {
        Some(complaint) => Some(complaint.to_owned()),
        None if !ended.is_ok() || read != reads.len() => Some(format!(
            "qemu-io makes {read} reads of {}: {}",
            reads.len(),
            ended.complaint()
        )),
        None => None,
    })
}

/// Writes over the start of each block with data; where each lies on the disk, and the byte.
fn mark(asked: &AskedImage<'_>) -> Result<Vec<(u64, u8)>> {
    let path = asked.folder.join(IMAGE);
    let image = ImageFile::open(&path, Opened::File)?;
    let scanned = super::Vhdx.scan(&image, 512, None)?;
    let mut map = scanned.tables.map(&image.file);
    let file = std::fs::File::options().write(true).open(&path)?;
    let mut marked = Vec::new();
    for (start, end) in asked.truth.map_or(Vec::new(), |truth| truth.extents()) {
        let mut at = start;
        while at < end && marked.len() < MOST {
            let stretch = map.at(at)?;
            // A block that the map misses is read as well: it must not be zeroes.
            let mut byte = 1;
            if let Content::Data(Some(place)) = stretch.content {
                byte += ((place >> 20) % 255) as u8;
                file.write_all_at(&[byte; 512], place)?;
            }
            marked.push((at, byte));
            at += stretch.length;
        }
    }
    Ok(marked)
}
