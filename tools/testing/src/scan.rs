//! What must hold whenever a scanner meets an image, whatever its format.
//!
//! - [`scan`]: one device; bounded reads, honest counts, a plausible answer, the same each time.
//! - [`answer`]: the same answer for every sector size, and that of the reference model.
//! - [`every_read_fails`]: a read that fails gives an I/O error and never a number.
//! - [`every_failed_scan_is_repeated`]: a scan after one that failed answers.
//! - [`callers_mistakes`]: sector sizes and caches that must be refused.
//! - [`Outcomes`]: counts what scans of damaged images gave.

use std::collections::BTreeSet;
use std::num::NonZeroU64;

use shared::{AllocationSummary, CallTable, ScanError};
use types::ScanErrorKind;
pub use types::ScanFormat;

use crate::device::{DEVICE, Device, Source};

/// Every sector size that a device may have, in bytes.
pub const SECTOR_SIZES: [u32; 8] = [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536];

/// A scanner of one format.
pub trait Scanner {
    /// The format, whose model must give the same answers; `None` when there is no model to ask.
    fn format(&self) -> Option<ScanFormat>;

    /// The scanner once it has read the image's layout.
    type State<'a>;

    /// Reads the image's layout; each cache holds at least one sector.
    ///
    /// # Errors
    /// The scanner's error.
    fn init<'a>(
        &self,
        calls: CallTable<'a>,
        device: u32,
        first_cache: &'a mut [u8],
        second_cache: &'a mut [u8],
    ) -> Result<Self::State<'a>, ScanError>;

    /// Scans; counts touched units of `unit` bytes when it is given.
    ///
    /// # Errors
    /// The scanner's error.
    fn scan(
        &self,
        state: &mut Self::State<'_>,
        unit: Option<NonZeroU64>,
    ) -> Result<AllocationSummary, ScanError>;

    /// The size of the virtual disk that is scanned, in bytes.
    fn virtual_size(&self, state: &Self::State<'_>) -> u64;

    /// How many bytes the scanner reports as read.
    fn bytes_read(&self, state: &Self::State<'_>) -> u64;
}

/// Makes a [`Scanner`]: `scanner!(Vhd, VhdState)` is `Vhd`, by the methods of `VhdState`, which must
/// have the names and arguments that are usual here.
#[macro_export]
macro_rules! scanner {
    ($name:ident, $state:ident) => {
        /// The scanner under test.
        #[derive(Debug, Clone, Copy)]
        pub(crate) struct $name;

        impl $crate::scan::Scanner for $name {
            fn format(&self) -> Option<$crate::scan::ScanFormat> {
                Some($crate::scan::ScanFormat::$name)
            }

            type State<'a> = $state<'a>;

            fn init<'a>(
                &self,
                calls: ::shared::CallTable<'a>,
                device: u32,
                first_cache: &'a mut [u8],
                second_cache: &'a mut [u8],
            ) -> Result<Self::State<'a>, ::shared::ScanError> {
                <$state>::init(calls, device, first_cache, second_cache)
            }

            fn scan(
                &self,
                state: &mut Self::State<'_>,
                unit: Option<::core::num::NonZeroU64>,
            ) -> Result<::shared::AllocationSummary, ::shared::ScanError> {
                state.scan_allocation(unit)
            }

            fn virtual_size(&self, state: &Self::State<'_>) -> u64 {
                state.virtual_size()
            }

            fn bytes_read(&self, state: &Self::State<'_>) -> u64 {
                state.bytes_read()
            }
        }
    };
}

