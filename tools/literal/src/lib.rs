//! The plain harness that this project began from. It is there to be measured against: see README.md.
#![forbid(unsafe_code)]

use built_in::BuiltIn;
use harness_core::MockDevice;
use harness_core::calc::CalcCase;
use harness_core::scan::{Image, ScanCase};
use harness_core::subject::{Scan, ScanFormat, ScanRequest, Scanner as _};

/// The size of each of the scanner's two caches, in bytes.
const CACHE: usize = 64 << 10;

/// Scans the image behind the first byte, whose two low bits name its format.
fn scan(data: &[u8]) -> Option<Scan> {
    let (selector, image) = data.split_first()?;
    let image = image.to_vec();
    let mut device = MockDevice::default();
    device.set_fuzz_input(&image);
    let (mut first, mut second) = ([0; CACHE], [0; CACHE]);
    let answer = BuiltIn.scan(ScanRequest {
        format: ScanFormat::ALL[usize::from(selector & 3)],
        calls: device.build_call_table(),
        device: device.index(),
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

/// The input of `fuzz_measure_scan` as `fuzz_literal_scan` takes it: the image is flat.
#[must_use]
pub fn flat_input(case: &ScanCase<'_>) -> Vec<u8> {
    let mut flat = vec![case.format as u8; 1 + case.capacity() as usize];
    match case.unpack() {
        Image::Flat(image) => flat[1..].copy_from_slice(image),
        Image::Sparse(image) => image.read(0, &mut flat[1..]),
    }
    flat
}

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
        let expected = case.ask(&BuiltIn, &case.unpack().device()).result;
        let flat = flat_input(&case);
        fuzz_literal_scan(&flat);
        let bytes = |scan: Scan| scan.map(|summary| summary.allocated_bytes);
        with_data += usize::from(expected.as_ref().is_ok_and(|one| one.allocated_bytes > 0));
        assert_eq!(scan(&flat).map(bytes), Some(bytes(expected)), "{case:?}");
    }
    assert!(with_data > 30, "{with_data} images hold data");
}
