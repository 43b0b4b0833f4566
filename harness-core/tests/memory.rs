//! Memory that a library takes: counted, bounded and judged. A process of its own, which has an allocator that counts.

use std::io::{Cursor, Read};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use flate2::read::DeflateDecoder;
use harness_core::library::{Reader, read_each};
use harness_core::project::{checks, replay};
use harness_core::subject::ScanFormat;
use harness_core::{ImageFile, Judgement, Library, Map, Refusal, Subject, targets};
use recipes::{at, qcow2::knobs};
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

fn held_to(library: &Library, judgement: Judgement) -> Subject<'_> {
    let subject = Subject::new("memory::SUBJECT").with_scanner(library);
    subject.held_to(judgement).from_environment().unwrap()
}

/// Memory is counted for all of the process: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

const CLUSTER: u64 = 256 << 10;

/// Inflates the only cluster of a disk, which is the sixth of the file. `most` bytes are too much.
fn inflates(image: &ImageFile, ranges: &[Range<u64>], most: u64) -> Result<Vec<Vec<u8>>, Refusal> {
    let mut stream = vec![0; CLUSTER as usize];
    image.read_at(&mut stream, 5 * CLUSTER)?;
    let mut disk = Vec::new();
    let inflated = DeflateDecoder::new(&stream[..]);
    let length = inflated.take(most).read_to_end(&mut disk)?;
    let is_asked = ranges.iter().any(|range| range.start < CLUSTER);
    if is_asked && length as u64 == most {
        return Err(Refusal::words("it inflates to more than a cluster"));
    }
    disk.truncate(CLUSTER as usize);
    read_each(ranges, Cursor::new(disk))
}

#[test]
fn a_reader_that_inflates_without_a_bound_is_a_finding() {
    const UNBOUNDED: Reader = |image, _, ranges| inflates(&image, ranges, u64::MAX);
    const REFUSES: Reader = |image, _, ranges| inflates(&image, ranges, CLUSTER + 1);
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut recipe = vec![0; recipes::LENGTH];
    // One cluster of 256 KiB, in 256 sectors.
    (recipe[at::SIZE_MODE], recipe[at::SIZE]) = (1 << 2, 1);
    (
        recipe[knobs::CLUSTER_SIZE],
        recipe[knobs::COMPRESSED_SECTORS],
    ) = (9, 255);
    let target = targets::find("fuzz_measure_image").unwrap();
    for (kind, read, due) in [
        (0xdb, UNBOUNDED, "subject.memory"),
        (0xdb, REFUSES, "pass"),
        (3, UNBOUNDED, "pass"),
        (3, REFUSES, "pass"),
    ] {
        recipe[at::RUNS + 2..at::RUNS + 4].copy_from_slice(&[1, kind]);
        let library = Library::of_reader(&[ScanFormat::Qcow2], read);
        let verdict = replay(&held_to(&library, Judgement::ALL), target, &recipe);
        let found = match verdict {
            Verdict::Pass => "pass".to_owned(),
            Verdict::Fail(found) => found.check,
            other => format!("{other:?}"),
        };
        assert_eq!(found, due, "{kind}");
    }
}

#[test]
fn a_library_that_takes_too_much_memory_is_a_finding_where_that_is_judged() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
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
        let subject = held_to(&library, judgement);
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
    // Nor does the process get more than 4 GiB.
    assert!(Vec::<u8>::new().try_reserve_exact(5 << 30).is_err());
}