/// Initialises a scanner on `device` and scans `scans` times, at least once. The answer, after checking
/// - that the device was used as it may be, and that init and the first scan read at most 4 sectors for
///   each 512 bytes of the image, and 64 more;
/// - when no read fails, that `bytes_read` is what the device gave, and that each scan answers the same;
/// - that a number, if it is one, is possible.
///
/// # Errors
/// The scanner's error.
pub fn scan<S: Scanner>(
    scanner: &S,
    device: &Device<'_, impl Source + ?Sized>,
    unit: Option<NonZeroU64>,
    scans: u32,
) -> Result<AllocationSummary, ScanError> {
    let sector = device.sector_size() as usize;
    // What a cache held before does not matter, and it may be larger than a sector: with one sector
    // size this one is, with the next the other.
    let (first, second) = match sector.trailing_zeros() % 2 {
        0 => (sector + 1, sector),
        _ => (sector, sector + 100),
    };
    let (mut first, mut second) = (vec![0xa5; first], vec![0x5a; second]);
    let state = scanner.init(CallTable::over(device), DEVICE, &mut first, &mut second);
    assert_reads_are_bounded(device);
    let answer = state.and_then(|mut state| {
        let answer = scanner.scan(&mut state, unit);
        assert_reads_are_bounded(device);
        assert_bytes_read(scanner, &state, device);
        for _ in 1..scans {
            let again = scanner.scan(&mut state, unit);
            assert!(
                device.is_failing() || again == answer,
                "a second scan answers otherwise: {answer:?}, then {again:?}"
            );
            assert_bytes_read(scanner, &state, device);
        }
        answer.inspect(|answer| {
            assert_eq!(answer.virtual_size, scanner.virtual_size(&state));
            assert_is_possible(answer, unit);
        })
    });
    device.assert_well_used();
    answer
}

/// The bound on init and one scan.
fn assert_reads_are_bounded(device: &Device<'_, impl Source + ?Sized>) {
    let (reads, bound) = (device.reads(), 4 * device.capacity().div_ceil(512) + 64);
    assert!(
        reads <= bound,
        "{reads} reads of {} bytes, bound {bound}",
        device.sector_size()
    );
}

/// The scanner reports as read what the device gave. A device that fails is not checked.
fn assert_bytes_read<S: Scanner>(
    scanner: &S,
    state: &S::State<'_>,
    device: &Device<'_, impl Source + ?Sized>,
) {
    if !device.is_failing() {
        assert_eq!(
            scanner.bytes_read(state),
            device.reads() * u64::from(device.sector_size())
        );
    }
}

/// No more data than the disk is large, and units touched when and as they were asked for.
fn assert_is_possible(answer: &AllocationSummary, unit: Option<NonZeroU64>) {
    assert!(answer.allocated_bytes <= answer.virtual_size, "{answer:?}");
    assert_eq!(
        answer.touched.map(|touched| touched.unit),
        unit.map(NonZeroU64::get)
    );
    if let Some(touched) = answer.touched {
        let units = answer.virtual_size.div_ceil(touched.unit);
        assert!(touched.count <= units, "{answer:?}");
    }
}

/// The answer for an image, which is the same on devices with sectors of all `sector_sizes`; each is
/// scanned twice, and [checked](scan). The reference model must give the same answer when the image is in
/// memory. `unit` is in bytes and not 0.
///
/// # Errors
/// The scanner's error.
pub fn answer<S: Scanner>(
    scanner: &S,
    source: &(impl Source + ?Sized),
    unit: Option<u64>,
    sector_sizes: &[u32],
) -> Result<AllocationSummary, ScanError> {
    let unit = unit.map(|unit| NonZeroU64::new(unit).expect("a unit is not 0"));
    let answers: Vec<_> = sector_sizes
        .iter()
        .map(|&size| scan(scanner, &Device::new(source, size), unit, 2))
        .collect();
    assert!(
        answers.iter().all(|answer| *answer == answers[0]),
        "the answer depends on the sector size: {answers:?}"
    );
    if let (Some(format), Some(bytes)) = (scanner.format(), source.bytes()) {
        assert_eq!(
            answers[0].map_err(ScanErrorKind::from),
            model::scanners::scan(format, &*bytes, unit),
            "scanner and model differ: {:?}",
            answers[0]
        );
    }
    answers[0]
}

/// Scans a sound image once for each of its reads, which fails: the answer must be an I/O error that
/// names a sector of the image. How many reads failed with each of [`SECTOR_SIZES`].
pub fn every_read_fails<S: Scanner>(
    scanner: &S,
    source: &(impl Source + ?Sized),
) -> [u64; SECTOR_SIZES.len()] {
    let sound = answer(scanner, source, None, &SECTOR_SIZES);
    assert!(sound.is_ok(), "{sound:?}");
    SECTOR_SIZES.map(|sector_size| {
        let mut failed = 0;
        loop {
            let device = Device::failing(source, sector_size, failed);
            let answer = scan(scanner, &device, None, 1);
            if device.reads() <= failed {
                assert_eq!(answer, sound, "no read failed");
                break failed;
            }
            assert!(
                matches!(answer, Err(ScanError::Io { sector })
                    if sector * u64::from(sector_size) < source.length()),
                "read {failed} of {sector_size} bytes failed: {answer:?}"
            );
            failed += 1;
        }
    })
}

