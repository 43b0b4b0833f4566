//! Layouts and watching, on profile files made by hand.

use tempfile::NamedTempFile;

use super::*;

/// A profile file as the runtime writes it: two functions and `counters`, which lie 64 bytes before the
/// functions' records in memory.
fn profile_bytes(counters: &[u64]) -> Vec<u8> {
    let delta = 64_u64.wrapping_neg();
    let count = counters.len() as u64;
    let mut words = vec![
        MAGIC, VERSION, 16, 2, 8, count, 0, 0, 0, 4, delta, 0, 0, 0, 0, 2,
    ];
    words.extend([11, 12]); // identifiers of the binary
    words.extend([7; 16]); // the records
    words.push(99); // padding before the counters
    words.extend(counters);
    words.push(0x6463_6261); // names
    words.into_iter().flat_map(u64::to_le_bytes).collect()
}

/// A file with such a profile.
fn file_with(bytes: &[u8]) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(&file, bytes).unwrap();
    file
}

#[test]
fn a_damaged_profile_is_refused_with_the_reason() {
    let good = profile_bytes(&[0; 3]);
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
        (with_word(5, 5), "shorter than its header requires"),
    ];
    for (index, (bytes, reason)) in cases.into_iter().enumerate() {
        let file = file_with(&bytes);
        let error = Watch::start(file.path(), &[]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData, "case {index}");
        assert!(error.to_string().contains(reason), "case {index}: {error}");
    }
}

#[test]
fn ranges_survive_their_text() {
    let text = "0..3\n3..4\n10..100\n";
    let ranges = parse_ranges(text).unwrap();
    assert_eq!(ranges, [0..3, 3..4, 10..100]);
    assert_eq!(ranges_to_text(&ranges), text);
    for wrong in ["\n", "1\n", "1..x\n", "2..2\n", "0..3\n2..4\n", "-1..1\n"] {
        let error = parse_ranges(wrong).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{wrong:?}");
    }
}

#[test]
fn reset_touches_the_watched_counters_and_nothing_else() {
    let file = file_with(&profile_bytes(&[7, 8, 9, 10]));
    Watch::start(file.path(), &[1..2, 2..3]).unwrap();
    let expected = profile_bytes(&[7, 0, 0, 10]);
    assert_eq!(std::fs::read(file.path()).unwrap(), expected);
    let beyond = Watch::start(file.path(), &[1..2, 2..5]).unwrap_err();
    assert!(beyond.to_string().contains("another binary"), "{beyond}");
    assert_eq!(std::fs::read(file.path()).unwrap(), expected);
}

/// Plays the process: what counters grow by in each input, from zero or from where they were.
#[test]
fn growth_is_reported_wherever_it_is() {
    // Two whole blocks and a part of one, a gap, and a single counter.
    let ranges = [3..42, 50..51];
    let runs: [&[(usize, u64)]; 5] = [
        &[],
        &[(3, 1)],
        &[(18, 2), (19, 1 << 40)],
        &[(34, 5), (35, 6), (41, 7), (50, 8)],
        &[(3, 1)],
    ];
    for is_reset in [true, false] {
        let mut counters = [0; 60];
        let file = file_with(&profile_bytes(&[5; 60]));
        let mut watch = Watch::start(file.path(), &ranges).unwrap();
        for grown in runs {
            if is_reset {
                watch.reset().unwrap();
                counters = [0; 60];
            }
            for &(counter, by) in grown {
                counters[counter] += by;
            }
            // Nobody watches these.
            counters[42] += 1;
            counters[55] += 1;
            std::fs::write(file.path(), profile_bytes(&counters)).unwrap();
            assert_eq!(watch.after_input().unwrap(), grown);
        }
    }
}

#[test]
fn growth_is_appended_as_text() {
    let file = file_with(&profile_bytes(&[0; 3]));
    let mut watch = Watch::start(file.path(), &[0..1, 2..3]).unwrap();
    for (counters, expected) in [([9, 0, 5], "0:9 2:5"), ([9, 0, 6], "2:1"), ([9, 1, 6], "")] {
        std::fs::write(file.path(), profile_bytes(&counters)).unwrap();
        let mut line = b"pass\t".to_vec();
        watch.put_after_input(&mut line).unwrap();
        assert_eq!(line, [b"pass\t", expected.as_bytes()].concat());
    }
}
