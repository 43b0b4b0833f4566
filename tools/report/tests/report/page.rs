//! The page of a comparison: what it shows, that hostile names stay texts, and that it stands by itself.

use std::collections::BTreeSet;

use crate::sample::{full, shows, target};
use report::analysis::analyse;
use report::{Comparison, page, summary};

fn plain(text: &str) -> String {
    let text = text.replace(['\u{a0}', '\u{202f}'], " ");
    let text = text.replace("&lt;", "<").replace("&gt;", ">");
    text.replace("&quot;", "\"").replace("&amp;", "&")
}

/// The page's text, with every run of white space as one blank.
fn text_of(comparison: &Comparison) -> String {
    let html = page::html(comparison);
    let (_, body) = html.split_once("</style>").unwrap();
    let texts = body.split('<').skip(1);
    let texts = texts.map(|piece| plain(piece.split_once('>').expect("a tag ends").1));
    let text = texts.collect::<Vec<_>>().join(" ");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The values of an attribute, in order.
fn attributes<'a>(html: &'a str, name: &str) -> Vec<&'a str> {
    let before = format!(" {name}=\"");
    let values = html.split(&before).skip(1);
    values.map(|rest| rest.split('"').next().unwrap()).collect()
}

#[test]
fn ids_are_unique_and_references_lead_somewhere() {
    let html = page::html(&full());
    let all = attributes(&html, "id");
    let ids: BTreeSet<&str> = all.iter().copied().collect();
    assert_eq!(ids.len(), all.len(), "an id is there twice");
    let links = attributes(&html, "href").into_iter();
    let links = links.map(|link| link.strip_prefix('#').expect("a link inside the page"));
    let labels = attributes(&html, "aria-labelledby").into_iter();
    let references: Vec<&str> = labels.flat_map(|ids| ids.split(' ')).chain(links).collect();
    for id in &references {
        assert!(ids.contains(id), "nothing has the id {id}");
    }
    assert!(references.len() > 30, "{}", references.len());
}

