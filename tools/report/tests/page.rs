//! The page of a comparison: what it shows, that hostile names stay texts, and that it stands by itself.

mod sample;

use std::collections::{BTreeMap, BTreeSet};

use report::analysis::analyse;
use report::{Comparison, page, summary};
use sample::{full, target};

/// An element's name and attributes.
struct Element {
    name: String,
    attributes: BTreeMap<String, String>,
}

fn plain(text: &str) -> String {
    let entities = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&amp;", "&"),
    ];
    let text = text.replace(['\u{a0}', '\u{202f}'], " ");
    entities
        .iter()
        .fold(text, |text, (from, to)| text.replace(from, to))
}

/// A page's elements and its text, with every run of white space as one blank. Elements must be balanced.
fn read(page: &str) -> (Vec<Element>, String) {
    let (mut elements, mut text, mut open) = (Vec::new(), String::new(), Vec::new());
    let page = page.strip_prefix("<!DOCTYPE html>").unwrap();
    for piece in page.split('<').skip(1) {
        let (tag, after) = piece.split_once('>').expect("a tag ends");
        if !tag.starts_with("style") {
            text += &format!(" {}", plain(after));
        }
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name));
            continue;
        }
        let (name, mut rest) = tag.split_once(' ').unwrap_or((tag, ""));
        let mut attributes = BTreeMap::new();
        while let Some((attribute, after)) = rest.split_once("=\"") {
            let (value, after) = after.split_once('"').unwrap();
            attributes.insert(attribute.trim().to_owned(), plain(value));
            rest = after;
        }
        assert_eq!(rest.trim(), "", "{tag}");
        if name != "meta" {
            open.push(name.to_owned());
        }
        elements.push(Element {
            name: name.to_owned(),
            attributes,
        });
    }
    assert_eq!(open, [""; 0]);
    let words: Vec<&str> = text.split_whitespace().collect();
    (elements, words.join(" "))
}

fn text_of(comparison: &Comparison) -> String {
    read(&page::html(comparison)).1
}

