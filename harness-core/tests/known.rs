//! Known findings: replays report them, and engines go on over them. A process of its own: a list is for all of it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use harness_core::project::replay;
use harness_core::subject::ScanFormat;
use harness_core::{ImageFile, Library, Map, Refusal, Subject, fuzz, targets};
use worker::{Verdict, known};

const TARGET: &str = "fuzz_measure_scan";
/// A qcow2 image with a disk of no bytes, as an input.
const SOUND: &[(usize, u8)] = &[
    (1, b'Q'),
    (2, b'F'),
    (3, b'I'),
    (4, 0xfb),
    (8, 2),
    (24, 16),
    (60, 1),
];

fn map(image: ImageFile, _: ScanFormat) -> Result<Map, Refusal> {
    match image.size() {
        512 => Ok(Map::new(7)),
        513 => panic!("a known panic"),
        514 => panic!("another one"),
        _ => Ok(Map::new(9)),
    }
}
const LINE_OF_THE_KNOWN_PANIC: u32 = 25;

fn input(length: usize) -> Vec<u8> {
    let mut input = vec![0; length + 1];
    for &(at, byte) in SOUND {
        input[at] = byte;
    }
    input
}

#[test]
fn known_findings_are_met_and_gone_over() {
    let text = format!(
        "[[known]]\ncheck = 'scan.answer_is_exact'\npart = 'qcow2 scanner'\ndifference = 'virtual_size is wrong'\n\
         reason = 'a test'\n[[known]]\ncheck = 'subject.no_panic'\ndifference = 'known.rs:{LINE_OF_THE_KNOWN_PANIC}'\n\
         reason = 'a test'\n"
    );
    let library: &'static Library = Box::leak(Box::new(Library::new(&[ScanFormat::Qcow2], map)));
    let subject = Subject::new("known::SUBJECT").with_scanner(library);
    let subject: &'static Subject<'static> = Box::leak(Box::new(subject.with_known(text.leak())));
    let target = targets::find(TARGET).unwrap();

    // An engine's process ends when something panics that is not known.
    let gone_over =
        |length| catch_unwind(AssertUnwindSafe(|| fuzz(subject, TARGET, &input(length))));
    let unknown: Vec<usize> = (512..516)
        .filter(|&length| gone_over(length).is_err())
        .collect();
    assert_eq!(unknown, [514]);

    assert_eq!(known::list().len(), 2);
    let nth = |length| match replay(subject, target, &input(length)) {
        Verdict::Known { nth, .. } => Ok(nth),
        Verdict::Fail(violation) => Err(violation.check),
        other => panic!("{other:?}"),
    };
    assert_eq!(nth(512), Ok(0));
    assert_eq!(nth(513), Ok(1));
    assert_eq!(nth(514), Err("subject.no_panic".to_owned()));
    // Another image gets the same difference.
    assert_eq!(nth(515), Ok(0));
}
