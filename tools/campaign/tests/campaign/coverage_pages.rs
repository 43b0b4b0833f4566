//! The tracefile and the pages of a corpus's coverage, on the small program of `tests/coverage.rs`.

use crate::coverage_fixture::{FILE, fixture};
use campaign::coverage::counted::{self, CountedFile};
use campaign::coverage::{InMemory, lcov, pages};
use std::collections::BTreeSet;

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
    counted::files(&fixture.map, counts).unwrap()
}

#[test]
fn a_tracefile_has_how_many_inputs_executed_each_line() {
    let files = files(&counts());
    let text = lcov::tracefile(&files);
    assert!(text.starts_with(&format!("TN:\nSF:{FILE}\nFN:")), "{text}");
    assert!(text.ends_with("\nend_of_record\n"), "{text}");
    let lines: BTreeSet<&str> = text.lines().collect();
    let of = |key: &str| lines.iter().filter(|line| line.starts_with(key)).count();
    let never = lines
        .iter()
        .filter(|line| line.starts_with("DA:") && line.ends_with(",0"));
    let totals = [
        ("FNF", of("FN:")),
        ("FNH", of("FNDA:") - of("FNDA:0,")),
        ("LF", of("DA:")),
        ("LH", of("DA:") - never.count()),
    ];
    let totals = totals
        .map(|(key, total)| format!("{key}:{total}"))
        .join(" ");
    // `branch` in lines 3 to 9; `else` in line 6 is no region, `checked` begins in line 32 and panics in 42.
    let functions =
        "FN:3,branch FNDA:3,branch FN:20,unused FNDA:0,unused FN:32,checked FNDA:1,checked";
    let counts = "DA:3,3 DA:4,3 DA:5,2 DA:7,1 DA:9,3 DA:20,0 DA:32,1";
    for line in [functions, counts, &totals].join(" ").split(' ') {
        assert!(lines.contains(line), "{line} is not in {text}");
    }
    assert_eq!(["DA:1,", "DA:2,", "DA:10,"].map(of), [0; 3]);
    assert_eq!(lines.len(), text.lines().count(), "each line is there once");
}

#[test]
fn pages_mark_code_that_no_input_executed() {
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
