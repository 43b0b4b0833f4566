//! The tracefile and the pages of a corpus's coverage, on the small program of `tests/coverage.rs`.

mod coverage_fixture;

use campaign::coverage::counted::{self, CountedFile};
use campaign::coverage::{InMemory, lcov, pages};
use coverage_fixture::{FILE, fixture};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Counts of three inputs: one arm of `branch` twice and the other once, and a panic.
fn counts() -> Vec<u64> {
    let fixture = fixture();
    let inputs = InMemory(vec![b"b\x63", b"b\x01", b"b\x50", b"s\x09"]);
    let mut counts = vec![0; fixture.map.regions().len()];
    let visit = |hits: campaign::coverage::Hits<'_>| {
        for region in hits.numbers() {
            counts[region] += 1;
        }
        Ok(())
    };
    fixture.replay().regions(&inputs, visit).unwrap();
    counts
}

fn files(counts: &[u64]) -> Vec<CountedFile<'static>> {
    let fixture = fixture();
    counted::files(&fixture.map, &fixture.root, counts).unwrap()
}

#[test]
fn a_tracefile_has_how_many_inputs_executed_each_line() {
    let text = lcov::tracefile(&files(&counts()));
    let record = text.strip_prefix(&format!("TN:\nSF:{FILE}\n")).unwrap();
    let record = record.strip_suffix("\nend_of_record\n").unwrap();
    let mut values: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in record.lines() {
        let (key, value) = line.split_once(':').expect("a key and a value");
        values.entry(key).or_default().push(value);
    }
    let keys = ["DA", "FN", "FNDA", "FNF", "FNH", "LF", "LH"];
    assert_eq!(values.keys().copied().collect::<Vec<_>>(), keys);
    let number = |text: &str| text.parse::<u64>().unwrap();
    let pair = |text: &&'_ str| {
        text.split_once(',')
            .map(|(one, other)| (number(one), other.to_owned()))
    };
    let pairs = |key: &str| -> Vec<(u64, String)> {
        values[key].iter().map(|text| pair(text).unwrap()).collect()
    };

    let lines: BTreeMap<u64, u64> = pairs("DA")
        .iter()
        .map(|(line, count)| (*line, number(count)))
        .collect();
    assert_eq!(lines.len(), values["DA"].len());
    // `branch` in lines 3 to 9; `else` in line 6 is no region, `checked` begins in line 32 and panics in 42.
    let of = |range: RangeInclusive<u64>| -> Vec<Option<u64>> {
        range.map(|line| lines.get(&line).copied()).collect()
    };
    assert_eq!(of(1..=5), [None, None, Some(3), Some(3), Some(2)]);
    assert_eq!(of(7..=10), [Some(1), None, Some(3), None]);
    assert_eq!((lines[&20], lines[&32]), (0, 1));
    let (begin, entered) = (pairs("FN"), pairs("FNDA"));
    for (name, line, count) in [("branch", 3, 3), ("unused", 20, 0), ("checked", 32, 1)] {
        assert!(begin.contains(&(line, name.to_owned())), "{text}");
        assert!(entered.contains(&(count, name.to_owned())), "{text}");
    }
    let names = |of: &[(u64, String)]| of.iter().map(|(_, name)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&begin), names(&entered));
    let total = |key: &str| number(values[key][0]) as usize;
    assert_eq!(total("LF"), lines.len());
    assert_eq!(
        total("LH"),
        lines.values().filter(|&&count| count > 0).count()
    );
    assert_eq!(total("FNF"), begin.len());
    assert_eq!(
        total("FNH"),
        entered.iter().filter(|entry| entry.0 > 0).count()
    );
}

#[test]
fn pages_show_every_file_and_mark_what_was_never_executed() {
    let counts = counts();
    let folder = tempfile::tempdir().unwrap();
    let files = files(&counts);
    pages::write(folder.path(), &files, "Four <inputs>.").unwrap();
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let page = "crates.code.src.lib.rs.html";
    let (index, source) = (read("index.html"), read(page));
    for html in [&index, &source] {
        assert!(!html.contains("<script") && !html.contains("http"));
        assert!(html.contains("style.css") && folder.path().join("style.css").is_file());
    }
    assert!(index.contains("Four &lt;inputs&gt;."));
    assert!(index.contains(&format!("<a href=\"{page}\">{FILE}</a>")));
    let covered = files[0].summary.regions;
    let all = covered.total;
    assert_eq!(all, fixture().map.regions().len());
    assert!(covered.covered > 5 && covered.covered < all);
    assert!(index.contains(&format!("{} of {all}", covered.covered)));

    // Every line is there, escaped and with its count.
    let text = std::fs::read_to_string(fixture().root.join(FILE)).unwrap();
    assert_eq!(source.matches("<tr id=\"L").count(), text.lines().count());
    for part in [
        "pub fn generic&lt;T: Into&lt;u64&gt;&gt;(value: T)",
        "<tr id=\"L5\"><td>5</td><td>2</td><td>        1 // above</td></tr>",
        "<tr id=\"L20\" class=\"never\"><td>20</td><td>0</td>",
        // A part of a line: `Err(Stop)` was not reached, since the input ended before.
        "<mark>",
    ] {
        assert!(source.contains(part), "{part} is not in {source}");
    }
    // What was executed is not marked.
    let (_, line_4) = source.split_once("<tr id=\"L4\"").unwrap();
    let (line_4, _) = line_4.split_once("</tr>").unwrap();
    assert!(!line_4.contains("<mark>"), "{line_4}");
}
