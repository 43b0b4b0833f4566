//! The plain harness that this project began from. It is there to be measured against: see README.md.
#![forbid(unsafe_code)]

use built_in::BuiltIn;
use harness_core::calc::CalcCase;
use harness_core::scan::{Image, ScanCase};
use harness_core::shared::{CallTable, InputDevice, ReadFailed};
use harness_core::subject::{Scan, ScanFormat, ScanRequest, Scanner as _};

/// The size of each of the scanner's two caches, in bytes.
const CACHE: usize = 64 << 10;
const SECTOR: usize = 512;

/// The mock device: a copy of the image, in sectors of 512 bytes.
struct Device(Vec<u8>);

impl InputDevice for Device {
    fn read_sector(&self, _: u32, sector: u64, buffer: &mut [u8]) -> Result<(), ReadFailed> {
        let start = sector.checked_mul(SECTOR as u64).ok_or(ReadFailed)?;
        let rest = self.0.get(start as usize..).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        buffer[length..].fill(0);
        if rest.is_empty() {
            Err(ReadFailed)
        } else {
            Ok(())
        }
    }

    fn capacity(&self, _: u32) -> u64 {
        self.0.len() as u64
    }

    fn sector_size(&self, _: u32) -> u32 {
        SECTOR as u32
    }
}

/// Scans the image behind the first byte, whose two low bits name its format.
fn scan(data: &[u8]) -> Option<Scan> {
    let (selector, image) = data.split_first()?;
    let device = Device(image.to_vec());
    let (mut first, mut second) = ([0; CACHE], [0; CACHE]);
    let answer = BuiltIn.scan(ScanRequest {
        format: ScanFormat::ALL[usize::from(selector & 3)],
        calls: CallTable::over(&device),
        device: 0,
        caches: [&mut first, &mut second],
        unit: None,
        twice: false,
    });
    Some(answer.result)
}

/// The input of `fuzz_measure_scan` as this harness takes it: the image is flat.
#[must_use]
pub fn flat_input(data: &[u8]) -> Vec<u8> {
    let Ok(case) = ScanCase::decode(data) else {
        return Vec::new();
    };
    let mut flat = vec![case.format as u8; 1 + case.capacity() as usize];
    match case.unpack() {
        Image::Flat(image) => flat[1..].copy_from_slice(image),
        Image::Sparse(image) => image.read(0, &mut flat[1..]),
    }
    flat
}

/// The target `fuzz_literal_scan`. A finding is a panic.
pub fn fuzz_literal_scan(data: &[u8]) {
    if let Some(Ok(summary)) = scan(data) {
        assert!(summary.allocated_bytes <= summary.virtual_size);
    }
}

/// The target `fuzz_literal_calc`, with the inputs of `fuzz_measure_calc`. A finding is a panic.
pub fn fuzz_literal_calc(data: &[u8]) {
    if let Ok(Ok(answer)) = CalcCase::decode(data).map(|case| case.ask(&BuiltIn)) {
        assert!(answer.required <= answer.fully_allocated);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_harnesses_get_the_same_answers() {
        let seeds = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../corpus/seeds/fuzz_measure_scan"
        );
        let mut with_data = 0;
        for seed in std::fs::read_dir(seeds).unwrap() {
            let data = std::fs::read(seed.unwrap().path()).unwrap();
            let case = ScanCase::decode(&data).unwrap();
            let image = case.unpack();
            let expected = case.ask(&BuiltIn, &image.device()).result;
            with_data += usize::from(expected.as_ref().is_ok_and(|one| one.allocated_bytes > 0));
            let flat = flat_input(&data);
            let bytes = |scan: Scan| scan.map(|summary| summary.allocated_bytes);
            assert_eq!(scan(&flat).map(bytes), Some(bytes(expected)), "{case:?}");
            fuzz_literal_scan(&flat);
        }
        assert!(with_data > 30, "{with_data} images hold data");
        assert!(Device(vec![0; 700]).read_sector(0, 2, &mut []).is_err());
    }
}
