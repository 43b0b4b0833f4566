//! Images built by hand: every error with its text, every fall-back, and what must hold for any input.

mod blocks;
#[path = "../common/mod.rs"]
mod common;
mod headers;
mod hostile;
mod image;
mod metadata;

use common::Vhdx;
use image::{Image, M, RegionTable};
use shared::ScanError;
use testing::scan::{SECTOR_SIZES, answer};

/// The sample's three blocks, one of them the last, which has one sector.
const SAMPLE: u64 = 2 * M + 512;

/// What a scan of the image says, in bytes of data.
fn data(image: &Image) -> Result<u64, ScanError> {
    answer(&Vhdx, &image.build(), None, &SECTOR_SIZES).map(|summary| summary.allocated_bytes)
}

/// The answer of the sample image with one change.
fn after(change: impl FnOnce(&mut Image)) -> Result<u64, ScanError> {
    let mut image = Image::sample();
    change(&mut image);
    data(&image)
}

/// The answer of the sample image with one change of both region tables.
fn after_regions(change: impl Fn(&mut RegionTable)) -> Result<u64, ScanError> {
    after(|image| image.regions(change))
}
