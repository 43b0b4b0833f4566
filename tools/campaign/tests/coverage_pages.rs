//! The tracefile and the pages of a corpus's coverage, on the small program of `tests/coverage.rs`.

mod coverage_fixture;

use campaign::coverage::counted::{self, CountedFile};
use campaign::coverage::{InMemory, lcov, pages};
use coverage_fixture::{FILE, fixture};
use std::collections::BTreeMap;
use std::path::Path;

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

/// A record of a tracefile. Reading it panics at anything that is not in the format.
#[derive(Debug, Default, PartialEq)]
struct Record {
    functions: BTreeMap<String, (usize, Option<u64>)>,
    lines: BTreeMap<usize, u64>,
    totals: BTreeMap<String, usize>,
}

fn parse(text: &str) -> BTreeMap<String, Record> {
    let mut records = BTreeMap::new();
    let mut open: Option<(String, Record)> = None;
    for line in text.lines() {
        if line == "end_of_record" {
            let (file, record) = open.take().expect("a record is open");
            assert!(records.insert(file, record).is_none());
            continue;
        }
        let (key, value) = line.split_once(':').expect("a key and a value");
        if key == "TN" {
            continue;
        }
        if key == "SF" {
            assert!(open.is_none());
            open = Some((value.to_owned(), Record::default()));
            continue;
        }
        let record = &mut open.as_mut().expect("a record is open").1;
        let pair = value.split_once(',');
        match (key, pair) {
            ("FN", Some((line, name))) => {
                let entry = (line.parse().unwrap(), None);
                assert!(record.functions.insert(name.to_owned(), entry).is_none());
            }
            ("FNDA", Some((count, name))) => {
                let function = record.functions.get_mut(name).expect("FN comes first");
                assert!(function.1.replace(count.parse().unwrap()).is_none());
            }
            ("DA", Some((line, count))) => {
                let line = line.parse().unwrap();
                assert!(record.lines.insert(line, count.parse().unwrap()).is_none());
            }
            ("FNF" | "FNH" | "LF" | "LH", None) => {
                record.totals.insert(key.to_owned(), value.parse().unwrap());
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(open.is_none());
    records
}

#[test]
fn a_tracefile_has_how_many_inputs_executed_each_line() {
    let counts = counts();
    let records = parse(&lcov::tracefile(&files(&counts)));
    assert_eq!(records.keys().collect::<Vec<_>>(), [FILE]);
    let Record {
        functions,
        lines,
        totals,
    } = &records[FILE];

    // `branch` in lines 3 to 9; `else` in line 6 is no region, `checked` begins in line 32 and panics in 42.
    let of = |lines_of: std::ops::RangeInclusive<usize>| -> Vec<Option<u64>> {
        lines_of.map(|line| lines.get(&line).copied()).collect()
    };
    assert_eq!(of(1..=5), [None, None, Some(3), Some(3), Some(2)]);
    assert_eq!(of(7..=10), [Some(1), None, Some(3), None]);
    assert_eq!(lines[&20], 0);
    assert_eq!(lines[&32], 1);
    assert_eq!(functions["branch"], (3, Some(3)));
    assert_eq!(functions["unused"], (20, Some(0)));
    assert_eq!(functions["checked"], (32, Some(1)));

    let hit = lines.values().filter(|&&count| count > 0).count();
    let entered = functions.values().filter(|entry| entry.1 != Some(0));
    assert_eq!(totals["LF"], lines.len());
    assert_eq!(totals["LH"], hit);
    assert_eq!(totals["FNF"], functions.len());
    assert_eq!(totals["FNH"], entered.count());
    assert!(functions.values().all(|entry| entry.1.is_some()));
}

/// Every start tag of a page has its end, in order.
fn assert_well_formed(html: &str) {
    let mut open = Vec::new();
    let mut rest = html;
    while let Some((_, tail)) = rest.split_once('<') {
        let (tag, tail) = tail.split_once('>').expect("a tag ends");
        rest = tail;
        let name = tag.split([' ', '/']).find(|part| !part.is_empty()).unwrap();
        if tag.starts_with('!') || matches!(name, "meta" | "link") {
            continue;
        }
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "{html}");
        } else {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn pages_show_every_file_and_mark_what_was_never_executed() {
    let counts = counts();
    let folder = tempfile::tempdir().unwrap();
    let files = files(&counts);
    pages::write(folder.path(), &files, "crates/", "Four <inputs>.").unwrap();
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let page = "crates.code.src.lib.rs.html";
    let (index, source) = (read("index.html"), read(page));
    for html in [&index, &source] {
        assert_well_formed(html);
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
    assert!(
        source.contains("pub fn generic&lt;T: Into&lt;u64&gt;&gt;(value: T)"),
        "{source}"
    );
    assert!(
        source.contains("<tr id=\"L5\"><td>5</td><td>2</td><td>        1 // above</td></tr>"),
        "{source}"
    );
    assert!(source.contains("<tr id=\"L20\" class=\"never\"><td>20</td><td>0</td>"));
    // A part of a line: `Err(Stop)` was not reached, since the input ended before.
    assert!(source.contains("<mark>"), "{source}");
    // What was executed is not marked.
    let (_, line_4) = source.split_once("<tr id=\"L4\"").unwrap();
    let (line_4, _) = line_4.split_once("</tr>").unwrap();
    assert!(!line_4.contains("<mark>"), "{line_4}");
    assert!(Path::new(FILE).is_relative());
}
