//! The plain harness that this project began from. It is there to be measured against: see README.md.
#![forbid(unsafe_code)]

use built_in::BuiltIn;
use harness_core::calc::CalcCase;
use harness_core::scan::{Image, ScanCase};
use harness_core::shared::{CallTable, InputDevice, ReadFailed};
use harness_core::subject::{Scan, ScanRequest, Scanner as _};

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

/// Scans the image. A packed one becomes the file that it stands for, every byte of it.
fn scan(data: &[u8]) -> Option<Scan> {
    let case = ScanCase::decode(data).ok()?;
    let device = Device(match case.unpack() {
        Image::Flat(image) => image.to_vec(),
        Image::Sparse(image) => {
            // Every byte is written, as a copy would.
            let mut file = vec![0; image.capacity() as usize];
            image.read(0, &mut file);
            file
        }
    });
    let (mut first, mut second) = ([0; CACHE], [0; CACHE]);
    let answer = BuiltIn.scan(ScanRequest {
        format: case.format,
        calls: CallTable::over(&device),
        device: 0,
        caches: [&mut first, &mut second],
        unit: case.unit,
        twice: false,
    });
    Some(answer.result)
}

/// The target `fuzz_literal_scan`, with the inputs of `fuzz_measure_scan`. A finding is a panic.
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
            assert_eq!(scan(&data), Some(expected), "{case:?}");
            fuzz_literal_scan(&data);
        }
        assert!(with_data > 30, "{with_data} images hold data");
        assert!(Device(vec![0; 700]).read_sector(0, 2, &mut []).is_err());
    }
}
