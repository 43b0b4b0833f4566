//! The checks of `fuzz_measure_image`: a scan, or what is asked beside it, goes wrong.

use super::*;

/// A recipe of a qcow2 image of ten clusters, three of which hold data.
fn image_input(probe: u8, argument: u16) -> Vec<u8> {
    let mut input = vec![0; recipes::LENGTH];
    input[at::SIZE_MODE] = 4 << 2;
    input[at::SIZE] = 10;
    input[at::RUNS + 2] = 3;
    input[at::PROBE] = probe;
    input[at::PROBE_ARGUMENT..at::PROBE_ARGUMENT + 2].copy_from_slice(&argument.to_le_bytes());
    input
}

/// A recipe of a qcow2 image whose first L2 table has an entry for each of so many clusters of 1 MiB. A number
/// of the header that no scanner minds is damaged.
fn with_a_large_table(clusters: u64, probe: u8, argument: u16) -> Vec<u8> {
    const SIZE_IN_BYTES_OF_A_LARGE_DISK: u8 = 15 << 2 | 1;
    const CLUSTERS_OF_1_MIB: u8 = 11;
    const COMPATIBLE_FEATURES: u8 = 14;
    const ONE_MORE: u8 = 14;
    let mut input = image_input(probe, argument);
    input[at::SIZE_MODE] = SIZE_IN_BYTES_OF_A_LARGE_DISK;
    input[at::SIZE..at::SIZE_TAIL].copy_from_slice(&(clusters << 20).to_le_bytes());
    input[at::SIZE_TAIL + 3] = 0xf0;
    input[at::GEOMETRY] = CLUSTERS_OF_1_MIB;
    input[at::DAMAGES..at::DAMAGES + 4].copy_from_slice(&[1, COMPATIBLE_FEATURES, 0, ONE_MORE]);
    input
}

/// A scan that goes wrong: it gets how often a scan was asked for before, asks for the right one,
/// and spoils it.
pub(crate) fn image_scans_fire() {
    fn fires(id: &str, input: &[u8], spoil: impl Fn(usize, &dyn Fn(u64), &mut ScanAnswer) + Sync) {
        let asked = AtomicUsize::new(0);
        let scanner = ScansWith(|request: ScanRequest<'_>| {
            let (calls, device) = (request.calls, request.device);
            let read = |sector| {
                let _ = calls.read_input_sector(device, sector, &mut [0; 512]);
            };
            let mut answer = BuiltIn.scan(request);
            spoil(asked.fetch_add(1, Ordering::Relaxed), &read, &mut answer);
            answer
        });
        let subject = SUBJECT.with_scanner(&scanner);
        assert_fires(&subject, "fuzz_measure_image", input, id);
    }
    fn summary(answer: &mut ScanAnswer) -> &mut AllocationSummary {
        answer.result.as_mut().expect("a sound image")
    }
    let plain = image_input(0, 0);
    let mut counting = plain.clone();
    counting[at::UNIT] = 1;

    fires("image.allocated_le_virtual_size", &plain, |_, _, answer| {
        summary(answer).allocated_bytes = 1 << 40
    });
    let id = "image.touched_le_units_of_disk";
    fires(id, &counting, |_, _, answer| {
        *summary(answer) = summary(answer).with_touched(512, 1 << 40);
    });
    let id = "image.unit_is_the_one_asked_for";
    fires(id, &counting, |_, _, answer| summary(answer).touched = None);
    fires("image.reads_bounded", &plain, |_, read, _| {
        (0..1 << 17).for_each(|_| read(0))
    });
    fires("image.reads_inside_the_device", &plain, |_, read, _| {
        read(u64::MAX)
    });
    let id = "image.bytes_read_is_what_was_served";
    fires(id, &plain, |_, _, answer| {
        answer.bytes_read = answer.bytes_read.map(|bytes| bytes + 1)
    });
    fires("image.answer_is_exact", &plain, |_, _, answer| {
        summary(answer).allocated_bytes -= 1
    });
    fires("image.answer_is_exact", &plain, |_, _, answer| {
        answer.result = Err(ScanError::NotThisFormat.into())
    });

    // The scan itself is right, what the probe asks is not.
    for (probe, argument, id) in [
        (1, 0, "image.same_answer_again"),
        (2, 3, "image.same_for_every_sector_size"),
        (3, 100, "image.same_for_every_cache"),
        (4, 0, "image.same_on_a_second_scan"),
        (5, 3, "image.same_bytes_for_every_unit"),
    ] {
        fires(id, &image_input(probe, argument), |asked, _, answer| {
            if asked == 1 {
                summary(answer).allocated_bytes -= 1;
            }
        });
    }
    let id = "image.same_on_a_second_scan";
    fires(id, &image_input(4, 0), |_, _, answer| {
        if let Some(again) = &mut answer.again {
            *again = Err(ScanError::NotThisFormat.into());
        }
    });
    let id = "image.failed_read_is_an_io_error";
    for spoiled in [Ok(SOUND), Err(ScanError::Io { sector: 1 << 40 }.into())] {
        fires(id, &image_input(6, 1), |asked, _, answer| {
            if asked == 1 {
                answer.result = spoiled.clone();
            }
        });
    }
    // What is damaged is served up to 512 KiB: of sectors of 4096 bytes enough for 60000 entries, of those of
    // 65536 too little.
    let cut_off = with_a_large_table(70_000, 0, 0);
    let cut_off_in_the_probe = with_a_large_table(60_000, 2, 2);
    for (input, nth) in [(&cut_off, 0), (&cut_off_in_the_probe, 1)] {
        assert_eq!(failure(&SUBJECT, "fuzz_measure_image", input), None);
        fires(id, input, |asked, _, answer| {
            if asked == nth {
                assert!(
                    matches!(&answer.result, Err(Refusal::Error(ScanError::Io { .. }))),
                    "it is cut off"
                );
                answer.result = Err(ScanError::Io { sector: 1 << 40 }.into());
            } else {
                assert!(answer.result.is_ok(), "it is served");
            }
        });
    }
    fires("image.answer_is_exact", &cut_off, |_, _, answer| {
        answer.result = Ok(SOUND)
    });
    let id = "image.more_data_counts_more";
    fires(id, &image_input(7, 9), |asked, _, answer| {
        if asked == 1 {
            summary(answer).allocated_bytes = 0;
        }
    });
}

