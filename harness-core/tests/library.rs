//! A library behind the simple interface: what is judged of it, and what is not.

use std::io::{self, Cursor};
use std::ops::Range;

use built_in::BuiltIn;
use harness_core::library::{Reader, read_each};
use harness_core::project::{checks, replay};
use harness_core::subject::{
    AllocationSummary, Calculators, MeasureOutput, Measured, Options, ScanErrorKind, ScanFormat,
};
use harness_core::{ImageFile, Judgement, Library, Map, Refusal, Subject, check, targets};
use recipes::at;
use worker::{Check, Verdict};

const REFUSED: &str = "not judged: a refusal of what is sound (refusals)";

type Ask = fn(ImageFile, ScanFormat) -> Result<Map, Refusal>;

/// A recipe of a qcow2 image of ten clusters, three of which hold data.
fn image_input(probe: u8, argument: u8) -> Vec<u8> {
    let mut input = vec![0; recipes::LENGTH];
    input[at::SIZE_MODE] = 4 << 2;
    input[at::SIZE] = 10;
    input[at::RUNS + 2] = 3;
    input[at::PROBE] = probe;
    input[at::PROBE_ARGUMENT] = argument;
    input
}

/// The answer about that image.
fn answer(clusters: u64) -> Map {
    let mut map = Map::new(10 << 16);
    map.add(0, clusters << 16);
    map
}

fn right(image: ImageFile, _: ScanFormat) -> Result<Map, Refusal> {
    image.read_exact_at(&mut [0; 104], 0)?;
    Ok(answer(3))
}

const WRONG: Ask = |_, _| Ok(answer(2));
const REFUSES: Ask = |_, _| Err(io::Error::other(format!("no {}", "sense")))?;
const LACKS: Ask = |_, _| Err(Refusal::not_supported("zstd"));

/// Ignores a failed read, and then counts less.
fn ignores_failures(image: ImageFile, _: ScanFormat) -> Result<Map, Refusal> {
    let read = image.read_at(&mut [0; 104], 0);
    Ok(answer(if read.is_ok() { 3 } else { 0 }))
}

/// Does without a read that fails.
fn recovers(image: ImageFile, _: ScanFormat) -> Result<Map, Refusal> {
    let _ = image.read_at(&mut [0; 104], 0);
    Ok(answer(3))
}

fn names_a_failure_wrongly(image: ImageFile, _: ScanFormat) -> Result<Map, Refusal> {
    let read = image.read_at(&mut [0; 104], 0);
    read.map(|_| answer(3)).map_err(|why| Refusal::Words {
        kind: Some(ScanErrorKind::Corrupt),
        words: why.to_string(),
    })
}

/// Reads twice as much as it may.
fn reads_much(image: ImageFile, format: ScanFormat) -> Result<Map, Refusal> {
    for _ in 0..image.size() / 64 {
        image.read_at(&mut [0], 0)?;
    }
    right(image, format)
}

/// Reads until a read fails.
fn walks_in_circles(image: ImageFile, _: ScanFormat) -> Result<Map, Refusal> {
    loop {
        image.read_at(&mut [0; 512], 0)?;
    }
}

/// The verdict in a few words.
fn verdict(map: Ask, judgement: Judgement, target: &str, input: &[u8]) -> String {
    let library = Library::new(&[ScanFormat::Qcow2], map);
    verdict_on(&library, judgement, target, input)
}

fn verdict_on(library: &Library, judgement: Judgement, target: &str, input: &[u8]) -> String {
    let subject = Subject::new("library::SUBJECT")
        .with_scanner(library)
        .held_to(judgement);
    match replay(&subject, targets::find(target).unwrap(), input) {
        Verdict::Pass => "pass".to_owned(),
        Verdict::NotJudged { feature } => format!("not judged: {feature}"),
        Verdict::Fail(violation) => {
            let difference = violation.difference();
            let difference = difference.map(|difference| format!(": {difference}"));
            violation.check + &difference.unwrap_or_default()
        }
        other => format!("{other:?}"),
    }
}

