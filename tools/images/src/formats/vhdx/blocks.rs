//! Where data is in a VHDX image, shown by reading it with QEMU.
//!
//! `qemu-img map` calls all of a VHDX image data. So each block that holds data gets bytes of its own,
//! told by its place in the file, and qemu-io must read them there, and zeroes in the blocks beside.
//!
//! Where a block is in the file only the image's own tables say; they are read here for nothing but
//! the place (MS-VHDX 2.2.3 region table, 2.4 BAT, 2.6 metadata).

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::FileExt as _;

use sparse::SparseImage;

use crate::differential::evidence::AskedImage;
use crate::differential::qemu::{IMAGE, Inconclusive};

/// The first region table, the only one that QEMU reads.
const REGION_TABLE: u64 = 192 << 10;
const BAT: [u8; 16] = *b"\x66\x77\xc2\x2d\x23\xf6\x00\x42\x9d\x64\x11\x5e\x9b\xfd\x4a\x08";
const METADATA: [u8; 16] = *b"\x06\xa2\x7c\x8b\x90\x47\x9a\x4b\xb8\xfe\x57\x5f\x05\x0f\x88\x6e";
const LOGICAL_SECTOR_SIZE: [u8; 16] =
    *b"\x1d\xbf\x41\x81\x6f\xa9\x09\x47\xba\x47\xf2\x33\xa8\xfa\xab\x5f";
const FILE_PARAMETERS: [u8; 16] =
    *b"\x37\x67\xa1\xca\x36\xfa\x43\x4d\xb3\xb6\x33\xf0\xaa\x44\xe7\x6b";

/// The most blocks of a kind that are read.
const MOST: usize = 100;

/// Reads the disk of a sound image with qemu-io; answers what is not as it should be.
pub(super) fn verify(asked: &AskedImage<'_>) -> Result<Option<String>, Inconclusive> {
    let AskedImage { image, folder, .. } = *asked;
    let Some(truth) = asked.truth else {
        return Ok(None);
    };
    let not_found = || Inconclusive("the blocks' places are not found".to_owned());
    let bat = find_region(image, &BAT).ok_or_else(not_found)?;
    let block = find_item(image, &FILE_PARAMETERS).ok_or_else(not_found)?;
    if !block.is_power_of_two() || block > 1 << 32 {
        return Err(not_found());
    }
    let ratio = (1 << 32) / block;

    let all = truth.virtual_size.div_ceil(block);
    let mut data = BTreeSet::new();
    let mut others = BTreeSet::from([0, all.saturating_sub(1)]);
    for (start, end) in truth.extents() {
        let (first, past) = (start / block, end.div_ceil(block));
        data.extend((first..past).take(MOST));
        others.extend([first.saturating_sub(1), past]);
    }
    others.retain(|number| *number < all && !data.contains(number));

    let failed = |error: std::io::Error| Inconclusive(format!("{IMAGE}: {error}"));
    let file = File::options()
        .write(true)
        .open(folder.join(IMAGE))
        .map_err(failed)?;
    let mut commands = Vec::new();
    for &number in data.iter().take(MOST) {
        let place = number_at::<8>(image, bat + 8 * (number + number / ratio)) & !0xf_ffff;
        let byte = 1 + (place >> 20) % 255;
        file.write_all_at(&[byte as u8; 512], place)
            .map_err(failed)?;
        commands.push(format!("read -P {byte} {} 512", number * block));
    }
    for &number in others.iter().take(MOST) {
        commands.push(format!("read -P 0 {} 512", number * block));
    }
    if commands.is_empty() {
        return Ok(None);
    }
    let mut arguments = vec!["-r", "-f", "vhdx"];
    for command in &commands {
        arguments.extend(["-c", command]);
    }
    arguments.push(IMAGE);
    let ended = asked.qemu.run(folder, "qemu-io", &arguments)?;
    let complaints = ended
        .stdout
        .lines()
        .chain(ended.stderr.lines())
        .find(|line| line.contains("failed"));
    let read = ended.stdout.matches("bytes at offset").count();
    Ok(match complaints {
        Some(complaint) => Some(complaint.to_owned()),
        None if !ended.is_ok() || read != commands.len() => Some(format!(
            "qemu-io makes {read} reads of {}: {}",
            commands.len(),
            ended.complaint()
        )),
        None => None,
    })
}

fn find_region(image: &SparseImage, id: &[u8; 16]) -> Option<u64> {
    let count = number_at::<4>(image, REGION_TABLE + 8).min(2047);
    let entries = (0..count).map(|nth| REGION_TABLE + 16 + 32 * nth);
    let found = entries.into_iter().find(|&entry| is_at(image, entry, id))?;
    Some(number_at::<8>(image, found + 16))
}

/// The size of a logical sector in bytes, as the metadata says.
pub(super) fn logical_sector(image: &SparseImage) -> Option<u64> {
    find_item(image, &LOGICAL_SECTOR_SIZE)
}

/// The first four bytes of a metadata item, as a number.
fn find_item(image: &SparseImage, id: &[u8; 16]) -> Option<u64> {
    let metadata = find_region(image, &METADATA)?;
    let count = number_at::<2>(image, metadata.checked_add(10)?).min(2047);
    let entries = (0..count).map(|nth| metadata.saturating_add(32 + 32 * nth));
    let found = entries.into_iter().find(|&entry| is_at(image, entry, id))?;
    let offset = number_at::<4>(image, found.checked_add(16)?);
    Some(number_at::<4>(image, metadata.checked_add(offset)?))
}

fn is_at(image: &SparseImage, at: u64, id: &[u8; 16]) -> bool {
    let mut found = [0; 16];
    image.read(at, &mut found);
    found == *id
}

/// The little-endian number of `N` bytes at byte `at`.
fn number_at<const N: usize>(image: &SparseImage, at: u64) -> u64 {
    let mut bytes = [0; 8];
    image.read(at, &mut bytes[..N]);
    u64::from_le_bytes(bytes)
}
