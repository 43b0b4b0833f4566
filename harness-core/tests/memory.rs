//! Memory that a library takes: counted, bounded and judged. A process of its own, which has an allocator that counts.

use harness_core::project::{checks, replay};
use harness_core::subject::ScanFormat;
use harness_core::{ImageFile, Judgement, Library, Map, Refusal, Subject, targets};
use worker::Verdict;

harness_core::count_memory!();

/// Takes 64 MiB for caches, and `more` bytes.
fn takes(image: &ImageFile, more: u64) -> Result<Map, Refusal> {
    let mut header = [0; 72];
    image.read_exact_at(&mut header, 0)?;
    let bytes = vec![0_u8; (64 << 20) + usize::try_from(more).unwrap()];
    std::hint::black_box(&bytes);
    Ok(Map::new(0))
}

const MODEST: fn(ImageFile, ScanFormat) -> Result<Map, Refusal> = |image, _| takes(&image, 0);
const GREEDY: fn(ImageFile, ScanFormat) -> Result<Map, Refusal> =
    |image, _| takes(&image, 4 * image.size() + 1);

#[test]
fn a_library_that_takes_too_much_memory_is_a_finding_where_that_is_judged() {
    // A qcow2 image of 512 bytes with a disk of no bytes.
    let mut input = vec![0; 513];
    input[1..5].copy_from_slice(b"QFI\xfb");
    (input[8], input[24], input[60]) = (2, 16, 1);
    let target = targets::find("fuzz_measure_scan").unwrap();
    for (map, judgement, is_fine) in [
        (MODEST, Judgement::ALL, true),
        (GREEDY, Judgement::MEMORY, false),
        (GREEDY, Judgement::VALUES, true),
    ] {
        let library = Library::new(&[ScanFormat::Qcow2], map);
        let subject = Subject::new("memory::SUBJECT").with_scanner(&library);
        let subject = subject.held_to(judgement).from_environment().unwrap();
        let mut listed = checks(&subject).into_iter();
        let is_listed = listed.any(|check| check.id == "subject.memory");
        assert_eq!(is_listed, judgement.has(Judgement::MEMORY));
        match replay(&subject, target, &input) {
            Verdict::Pass => assert!(is_fine),
            Verdict::Fail(found) => {
                assert!(!is_fine && found.check == "subject.memory", "{found}");
                let text = found.to_string();
                assert!(text.contains("memory_allowed = 67110912"), "{text}");
            }
            other => panic!("{other:?}"),
        }
    }
    // What a reader takes counts too. The recipe is of an empty qcow2 image.
    let library = Library::of_reader(&[ScanFormat::Qcow2], |image, _, ranges| {
        takes(&image, 4 * image.size() + 1)?;
        Ok(vec![Vec::new(); ranges.len()])
    });
    let subject = Subject::new("memory::SUBJECT").with_scanner(&library);
    let subject = subject.held_to(Judgement::MEMORY.and(Judgement::CONTENT));
    let target = targets::find("fuzz_measure_image").unwrap();
    match replay(&subject, target, &[0]) {
        Verdict::Fail(found) => assert_eq!(found.check, "subject.memory"),
        other => panic!("{other:?}"),
    }
    // Nor does the process get more than 4 GiB.
    assert!(Vec::<u8>::new().try_reserve_exact(5 << 30).is_err());
}