pub(crate) fn compositions_fire() {
    let fires =
        |probe: u8, answer: &(dyn Fn(&AllocationSummary, Measured) -> Measured + Sync), id| {
            let calculators =
                CalculatesWith::new(|_, summary: &AllocationSummary, right| answer(summary, right));
            let subject = SUBJECT.with_calculators(&calculators);
            let input = image_input(probe, 0);
            blame(&assert_fires(&subject, "fuzz_measure_image", &input, id))
        };
    let refuses_data = |summary: &AllocationSummary, right: Measured| {
        if summary.allocated_bytes == 0 {
            right
        } else {
            Err(MeasureError::InvalidOption)
        }
    };
    let refused = fires(8, &refuses_data, "image.calculators_accept");
    assert_eq!(
        refused,
        "raw calculator: InvalidOption where an answer is due"
    );
    let one_too_much = |_: &AllocationSummary, right: Measured| {
        right.map(|output| MeasureOutput {
            required: output.required + 1,
            fully_allocated: output.fully_allocated + 1,
        })
    };
    let too_much = fires(8, &one_too_much, "image.calculators_are_exact");
    assert_eq!(too_much, "raw calculator: fully_allocated is wrong");
    let too_small = fires(9, &|_, _| sizes(1, 1), "image.required_fits_the_file");
    assert_eq!(too_small, "qcow2 calculator: fully_allocated is wrong");
    // With the right answer to what was scanned, the scanner is at fault.
    let scanner = ScansWith(|request: ScanRequest<'_>| {
        let counts = request.unit.is_some();
        let mut answer = BuiltIn.scan(request);
        if counts && let Ok(summary) = &mut answer.result {
            summary.touched = None;
            summary.allocated_bytes = 0;
        }
        answer
    });
    let subject = SUBJECT.with_scanner(&scanner);
    let input = image_input(9, 0);
    let id = "image.required_fits_the_file";
    let violation = assert_fires(&subject, "fuzz_measure_image", &input, id);
    assert_eq!(blame(&violation), "qcow2 scanner: ");
}

/// The recipe reveals a mistake that the scanner and the model share.
pub(crate) fn truth_fires() {
    let id = "image.answer_is_the_truth";
    let wrong = AllocationSummary::new(10 << 16, 0);
    let scanner = ScansWith(|request: ScanRequest<'_>| {
        let answer = BuiltIn.scan(request);
        assert_ne!(answer.result, Ok(wrong));
        ScanAnswer {
            result: Ok(wrong),
            ..answer
        }
    });
    let Verdict::Fail(violation) = worker::replay(
        &AgainstAModel {
            scanner,
            model: wrong,
        },
        &image_input(0, 0),
    ) else {
        panic!("the check held");
    };
    assert_eq!(violation.check, id, "{violation}");
    // The answer is the model's: no difference between these two explains it.
    assert_eq!(blame(&violation), "qcow2 scanner: ");
    FIRED.lock().unwrap().insert(id.to_owned());
}

/// `fuzz_measure_image` with a scanner, and with a model that always answers the same.
struct AgainstAModel<S> {
    scanner: S,
    model: AllocationSummary,
}

impl<S: Scanner> worker::Target for AgainstAModel<S> {
    fn info(&self) -> worker::TargetInfo {
        unreachable!("nothing panics but a check")
    }
    fn run(&self, data: &[u8]) -> Outcome {
        image::run_against(&BuiltIn, &self.scanner, Judgement::ALL, data, |_, _, _| {
            Ok(self.model)
        })
    }
    fn describe(&self, _: &[u8]) -> Result<worker::Description, String> {
        unreachable!("nothing panics but a check")
    }
    fn fingerprint(&self, _: &[u8]) -> String {
        unreachable!("nobody asks")
    }
}