/// Scans a sound image once for each read of the scan itself, which fails, and then again: that must
/// answer. How many scans failed; sectors have 512 bytes.
pub fn every_failed_scan_is_repeated<S: Scanner>(
    scanner: &S,
    source: &(impl Source + ?Sized),
) -> u64 {
    const SECTOR: u32 = 512;
    let sound = answer(scanner, source, None, &[SECTOR]);
    assert!(sound.is_ok(), "{sound:?}");
    let mut repeated = 0;
    for fails in 0.. {
        let device = Device::failing(source, SECTOR, fails);
        let (mut first, mut second) = ([0; SECTOR as usize], [0; SECTOR as usize]);
        let state = scanner.init(CallTable::over(&device), DEVICE, &mut first, &mut second);
        let Ok(mut state) = state else {
            // The read that fails is one of init's.
            continue;
        };
        let answer = scanner.scan(&mut state, None);
        if device.reads() <= fails {
            break;
        }
        assert!(matches!(answer, Err(ScanError::Io { .. })), "{answer:?}");
        assert_eq!(scanner.scan(&mut state, None), sound);
        repeated += 1;
    }
    repeated
}

/// A sector size that no device may have, and a cache smaller than a sector, are refused as the
/// caller's mistakes before anything of the image is read.
pub fn callers_mistakes<S: Scanner>(scanner: &S, source: &(impl Source + ?Sized)) {
    let refused = |sector_size, first, second| {
        let device = Device::new(source, sector_size);
        let (mut first, mut second) = (vec![0; first], vec![0; second]);
        let state = scanner.init(CallTable::over(&device), DEVICE, &mut first, &mut second);
        assert!(matches!(state, Err(ScanError::InvalidArgument(_))));
        assert_eq!(device.reads(), 0);
    };
    for sector_size in [0, 256, 513, 131_072] {
        refused(sector_size, 131_072, 131_072);
    }
    for (first, second) in [(1023, 1024), (1024, 1023)] {
        refused(1024, first, second);
    }
}

/// What scans of damaged images gave.
#[derive(Debug, Default)]
pub struct Outcomes {
    /// How many gave a number.
    pub answered: usize,
    /// How many gave an error.
    pub refused: usize,
    /// The errors, each once, as they are printed.
    pub errors: BTreeSet<String>,
}

impl Outcomes {
    /// Counts one, which [`answer`] has checked.
    pub fn note(&mut self, answer: Result<AllocationSummary, ScanError>) {
        match answer {
            Ok(_) => self.answered += 1,
            Err(error) => {
                self.refused += 1;
                self.errors.insert(error.to_string());
            }
        }
    }

    /// Prints how many were sound. Fails unless between a tenth and nine tenths of them were, and the
    /// damage has found at least `errors` different errors, most of what can be wrong: a change that
    /// makes it miss shows here.
    pub fn conclude(&self, errors: usize) {
        let cases = self.answered + self.refused;
        println!(
            "{} of {cases} sound, {} different errors",
            self.answered,
            self.errors.len()
        );
        assert!(self.answered > cases / 10 && self.answered < cases / 10 * 9);
        assert!(self.errors.len() >= errors, "{:#?}", self.errors);
    }
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use shared::{Input, SectorCache};

    use super::*;

    /// What is wrong with a [`Toy`].
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Fault {
        None,
        DependsOnSectorSize,
        DependsOnTheScan,
        ReadsTooOften,
        MiscountsReads,
        WrongVirtualSize,
        MoreDataThanDisk,
        OtherUnit,
        TooManyUnits,
        NumberOnFailedRead,
        TakesAnything,
    }

    /// A scanner of images whose bytes each stand for one byte of the disk: 0 for a hole, 1 for data.
    #[derive(Debug)]
    struct Toy(Fault);

