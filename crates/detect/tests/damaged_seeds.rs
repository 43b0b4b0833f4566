//! Files near those of the seeds, whose formats are stated by their names: cut, and with each byte changed that counts.
//! Each is asked of the reference model too, and of the other checks of `fuzz_measure_detect`.

use std::fs;
use std::path::Path;

use built_in::{BuiltIn, fuzz_measure_detect};
use harness_core::detect::DetectCase;
use harness_core::subject::{Detector as _, FileFormats};

#[test]
fn a_file_that_is_cut_or_changed_is_of_the_models_formats() {
    let seeds =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/seeds/fuzz_measure_detect");
    let (mut files, mut of_several) = (0, 0);
    let mut ask = |file: &[u8]| {
        fuzz_measure_detect(file);
        let found = DetectCase::decode(file).map(|case| BuiltIn.detect(&case.device(512)));
        let several = |formats: FileFormats| formats.iter().count() > 1;
        files += 1;
        of_several += u32::from(found.is_ok_and(|found| found.is_ok_and(several)));
    };
    for entry in fs::read_dir(seeds).unwrap() {
        let seed = fs::read(entry.unwrap().path()).unwrap();
        // A descriptor is wrong in other ways.
        let text = if seed.starts_with(b"#") {
            seed.len()
        } else {
            0
        };
        for at in 0..text {
            for byte in [0, b'\n', b'"', b' ', b'=', b'9'] {
                let mut changed = seed.clone();
                changed[at] = byte;
                ask(&changed);
            }
        }
        let end = seed.len().saturating_sub(512);
        for at in (0..text.max(72))
            .chain(504..520)
            .chain(end.saturating_sub(8)..seed.len())
        {
            ask(&seed[..at.min(seed.len())]);
            ask(&seed[at.min(seed.len())..]);
            for change in [1, 0x80, 0xff] {
                let mut changed = seed.clone();
                if let Some(byte) = changed.get_mut(at) {
                    *byte ^= change;
                }
                ask(&changed);
            }
        }
    }
    assert!(
        files > 50_000 && of_several > 5_000,
        "{files}, {of_several}"
    );
}
