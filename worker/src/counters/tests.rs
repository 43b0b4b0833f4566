//! Profiles, probes and watching, on profile files made by hand.

use super::*;

/// A profile file as the runtime writes it: two functions, the first with 2 counters and the second with 1;
/// in memory the counters lie 64 bytes before the records, and the second function's come first.
fn profile_bytes(counters: [u64; 3]) -> Vec<u8> {
    let delta = 64_u64.wrapping_neg();
    let record = |name: u64, first_counter: u64, count: u64, index: u64| {
        let pointer = delta
            .wrapping_add(first_counter * 8)
            .wrapping_sub(index * 64);
        [name, name + 1, pointer, 0, 0, 0, count, 0]
    };
    let mut words = vec![
        MAGIC, VERSION, 16, 2, 8, 3, 0, 0, 0, 4, delta, 0, 0, 0, 0, 2,
    ];
    words.extend([11, 12]); // identifiers of the binary
    words.extend(record(70, 1, 2, 0));
    words.extend(record(80, 0, 1, 1));
    words.push(99); // padding before the counters
    words.extend(counters);
    words.push(0x6463_6261); // names
    words.into_iter().flat_map(u64::to_le_bytes).collect()
}

/// A file of this test's own, removed when dropped.
struct TemporaryFile(std::path::PathBuf);

impl TemporaryFile {
    fn new(test: &str, bytes: &[u8]) -> Self {
        let name = format!("counters-{}-{test}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, bytes).unwrap();
        Self(path)
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).unwrap();
    }
}

fn probe(terms: &[(u32, i32)]) -> Probe {
    Probe {
        terms: terms.to_vec(),
    }
}

#[test]
fn functions_are_found_by_their_pointers_not_by_their_order() {
    let file = TemporaryFile::new("functions", &profile_bytes([7, 8, 9]));
    let profile = Profile::open(&file.0).unwrap();
    let found = profile.functions().unwrap();
    let expected = [(70, 71, 1..3), (80, 81, 0..1)];
    assert_eq!(found.len(), expected.len());
    for (function, (name_hash, structure_hash, counters)) in found.into_iter().zip(expected) {
        assert_eq!(
            function,
            FunctionCounters {
                name_hash,
                structure_hash,
                counters
            }
        );
    }
    let mut snapshot = Snapshot::new(1..3);
    profile.read(&mut snapshot).unwrap();
    assert_eq!([1, 2].map(|place| snapshot.value(place)), [8, 9]);
}

#[test]
fn reset_touches_the_counters_asked_for_and_nothing_else() {
    let file = TemporaryFile::new("reset", &profile_bytes([7, 8, 9]));
    let profile = Profile::open(&file.0).unwrap();
    profile.reset(&mut Snapshot::new(0..2)).unwrap();
    assert_eq!(std::fs::read(&file.0).unwrap(), profile_bytes([0, 0, 9]));
    let beyond = profile.reset(&mut Snapshot::new(2..4)).unwrap_err();
    assert_eq!(beyond.kind(), io::ErrorKind::InvalidInput);
    assert_eq!(std::fs::read(&file.0).unwrap(), profile_bytes([0, 0, 9]));
}

#[test]
fn a_damaged_profile_is_refused_and_says_why() {
    let good = profile_bytes([0; 3]);
    let with_word = |index: usize, value: u64| {
        let mut bytes = good.clone();
        bytes[index * 8..][..8].copy_from_slice(&value.to_le_bytes());
        bytes
    };
    let cases = [
        (Vec::new(), "is empty"),
        (good[..127].to_vec(), "shorter than its header"),
        (with_word(0, MAGIC + 1), "not a raw profile"),
        (with_word(1, 11), "version 0xb"),
        (
            with_word(1, VERSION | 1 << 60),
            "version 0x100000000000000a",
        ),
        (with_word(3, u64::MAX), "does not add up"),
        (with_word(5, 5), "shorter than its header says"),
    ];
    for (index, (bytes, reason)) in cases.into_iter().enumerate() {
        let file = TemporaryFile::new(&format!("damaged-{index}"), &bytes);
        let error = Profile::open(&file.0).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData, "case {index}");
        assert!(error.to_string().contains(reason), "case {index}: {error}");
    }
    // 16 words of header, 2 of identifiers, 2 into the first record.
    for pointer in [0, 1, u64::MAX] {
        let file = TemporaryFile::new(&format!("pointer-{pointer}"), &with_word(20, pointer));
        let error = Profile::open(&file.0).unwrap().functions().unwrap_err();
        assert_eq!(
            error.to_string(),
            "a function's counters are outside the profile"
        );
    }
}