#[track_caller]
fn shows(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn ids_are_unique_and_references_lead_somewhere() {
    let (elements, _) = read(&page::html(&full()));
    let mut ids = BTreeSet::new();
    for element in &elements {
        if let Some(id) = element.attributes.get("id") {
            assert!(ids.insert(id.as_str()), "the id {id} is there twice");
        }
    }
    let mut references = 0;
    for element in &elements {
        let link = element.attributes.get("href");
        let link = link.map(|link| link.strip_prefix('#').expect("a link inside the page"));
        let labels = element.attributes.get("aria-labelledby");
        for id in labels
            .into_iter()
            .flat_map(|ids| ids.split(' '))
            .chain(link)
        {
            references += 1;
            assert!(ids.contains(id), "nothing has the id {id}");
        }
    }
    assert!(references > 50, "{references}");
}

#[test]
fn no_name_becomes_markup() {
    let html = page::html(&full());
    let (elements, text) = read(&html);
    assert!(elements.iter().all(|element| element.name != "script"));
    // Notes, failures, drive, processor, system, tool, place, fault and command.
    let shown = text.matches("</code><script>alert(1)</script> &").count();
    assert!(shown >= 12, "{shown}");
    assert!(!html.contains(['\u{1}', '\u{202e}']) && html.contains('\u{fffd}'));
    for name in ["onload", "onclick", "style"] {
        assert!(
            elements
                .iter()
                .all(|element| !element.attributes.contains_key(name))
        );
    }
}

#[test]
fn the_page_needs_nothing_from_elsewhere_and_is_the_same_every_time() {
    let html = page::html(&full());
    for foreign in [
        "http:", "https:", "url(", "@import", "<script", "src=", "<link", "//",
    ] {
        assert!(!html.contains(foreign), "{foreign}");
    }
    assert!(html.contains("default-src 'none'"));
    assert_eq!(html, page::html(&full()));
    // Three targets of three engines with ten trials.
    assert!(html.len() < 400_000, "{}", html.len());
}

#[test]
fn every_drawing_has_a_title_and_words() {
    let (elements, text) = read(&page::html(&full()));
    let drawings = || elements.iter().filter(|element| element.name == "svg");
    let (keys, charts): (Vec<_>, Vec<_>) =
        drawings().partition(|element| element.attributes.contains_key("aria-hidden"));
    for chart in &charts {
        assert_eq!(chart.attributes["role"], "img");
        assert!(chart.attributes.contains_key("aria-labelledby"));
    }
    let words = elements.iter().filter(|element| element.name == "desc");
    assert_eq!(charts.len(), words.count());
    // Three targets with four charts of growth and two box plots, a find and a fault.
    assert_eq!(charts.len(), 3 * (4 + 2) + 2);
    // Hidden drawings stand before a name.
    assert!(keys.iter().all(|key| key.attributes["class"] == "key plot"));
    let of_class = |class: &str| {
        let has = |element: &&Element| {
            let classes = element.attributes.get("class");
            classes.is_some_and(|classes| classes.split(' ').any(|one| one == class))
        };
        elements.iter().filter(has).count()
    };
    // Seven engines have trials that count; one engine has a find and a fault.
    assert_eq!(of_class("curve"), 7 * 4 + 2);
    assert_eq!(of_class("band"), 7 * 4 + 2);
    assert_eq!(of_class("box"), 7 * 2);
    assert_eq!(of_class("point"), 2 * (6 * 10 + 6));
    shows(
        &text,
        &[
            "Source regions of fuzz_well over executions, logarithmic axis",
            "The seeds reach 1 006 regions. AFL++: median 1 338 in the end",
            "seeds alone: 1 006",
            "The vertical axis begins near what the seeds reach, 1 006, and not at 0; 2 873 regions is all",
            "no trial counts",
        ],
    );
}

#[test]
fn the_result_comes_in_words_first_on_the_page_and_in_the_summary() {
    let comparison = full();
    let text = text_of(&comparison);
    let printed = plain(&summary::markdown(&comparison));
    for sentence in [
        "AFL++ 1 338 [1 332, 1 346], libFuzzer 1 384 [1 376, 1 389] and honggfuzz 1 410 [1 402, 1 415]. The seeds \
         alone reach 1 006; everything together 1 426 of 2 873 (49.6 %).",
        "honggfuzz reached more than libFuzzer: in 100 % of all pairings of their trials, a large effect (p = ",
        "No difference is shown between AFL++ and libFuzzer, which does not mean that they are equal.",
        "1 234 inputs fail scan.reads_bounded and 1 input passes on replay, though an engine reported a failure.",
        "honggfuzz lost 2 of 2 trials on fuzz_ill, which do not count: it died too",
        "Each trial had 1 min, and not the 24 hours",
        "libFuzzer was not run on fuzz_ill.",
        "fuzz_ill: no input evaluated 1 check: ",
    ] {
        shows(&text, &[sentence]);
        shows(&printed, &[sentence]);
    }
    shows(
        &text,
        &["Regions reached by one engine only: 2 by AFL++, 2 by libFuzzer and 2 by honggfuzz."],
    );
    shows(
        &printed,
        &[
            "| fuzz_ill   | honggfuzz (failed) | 0 of 10 |",
            "Engines are in no order of merit.",
        ],
    );
    assert!(text.find("a large effect") < text.find("executions/s"));
    for claim in ["the best", "wins", "winner"] {
        assert!(!text.contains(claim) && !printed.contains(claim), "{claim}");
    }
}

#[test]
fn two_trials_rank_nobody() {
    let mut few = full();
    for engine in few
        .targets
        .iter_mut()
        .flat_map(|target| &mut target.engines)
    {
        engine.trials.truncate(2);
    }
    few.trials = 2;
    analyse(&mut few);
    let text = text_of(&few);
    shows(
        &text,
        &[
            "Too few trials to show any difference between the engines.",
            "The smallest p-value that 2 against 2 can give is 0.33: no difference can be significant at 5 %.",
            "large too few trials",
        ],
    );
    assert!(!text.contains("reached more than"));
}

#[test]
fn tables_hold_the_figures() {
    let text = text_of(&full());
    shows(
        &text,
        &[
            // Results.
            "fuzz_well 2 873 source regions seeds alone – 1 006 – – – – – 3",
            "AFL++ 10 1 338 [1 332, 1 346] 331.5 1 350 2 0 25 541 [24 284, 27 513] 75.5 [73, 78]",
            "AFL++ 6 of 10 1 008 [1 006, 1 015]",
            "honggfuzz (failed) 0 of 10 – –",
            // Pairs, shares of the union, crates, who reached what.
            "AFL++ – libFuzzer at equal time 1 338 – 1 384 0 0.00018 0.00055 0.00 large differ",
            "no difference shown",
            "AFL++ 50 % 713 10 of 10 0 0 AFL++ 90 %",
            "qcow2 700 50.4 % 352.5 [340, 360]",
            "reached by these and no others regions AFL++ 5 AFL++, libFuzzer and honggfuzz 4 libFuzzer and honggfuzz 4 no engine 4",
            "AFL++: 2 regions that no other engine reached crates/vhd/src/footer.rs:9:19 in 3 of 10",
            // Survival, finds, trials.
            "AFL++ 6 of 7 900 ms 9.0 s",
            "scan.reads_bounded find",
            "planted fault",
            "AFL++ 1 234 2 of 7 0 2.3 s (1), 0 (4)",
            "AFL++, the shortest: cargo campaign replay --target fuzz_ill results/plain",
            // One word for a shell, whatever the path holds.
            r#"--target fuzz_ill 'results/a "b" '\''c'\'' </code><script>"#,
            "AFL++ 3 (failed) –",
        ],
    );
}

#[test]
fn an_empty_comparison_is_a_page_too() {
    let nothing = text_of(&sample::comparison(1, Vec::new()));
    shows(
        &nothing,
        &[
            "No engine on one oracle",
            "No target was run.",
            "No input fails a check.",
        ],
    );
    let failed = text_of(&sample::comparison(1, vec![target("t", Vec::new())]));
    shows(
        &failed,
        &["No engine has a trial that counts.", "Nothing was executed"],
    );
}