#[test]
fn what_is_judged_fails_and_what_is_not_is_no_pass() {
    const VALUES: Judgement = Judgement::VALUES;
    let of_image = |map, judgement, probe, argument| {
        let input = image_input(probe, argument);
        verdict(map, judgement, "fuzz_measure_image", &input)
    };
    for probe in 0..10 {
        assert_eq!(of_image(right, VALUES, probe, 3), "pass", "{probe}");
        // The probe with more data: this library always answers the same.
        let all = of_image(right, Judgement::ALL.without(Judgement::DETAILS), probe, 3);
        assert_eq!(all, "pass", "{probe}");
    }
    let failed_read = "image.failed_read_is_an_io_error";
    let wrong_bytes = "image.answer_is_exact: allocated_bytes is wrong";
    let refused = "image.answer_is_exact: Refusal where an answer is due";
    let kinds = Judgement::KINDS.and(VALUES);
    let table: [(Ask, Judgement, u8, &str); 14] = [
        (WRONG, VALUES, 0, wrong_bytes),
        (WRONG, Judgement::REFUSALS, 0, wrong_bytes),
        (REFUSES, VALUES, 0, REFUSED),
        (REFUSES, Judgement::REFUSALS, 0, refused),
        (LACKS, Judgement::ALL, 0, "not judged: zstd"),
        (right, VALUES, 6, "pass"),
        (right, kinds, 6, "pass"),
        (ignores_failures, VALUES, 6, failed_read),
        (recovers, VALUES, 6, "pass"),
        (recovers, kinds, 6, failed_read),
        (names_a_failure_wrongly, VALUES, 6, "pass"),
        (names_a_failure_wrongly, kinds, 6, failed_read),
        (reads_much, VALUES, 0, "pass"),
        (reads_much, Judgement::WORK, 0, "image.reads_bounded"),
    ];
    for (nth, (map, judgement, probe, expected)) in table.into_iter().enumerate() {
        assert_eq!(of_image(map, judgement, probe, 0), expected, "row {nth}");
    }
    let circles = of_image(walks_in_circles, VALUES, 0, 0);
    assert_eq!(circles, "not judged: an image that it reads over and over");
    let circles = of_image(walks_in_circles, Judgement::WORK, 0, 0);
    assert_eq!(circles, "image.reads_bounded");
}

#[test]
fn a_sum_is_judged_without_the_units_that_are_asked_for() {
    // They know how much data there is, and not where.
    const SUMS: Ask = |_, _| Ok(Map::of_sum(10 << 16, 3 << 16));
    const SUMS_WRONGLY: Ask = |_, _| Ok(Map::of_sum(10 << 16, 2 << 16));
    for (unit, probe) in [(0, 0), (1, 0), (1, 5), (0, 5), (1, 9)] {
        let mut input = image_input(probe, 2);
        input[at::UNIT] = unit;
        let of_sum = |map| verdict(map, Judgement::REFUSALS, "fuzz_measure_image", &input);
        assert_eq!(of_sum(SUMS), "pass", "unit {unit}, probe {probe}");
        let wrong = "image.answer_is_exact: allocated_bytes is wrong";
        assert_eq!(of_sum(SUMS_WRONGLY), wrong);
    }
}

#[test]
fn an_answer_to_what_is_unsound_is_judged_when_asked_for() {
    let unsound = [0; 1024];
    let of_scan = |map, judgement| verdict(map, judgement, "fuzz_measure_scan", &unsound);
    let taken = of_scan(right, Judgement::VALUES);
    assert_eq!(taken, "not judged: an answer to what is unsound (accepts)");
    let taken = of_scan(right, Judgement::ACCEPTS);
    let missed = "scan.answer_is_exact: an answer where NotThisFormat is due";
    assert_eq!(taken, missed);
    assert_eq!(of_scan(REFUSES, Judgement::VALUES), "pass");
    let of_vhd = verdict(right, Judgement::ALL, "fuzz_measure_scan", &[2; 1024]);
    assert_eq!(of_vhd, "not judged: the format vhd");
    let empty = verdict(right, Judgement::ALL, "fuzz_measure_image", &[]);
    assert!(empty.contains("Rejected"), "{empty}");
}

