//! The plain harness that this project began from. It is there to be measured against: see README.md.
#![forbid(unsafe_code)]

pub mod corpora;

use built_in::BuiltIn;
use harness_core::calc::CalcCase;
use harness_core::shared::{CallTable, InputDevice, ReadFailed};
use harness_core::subject::{Scan, ScanFormat, ScanRequest, Scanner as _};

/// The size of each of the scanner's two caches, in bytes.
const CACHE: usize = 64 << 10;
const SECTOR: usize = 512;

/// The mock device: a copy of the input, in sectors of 512 bytes.
struct Image(Vec<u8>);

impl InputDevice for Image {
    fn read_sector(&self, _: u32, sector: u64, buffer: &mut [u8]) -> Result<(), ReadFailed> {
        let start = usize::try_from(sector).ok();
        let start = start.and_then(|sector| sector.checked_mul(SECTOR));
        let rest = start.and_then(|start| self.0.get(start..));
        let rest = rest.filter(|rest| !rest.is_empty()).ok_or(ReadFailed)?;
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        buffer[length..].fill(0);
        Ok(())
    }

    fn capacity(&self, _: u32) -> u64 {
        self.0.len() as u64
    }

    fn sector_size(&self, _: u32) -> u32 {
        SECTOR as u32
    }
}

/// Scans the image behind the first byte, which names the format by its two low bits.
fn scan(data: &[u8]) -> Option<Scan> {
    let (&selector, image) = data.split_first()?;
    let image = Image(image.to_vec());
    let (mut first, mut second) = ([0; CACHE], [0; CACHE]);
    let answer = BuiltIn.scan(ScanRequest {
        format: ScanFormat::ALL[usize::from(selector & 3)],
        calls: CallTable::over(&image),
        device: 0,
        caches: [&mut first, &mut second],
        unit: None,
        twice: false,
    });
    Some(answer.result)
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
    use harness_core::scan::ScanCase;

    #[test]
    fn both_harnesses_get_the_same_answers_on_real_images() {
        let corpora = corpora::all().unwrap();
        let is_real = |corpus: &&corpora::Corpus| corpus.name == corpora::REAL_IMAGES;
        let real = corpora.iter().find(is_real).unwrap();
        let mut with_data = 0;
        for (ours, flat) in real.ours.iter().zip(real.literal.as_ref().unwrap()) {
            let case = ScanCase::decode(ours).unwrap();
            let image = case.unpack();
            let expected = case.ask(&BuiltIn, &image.device()).result;
            let answer = scan(flat).unwrap();
            let bytes = |answer: &Scan| answer.as_ref().ok().map(|one| one.allocated_bytes);
            assert_eq!(bytes(&answer), bytes(&expected), "{:?}", case.format);
            with_data += usize::from(bytes(&answer).is_some_and(|bytes| bytes != 0));
        }
        assert!(with_data > 20, "{with_data} images hold data");
    }

    #[test]
    fn what_the_device_does_not_have_is_not_read() {
        let image = Image(vec![7; 700]);
        let mut buffer = [1; SECTOR];
        assert_eq!(image.read_sector(0, 1, &mut buffer), Ok(()));
        assert_eq!((buffer[187], buffer[188]), (7, 0));
        for sector in [2, u64::MAX] {
            assert_eq!(image.read_sector(0, sector, &mut buffer), Err(ReadFailed));
        }
    }
}