    struct State<'a> {
        input: Input<'a>,
        cache: SectorCache<'a>,
        scans: u64,
    }

    impl Scanner for Toy {
        fn format(&self) -> Option<ScanFormat> {
            None
        }

        type State<'a> = State<'a>;

        fn init<'a>(
            &self,
            calls: CallTable<'a>,
            device: u32,
            first_cache: &'a mut [u8],
            second_cache: &'a mut [u8],
        ) -> Result<State<'a>, ScanError> {
            let cache = SectorCache::new(first_cache);
            let other = SectorCache::new(second_cache);
            let input = if self.0 == Fault::TakesAnything {
                Input::open(calls, device, &[])?
            } else {
                Input::open(calls, device, &[&cache, &other])?
            };
            Ok(State {
                input,
                cache,
                scans: 0,
            })
        }

        fn scan(
            &self,
            state: &mut State<'_>,
            unit: Option<NonZeroU64>,
        ) -> Result<AllocationSummary, ScanError> {
            let size = state.input.capacity();
            let times = if self.0 == Fault::ReadsTooOften {
                100
            } else {
                1
            };
            let mut data = 0;
            for _ in 0..times {
                data = 0;
                let add = |piece: &[u8]| {
                    data += piece.iter().map(|&byte| u64::from(byte)).sum::<u64>();
                };
                let read = state
                    .input
                    .for_each_piece(&mut state.cache, 0, size, "", add);
                if self.0 != Fault::NumberOnFailedRead {
                    read?;
                }
            }
            state.scans += 1;
            match self.0 {
                Fault::DependsOnSectorSize => data += state.input.sector_size() as u64 / 512,
                Fault::DependsOnTheScan => data += state.scans,
                Fault::MoreDataThanDisk => data = size + 1,
                _ => {}
            }
            let summary = AllocationSummary::new(size, data);
            let other_unit = u64::from(self.0 == Fault::OtherUnit);
            let too_many = u64::from(self.0 == Fault::TooManyUnits);
            Ok(unit.map_or(summary, |unit| {
                summary.with_touched(
                    unit.get() + other_unit,
                    size.div_ceil(unit.get()) + too_many,
                )
            }))
        }

        fn virtual_size(&self, state: &State<'_>) -> u64 {
            state.input.capacity() + u64::from(self.0 == Fault::WrongVirtualSize)
        }

        fn bytes_read(&self, state: &State<'_>) -> u64 {
            state.input.bytes_read() + u64::from(self.0 == Fault::MiscountsReads)
        }
    }

    /// An image of some sectors of every size, whose first half is data.
    fn image() -> Vec<u8> {
        (0..150_000).map(|at| u8::from(at < 75_000)).collect()
    }

    fn all_checks(fault: Fault) {
        let (toy, image) = (Toy(fault), image());
        let summary = answer(&toy, &image, Some(512), &SECTOR_SIZES).unwrap();
        assert_eq!(summary.allocated_bytes, 75_000);
        let failed = every_read_fails(&toy, &image);
        assert_eq!(failed, [293, 147, 74, 37, 19, 10, 5, 3]);
        assert_eq!(every_failed_scan_is_repeated(&toy, &image), 293);
        callers_mistakes(&toy, &image);
    }

    #[test]
    fn a_sound_scanner_passes() {
        all_checks(Fault::None);
    }

    #[test]
    fn every_fault_is_found_and_named() {
        for (fault, message) in [
            (Fault::DependsOnSectorSize, "depends on the sector size"),
            (Fault::DependsOnTheScan, "a second scan answers otherwise"),
            (Fault::ReadsTooOften, "reads of 512 bytes, bound"),
            (Fault::MiscountsReads, "assertion `left == right` failed"),
            (Fault::WrongVirtualSize, "assertion `left == right` failed"),
            (Fault::MoreDataThanDisk, "allocated_bytes: 150001"),
            (Fault::OtherUnit, "assertion `left == right` failed"),
            (Fault::TooManyUnits, "count: 294"),
            (Fault::NumberOnFailedRead, "read 0 of 512 bytes failed: Ok"),
            (Fault::TakesAnything, "InvalidArgument"),
        ] {
            let panic = catch_unwind(|| all_checks(fault)).expect_err("the fault was not found");
            let text = panic.downcast_ref::<String>().map_or_else(
                || (*panic.downcast_ref::<&str>().expect("a text")).to_owned(),
                Clone::clone,
            );
            assert!(text.contains(message), "{fault:?}: {text}");
        }
    }
}