#[test]
fn an_answer_with_the_size_of_a_reading_that_refuses_is_one_to_what_is_unsound() {
    // A VHD of no sectors. By its size in bytes, which is 2, it lacks the entry of a block.
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../corpus/regressions");
    let path = "fuzz_measure_image/vhd-block-of-2-bytes-without-an-entry";
    let input = std::fs::read(std::path::Path::new(folder).join(path)).unwrap();
    let wrong = "image.answer_is_exact: virtual_size is wrong";
    for (map, expected) in [
        ((|_, _| Ok(Map::new(0))) as Ask, "pass"),
        (
            |_, _| Ok(Map::new(2)),
            "not judged: an answer to what is unsound (accepts)",
        ),
        (|_, _| Ok(Map::new(3)), wrong),
    ] {
        let library = Library::new(&[ScanFormat::Vhd], map);
        let found = verdict_on(&library, Judgement::VALUES, "fuzz_measure_image", &input);
        assert_eq!(found, expected);
    }
}

/// Reads a fixed VHD, which ends with its footer.
fn read_spoiled(image: &ImageFile, ranges: &[Range<u64>], spoil: fn(&mut Vec<u8>)) -> Reads {
    let mut disk = vec![0; image.size() as usize - 512];
    image.read_exact_at(&mut disk, 0)?;
    spoil(&mut disk);
    read_each(ranges, Cursor::new(disk))
}

type Reads = Result<Vec<Vec<u8>>, Refusal>;

#[test]
fn what_is_read_is_judged_by_what_the_image_holds() {
    const CONTENT: Judgement = Judgement::CONTENT;
    const RIGHT: Reader = |image, _, ranges| read_spoiled(&image, ranges, |_| {});
    const ZEROS: Reader = |image, _, ranges| read_spoiled(&image, ranges, |disk| disk.fill(0));
    const REFUSES: Reader = |_, _, _| Err(io::Error::other("no sense"))?;
    let shifts: Reader = |image, _, ranges| read_spoiled(&image, ranges, |it| it.rotate_left(512));
    // The disk begins with the sixth cluster of the file.
    let leaks: Reader =
        |image, _, ranges| read_spoiled(&image, ranges, |it| it.rotate_left(5 << 16));
    let decrypts: Reader = |image, _, ranges| read_spoiled(&image, ranges, |it| it.fill(0x55));
    let refuses_one: Reader = |image, _, ranges| match ranges.len() {
        1 => Err(io::Error::other("it inflates to more than a cluster"))?,
        _ => read_spoiled(&image, ranges, |disk| *disk = vec![0; 10 << 16]),
    };
    let reads_on: Reader = |image, _, ranges| read_spoiled(&image, ranges, |disk| disk.push(0));
    let stops: Reader = |image, format, ranges| RIGHT(image, format, &ranges[..1]);
    let lacks: Reader = |_, _, _| Err(Refusal::not_supported("fixed disks"));
    // 100 KiB, fixed, and by a creator of whose disks the current size counts.
    let mut sound = vec![0; recipes::LENGTH];
    (sound[at::FORMAT], sound[at::SIZE_MODE]) = (2, 1);
    (sound[at::SIZE + 1], sound[at::SIZE + 2]) = (0x90, 1);
    (sound[at::GEOMETRY], sound[at::GEOMETRY + 2]) = (1, 1);
    let mut damaged = sound.clone();
    damaged[at::DAMAGES] = 1;
    let mut encrypted = image_input(0, 0);
    encrypted[recipes::qcow2::knobs::ENCRYPTION] = 7;
    // A compressed cluster that inflates to far more.
    let mut swelling = image_input(0, 0);
    swelling[at::RUNS + 3] = 0xdb;
    let before = [&check::CONTENT, &check::CIPHERTEXT].map(Check::evaluations);
    let refusals = CONTENT.and(Judgement::REFUSALS);
    let data = "image.content_is_exact: data is wrong";
    let length = "image.content_is_exact: bytes_read is wrong";
    let leaked = "image.ciphertext_is_not_content: an answer where Refusal is due";
    let refused = "image.content_is_exact: Refusal where an answer is due";
    for (read, judgement, input, expected) in [
        (RIGHT, refusals, &sound, "pass"),
        (ZEROS, CONTENT, &sound, data),
        (shifts, CONTENT, &sound, data),
        (reads_on, CONTENT, &sound, length),
        (stops, CONTENT, &sound, length),
        (REFUSES, refusals, &sound, refused),
        (REFUSES, CONTENT, &sound, REFUSED),
        (lacks, Judgement::ALL, &sound, "not judged: fixed disks"),
        (ZEROS, Judgement::VALUES, &sound, "not judged: a map"),
        (ZEROS, CONTENT, &damaged, "not judged: a map"),
        (leaks, CONTENT, &encrypted, leaked),
        (decrypts, CONTENT, &encrypted, "pass"),
        (REFUSES, refusals, &encrypted, "not judged: a map"),
        (refuses_one, refusals, &swelling, "pass"),
    ] {
        let library = Library::of_reader(&[ScanFormat::Vhd, ScanFormat::Qcow2], read);
        let verdict = verdict_on(&library, judgement, "fuzz_measure_image", input);
        assert_eq!(verdict, expected);
    }
    let after = [&check::CONTENT, &check::CIPHERTEXT].map(Check::evaluations);
    assert_eq!(after, [before[0] + 7, before[1] + 3]);
}