#[test]
fn counters_that_grew_are_found_wherever_they_are() {
    // Two whole blocks and a part of one.
    let range = 100..139;
    for expected in [&[][..], &[100], &[115, 116], &[131, 132, 138]] {
        let mut snapshot = Snapshot::new(range.clone());
        for place in expected {
            // Any byte of the eight.
            snapshot.bytes[(place - 100) * 8 + place % 8] = 1;
        }
        let mut places = vec![7];
        let earlier = Snapshot::new(range.clone());
        snapshot.changed_since(&earlier, &[1; 3], &mut places);
        assert_eq!(places, expected);
        // Nothing is left of what is closed.
        snapshot.changed_since(&earlier, &[1, 0, 0], &mut places);
        assert!(
            places.iter().all(|place| *place < 116)
                && places.len() == expected.iter().filter(|place| **place < 116).count()
        );
    }
}

#[test]
fn probes_survive_their_text() {
    let text = "0:1\n3:1 1:-1 2:-2\n";
    let probes = Probes::parse(text).unwrap();
    assert_eq!(probes.to_text(), text);
    assert_eq!((probes.len(), probes.counters()), (2, 0..4));
    assert_eq!([0, 1].map(|probe| probes.is_additive(probe)), [true, false]);
    for wrong in ["\n", "1\n", "1:x\n", "1:1  2:1\n", "-1:1\n"] {
        let error = Probes::parse(wrong).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{wrong:?}");
    }
}

/// Plays the process: `runs` are what the counters grow by in each input, and what is to be reported for it. Whether
/// they start again at zero for each makes no difference.
fn watch(test: &str, report: Report, runs: &[([u64; 3], Ended, &[usize])]) {
    for alone in [true, false] {
        watch_runs(&format!("{test}-{alone}"), report, runs, alone);
    }
}

fn watch_runs(test: &str, report: Report, runs: &[([u64; 3], Ended, &[usize])], alone: bool) {
    let mut total = [0; 3];
    let file = TemporaryFile::new(test, &profile_bytes([5, 5, 5]));
    // An `if` in a function that counter 0 counts, taken as often as counter 2 says, and its `else`.
    let probes = [&[(0, 1)][..], &[(2, 1)], &[(0, 1), (2, -1)]];
    let probes = probes.into_iter().map(probe).collect();
    let mut watch = Watch::start(&file.0, probes, report).unwrap();
    for (index, &(counters, ended, reached)) in runs.iter().enumerate() {
        if alone {
            watch.start_again().unwrap();
            let zero = std::fs::read(&file.0).unwrap();
            assert_eq!(zero, profile_bytes([0; 3]), "before run {index}");
            total = [0; 3];
        }
        for (total, counter) in total.iter_mut().zip(counters) {
            *total += counter;
        }
        std::fs::write(&file.0, profile_bytes(total)).unwrap();
        assert_eq!(watch.after_input(ended).unwrap(), reached, "run {index}");
    }
}

#[test]
fn only_new_probes_are_reported_and_each_input_stands_alone() {
    use Ended::Returned;
    let runs: [(_, _, &[usize]); 4] = [
        ([0, 0, 0], Returned, &[]),
        ([1, 0, 1], Returned, &[0, 1]),
        ([3, 9, 3], Returned, &[]),
        ([2, 0, 1], Returned, &[2]),
    ];
    watch("new", Report::New, &runs);
}

#[test]
fn all_probes_of_an_input_are_reported() {
    use Ended::Returned;
    let runs: [(_, _, &[usize]); 3] = [
        ([1, 0, 1], Returned, &[0, 1]),
        ([2, 0, 1], Returned, &[0, 1, 2]),
        ([1, 0, 1], Returned, &[0, 1]),
    ];
    watch("all", Report::All, &runs);
}

#[test]
fn an_input_that_ended_midway_does_not_count_for_differences() {
    let runs: [(_, _, &[usize]); 2] = [
        ([1, 0, 0], Ended::Midway, &[0]),
        ([1, 0, 0], Ended::Returned, &[2]),
    ];
    watch("midway", Report::New, &runs);
}

#[test]
fn probes_for_another_binary_are_refused() {
    let file = TemporaryFile::new("another", &profile_bytes([0; 3]));
    let probes = [probe(&[(3, 1)])].into_iter().collect();
    let error = Watch::start(&file.0, probes, Report::New).unwrap_err();
    assert_eq!(error.to_string(), "the probes were made for another binary");
}

#[test]
fn counts_are_told() {
    let file = TemporaryFile::new("counts", &profile_bytes([0; 3]));
    let probes = [&[(0, 1)][..], &[(0, 1), (2, -1)]];
    let probes = probes.into_iter().map(probe).collect();
    let mut watch = Watch::start(&file.0, probes, Report::Counts).unwrap();
    for (counters, told) in [([9, 0, 5], "0:9 1:4"), ([1, 0, 1], "0:1")] {
        watch.start_again().unwrap();
        std::fs::write(&file.0, profile_bytes(counters)).unwrap();
        let mut line = b"pass\t".to_vec();
        watch.tell_after_input(Ended::Returned, &mut line).unwrap();
        assert_eq!(line, [b"pass\t", told.as_bytes()].concat());
    }
}