#[test]
fn no_name_becomes_markup() {
    let html = page::html(&full());
    // Notes, failures, drive, processor, system, tool, place, fault and command.
    let text = text_of(&full());
    let shown = text.matches("</code><script>alert(1)</script> &").count();
    assert!(shown >= 12, "{shown}");
    assert!(!html.contains(['\u{1}', '\u{202e}']) && html.contains('\u{fffd}'));
    for name in ["onload", "onclick", "style"] {
        assert_eq!(attributes(&html, name), [""; 0]);
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
    let html = page::html(&full());
    // Three targets with two charts of growth, a find and a fault. All other drawings stand before a name.
    let charts = 3 * 2 + 2;
    for part in ["<desc id=", "role=\"img\" aria-labelledby=\""] {
        assert_eq!(html.matches(part).count(), charts, "{part}");
    }
    let keys = html.matches("<svg class=\"key plot\"").count();
    assert_eq!(html.matches("<svg").count(), charts + keys);
    // Seven engines have trials that count; one engine has a find and a fault.
    for class in ["curve", "band"] {
        let drawn = html.matches(&format!("class=\"{class} style")).count();
        assert_eq!(drawn, 7 * 2 + 2, "{class}");
    }
    shows(
        &text_of(&full()),
        &[
            "Source regions of fuzz_well over executions",
            "The seeds reach 1 006 regions. AFL++: median 1 338 in the end",
            "seeds alone: 1 006",
            "The vertical axis begins near what the seeds reach, 1 006, and not at 0; 1 500 regions are known to be reachable",
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
         alone reach 1 006; everything together 1 426 of 1 500 that are known to be \
         reachable (95.1 %).",
        "honggfuzz reached more than AFL++ (A12 = 1.00, p = ",
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
        &["Regions reached by one engine only: 4 by AFL++ and 3 by honggfuzz."],
    );
    let mut many = comparison.clone();
    let again = full().targets.remove(1).engines;
    many.targets[1].engines.extend(again);
    analyse(&mut many);
    shows(&plain(&summary::markdown(&many)), &["the other 7 pairs"]);
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
    let targets = few.targets.iter_mut();
    for engine in targets.flat_map(|target| &mut target.engines) {
        engine.trials.truncate(2);
    }
    few.trials = 2;
    analyse(&mut few);
    let text = text_of(&few);
    shows(
        &text,
        &[
            "Too few trials to show a difference between any two of them.",
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
            "fuzz_well 2 873 source regions engine trials regions",
            "corpus seeds alone – 1 006 – – – – – 3",
            "AFL++ 10 1 338 [1 332, 1 346] 331.5 1 350 4 0 25 541 [24 284, 27 513] 75.5 [73, 78]",
            "AFL++ 6 of 10 1 008 [1 006, 1 015]",
            "honggfuzz (failed) 0 of 10 – –",
            // Pairs, shares of the union, crates, what one engine only reached.
            "AFL++ – libFuzzer at equal time 1 338 – 1 384 0 0.00018 0.00055 0.00 large first is lower",
            "no difference shown",
            "AFL++ 50 % 713 10 of 10 0 0 AFL++ 90 %",
            "crates/vhd 16 3 [18.8 %] 6 [37.5 %] 7 [43.8 %] 10 [62.5 %]",
            "AFL++: 4 regions that no other engine reached crates/vhd/src/footer.rs:1:1 in 4 of 10",
            // Survival, finds, trials.
            "AFL++ 6 of 7 900 ms 9.0 s",
            "scan.reads_bounded find",
            "planted fault",
            "scan.reads_bounded fuzz_ill AFL++ 1 234 2 of 7 0 2.3 s (1), 0 (4)",
            "unreproduced , AFL++: cargo campaign replay --target fuzz_ill 'results/plain'",
            // One word for a shell, whatever the path holds.
            r#"--target fuzz_ill 'results/a "b" '\''c'\'' </code><script>"#,
            "AFL++ 3 (failed) –",
            "99.5 % 2.2 0.1 % 2026-11-22",
        ],
    );
}

#[test]
fn the_checklist_has_an_answer_and_a_reason_for_every_item() {
    let mut comparison = full();
    for (seconds, trials, answers) in [
        (
            86_400,
            10,
            [
                "B.2.1 a day or more yes : 24 h a trial",
                "B.2.2 ten trials or more yes : 10 trials of",
            ],
        ),
        (
            60,
            1,
            [
                "B.2.1 a day or more no : 1 min a trial",
                "B.2.2 ten trials or more no : 1 trial of",
            ],
        ),
    ] {
        comparison.time_seconds = seconds;
        comparison.trials = trials;
        let text = text_of(&comparison);
        shows(&text, &answers);
        shows(
            &text,
            &[
                "B.1.1 hardware yes",
                "2 cores, 24.0 GiB of memory",
                "The machine is a virtual one",
            ],
        );
        assert!(!text.contains(['{', '}']), "{text}");
    }
    for line in include_str!("../../src/page/checklist.txt").lines() {
        let parts: Vec<&str> = line.split(" | ").collect();
        let [_, answer, reason] = parts[..] else {
            panic!("{line}");
        };
        assert!(
            matches!(
                answer,
                "yes" | "no" | "not applicable" | "{long}" | "{many}" | "{uninformed}"
            ),
            "{line}"
        );
        assert!(reason.len() > 10, "{line}");
    }
}

#[test]
fn an_empty_comparison_is_a_page_too() {
    let nothing = text_of(&crate::sample::comparison(1, Vec::new()));
    shows(
        &nothing,
        &[
            "No engine on one oracle",
            "No target was run.",
            "No input fails a check.",
        ],
    );
    let failed = text_of(&crate::sample::comparison(1, vec![target("t", Vec::new())]));
    shows(
        &failed,
        &["No engine has a trial that counts.", "Nothing was executed"],
    );
}