/// Another writer's sizes: a little more than ours, for an empty disk as well.
struct OwnSizes {
    more: u64,
}

impl Calculators for OwnSizes {
    fn measure(&self, summary: &AllocationSummary, options: &Options) -> Measured {
        let sizes = BuiltIn.measure(summary, options)?;
        Ok(MeasureOutput {
            required: sizes.required + self.more,
            fully_allocated: sizes.fully_allocated + 512,
        })
    }
    fn has_own_sizes(&self) -> bool {
        true
    }
}

#[test]
fn sizes_of_a_writer_of_its_own_are_judged_by_invariants_and_relations() {
    // An empty qcow2 image of 1 MiB, and 64 KiB more for its disk.
    let mut input = vec![0; 68];
    (input[0], input[1], input[2]) = (1, 4, 4);
    input[8] = 16;
    input[24] = 1;
    let target = targets::find("fuzz_measure_calc").unwrap();
    let failed = |more, judgement| {
        let calculators = OwnSizes { more };
        let subject = Subject::new("library::SUBJECT").with_calculators(&calculators);
        let subject = subject.held_to(judgement);
        let ids = checks(&subject);
        assert!(ids.iter().all(|check| check.id != "calc.answer_is_exact"));
        match replay(&subject, target, &input) {
            Verdict::Pass => None,
            Verdict::Fail(violation) => Some(violation.check),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(failed(512, Judgement::ALL), None);
    let violated = failed(1 << 30, Judgement::VALUES).unwrap();
    assert_eq!(violated, "calc.required_le_fully_allocated");
}

#[test]
fn checks_that_are_not_judged_or_have_no_part_are_not_listed() {
    let library = Library::new(&[ScanFormat::Qcow2], right);
    let ids = |subject: &Subject<'_>| -> Vec<&str> {
        checks(subject).iter().map(|check| check.id).collect()
    };
    let without = Subject::new("s");
    assert_eq!(ids(&without), [""; 0]);
    let scans = ids(&without.with_scanner(&library));
    assert!(scans.contains(&"image.answer_is_exact"));
    for id in [
        "scan.reads_bounded",
        "scan.facts_are_exact",
        "image.content_is_exact",
        "image.calculators_are_exact",
        "calc.answer_is_exact",
    ] {
        assert!(!scans.contains(&id), "{id}");
    }
    let reads = library.with_read(|_, _, _| Ok(Vec::new()));
    let reads = ids(&without.with_scanner(&reads).held_to(Judgement::CONTENT));
    assert!(reads.contains(&"image.content_is_exact"));
    assert!(reads.contains(&"image.ciphertext_is_not_content"));
    let calculates = ids(&without.with_calculators(&BuiltIn));
    assert!(calculates.iter().all(|id| id.starts_with("calc.")));
    assert!(calculates.contains(&"calc.raw_covers_virtual_size"));
    assert!(!calculates.contains(&"calc.impossible_data_refused"));
    assert_eq!(ids(&built_in::SUBJECT).len(), check::ALL.len());
}
