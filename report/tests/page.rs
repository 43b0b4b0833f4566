//! The page of a comparison: what it says, that it says it of hostile names too, and that it stands by
//! itself.

mod page_sample;
#[path = "page/xml.rs"]
mod xml;

use std::collections::BTreeSet;

use page_sample::{comparison, sources};
use report::{Comparison, page};
use xml::{Element, read};

fn html() -> String {
    page::html(&comparison(), &sources())
}

/// A page's text with every run of white space as one blank.
fn text_of(page: &str) -> String {
    let (_, text) = read(page).unwrap();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_checker_of_these_tests_finds_what_is_not_well_formed() {
    for bad in [
        "<p>",
        "<p></b>",
        "<p a=b></p>",
        "<p>&</p>",
        "<p>&x;</p>",
        "<p>\u{1}</p>",
        "<p a=\"1\" a=\"2\"/>",
    ] {
        assert!(read(&format!("<!DOCTYPE html>\n{bad}")).is_err(), "{bad}");
    }
    assert!(read("<!DOCTYPE html>\n<p a=\"1\" b=\"2\">x &amp; y<br/></p>\n").is_ok());
}

#[test]
fn the_page_is_well_formed_and_its_references_lead_somewhere() {
    let (elements, _) = read(&html()).unwrap();
    let mut ids = BTreeSet::new();
    for element in &elements {
        if let Some(id) = element.attributes.get("id") {
            assert!(ids.insert(id.as_str()), "the id {id} is there twice");
        }
    }
    let mut references = 0;
    for element in &elements {
        let attribute = |name: &str| element.attributes.get(name).map(String::as_str);
        let link =
            attribute("href").map(|link| link.strip_prefix('#').expect("a link inside the page"));
        for id in [link, attribute("for")].into_iter().flatten().chain(
            attribute("aria-labelledby")
                .unwrap_or("")
                .split_whitespace(),
        ) {
            references += 1;
            assert!(ids.contains(id), "nothing has the id {id}");
        }
    }
    assert!(references > 150, "{references}");
}

#[test]
fn no_name_becomes_markup() {
    let html = html();
    let (elements, text) = read(&html).unwrap();
    assert!(elements.iter().all(|element| element.name != "script"));
    // Notes, failures, drive, processor, system, tool, check, fault, file and command.
    let shown = text
        .matches("</code><script>alert(1)</script> &amp;")
        .count();
    assert!(shown >= 12, "{shown}");
    let attribute = |name: &str| {
        let mut all = elements
            .iter()
            .flat_map(|element| element.attributes.keys());
        all.any(|attribute| attribute == name)
    };
    assert!(!attribute("onload") && !attribute("onclick") && !attribute("style"));
}

#[test]
fn the_page_needs_nothing_from_elsewhere() {
    // Without the source, which has comments.
    let html = page::html(&comparison(), &[]);
    for foreign in [
        "http:", "https:", "url(", "@import", "<script", "src=", "<link", "//",
    ] {
        assert!(!html.contains(foreign), "{foreign}");
    }
    assert!(html.contains("default-src 'none'"));
}

#[test]
fn the_page_is_the_same_every_time() {
    assert_eq!(html(), html());
}

#[test]
fn every_drawing_has_a_title_and_words() {
    let (elements, _) = read(&html()).unwrap();
    let drawings = || elements.iter().filter(|element| element.name == "svg");
    let is_hidden = |element: &&Element| element.attributes.contains_key("aria-hidden");
    let told = drawings().filter(|element| !is_hidden(element));
    for element in told.clone() {
        assert_eq!(element.attributes["role"], "img");
        assert!(element.attributes.contains_key("aria-labelledby"));
    }
    let titles = elements.iter().filter(|element| element.name == "desc");
    assert_eq!(told.count(), titles.count());
    // Those that are hidden stand before a name, or in a row of figures.
    for element in drawings().filter(is_hidden) {
        let class = element.attributes["class"].as_str();
        assert!(["key plot", "strip"].contains(&class), "{class}");
    }
}

#[test]
fn the_result_is_said_in_words_first() {
    let text = text_of(&html());
    for sentence in [
        "Median of the regions that a trial reached, with its 95 % interval: AFL++ 1 338 (1 332–1 346), \
         libFuzzer 1 384 (1 376–1 389) and honggfuzz 1 410 (1 402–1 415). The seeds alone reach 1 006; \
         everything together 1 426 of 2 873 (49.6 %).",
        "honggfuzz reached more than libFuzzer: in 100 % of all pairings of their trials, a large effect \
         (p < 0.001).",
        "The trials do not tell AFL++ from libFuzzer, which does not mean that they are equal.",
        "Regions reached by one engine only: 2 by AFL++, 2 by libFuzzer and 2 by honggfuzz.",
        "1 234 inputs fail scan.reads_bounded and 1 input passes on replay, though an engine reported failure.",
        "honggfuzz lost 2 of 2 trials on fuzz_ill, which do not count: it died too",
        "Each trial had 1m, and not the 24 hours",
        "libFuzzer was not run on fuzz_ill.",
        "fuzz_ill: a check was never evaluated by any input",
        "10 trials of 1 min for each engine on each target.",
    ] {
        assert!(text.contains(sentence), "{sentence}\n{text}");
    }
    assert!(text.find("a large effect") < text.find("executions/s"));
    for claim in ["the best", "wins", "winner"] {
        assert!(!text.contains(claim), "{claim}");
    }
}

#[test]
fn two_trials_rank_nobody() {
    let mut few = comparison();
    for target in &mut few.targets {
        for engine in &mut target.engines {
            engine.trials.truncate(2);
        }
    }
    few.trials = 2;
    report::analysis::analyse(&mut few);
    let text = text_of(&page::html(&few, &sources()));
    assert!(text.contains("Too few trials to tell the engines apart."));
    assert!(text.contains(
        "So few trials cannot tell the engines apart: with 2 and 2 the smallest possible p is 0.33."
    ));
    assert!(
        !text.contains("reached more than AFL++") && !text.contains("reached more than libFuzzer")
    );
    assert!(text.contains("too few trials"));
}

#[test]
fn every_engine_has_its_row() {
    let text = text_of(&html());
    for row in [
        "fuzz_well 2 873 source regions seeds alone – 1 006 35.0 % – – – – – 3",
        "AFL++ 10 1 338 , [1 332–1 346] 46.6 % +331.5 1 350 2 0 25 541 , [24 284–27 513] 75.5 , [73–78]",
        "AFL++ 6 of 10 1 008 , [1 006–1 015]",
        "honggfuzz (failed) 0 of 10 – –",
    ] {
        assert!(text.contains(row), "{row}\n{text}");
    }
}

/// How many elements have this class.
fn of_class(elements: &[Element], class: &str) -> usize {
    let is_it = |element: &&Element| {
        let classes = element.attributes.get("class").map_or("", String::as_str);
        classes.split(' ').any(|one| one == class)
    };
    elements.iter().filter(is_it).count()
}

#[test]
fn growth_is_drawn_over_time_and_executions_on_both_scales_and_told_in_figures() {
    let html = html();
    let (elements, _) = read(&html).unwrap();
    // Three targets, time and executions, two scales, two layouts; seven engines have trials that count.
    assert_eq!(of_class(&elements, "wide"), 3 * 2 * 2);
    assert_eq!(of_class(&elements, "narrow"), 3 * 2 * 2);
    // Those of two survival charts, of one engine each, are beside them.
    assert_eq!(of_class(&elements, "curve"), 7 * 2 * 2 * 2 + 2);
    assert_eq!(of_class(&elements, "band"), 7 * 2 * 2 * 2 + 2);
    // Two targets have two box plots of three engines, and one has two of one.
    assert_eq!(of_class(&elements, "box"), 2 * 3 * 2 + 2);
    assert_eq!(of_class(&elements, "point"), 2 * 3 * 2 * 10 + 2 * 6);

    let text = text_of(&html);
    for words in [
        "seeds alone: 1 006",
        "The vertical axis begins near what the seeds reach, 1 006, and not at 0; 2 873 regions is all",
        "Source regions of fuzz_well over executions, logarithmic axis",
        "engine 100 1k 10k 100k 1M end the median’s last rise",
        "Time to shares of the union",
        "no trial counts",
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
}

#[test]
fn engines_are_compared_with_p_and_effect() {
    let text = text_of(&html());
    for words in [
        "AFL++ – libFuzzer at equal time 1 338 – 1 384 0 < 0.001 < 0.001 0.00 large differ",
        "not told apart",
        "AFL++ 93.8 % 91.7 % 98.1 % libFuzzer 97.1 % 92.1 % –",
        "reached by and not by AFL++ and not by libFuzzer and not by honggfuzz AFL++ – 4 4 libFuzzer 5 – 0",
        "Friedman’s test on the engines’ ranks (by median regions) over 2 targets: χ² =",
        "So few targets say little",
        "scan.reads_bounded find",
        "planted fault",
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
}

#[test]
fn the_source_has_a_gutter_and_what_is_unreached_can_be_found() {
    let html = html();
    for part in [
        // Only a part of the line was reached by some, and nothing by none.
        "<b id=\"t0f4l9\">    9 <u>▒▒▒</u> </b>    if value &gt; 10 \
         <u>{ Some(value) }</u> else <i>{ None }</i>\n",
        "<b>   10 ███ </b>}\n",
        "<b>    6 <i>░</i><u>▒▒</u> </b>        <u>return None;</u>\n",
        "lines without code under test …",
        "<a href=\"#t0f4l9\">9</a>, <a href=\"#t0f4l71\">71–73</a>",
        // What one engine only reached leads there.
        "<a href=\"#t0f4l9\">9:19</a> <span class=\"aside\">(3 of 10)</span>",
    ] {
        assert!(html.contains(part), "{part}");
    }
    let text = text_of(&html);
    for words in [
        "The text of 1 file was not at hand.",
        "1 file with 1 region that nothing reached on this target",
        "crates/vhd/src/footer.rs 6 regions; 4 lines with unreached code",
        "were reached by every engine",
        "libFuzzer and honggfuzz 5",
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
    // Without the texts there are no links to them.
    let without = page::html(&comparison(), &[]);
    assert!(without.contains("There is no source to show.") && !without.contains("#t0f4"));
}

#[test]
fn finds_come_with_their_times_and_the_command_that_replays_them() {
    let text = text_of(&html());
    assert!(text.contains(
        "AFL++: 1 input. Replay the shortest: cargo campaign replay --target fuzz_ill results/plain"
    ));
    assert!(
        text.contains("AFL++ 1 234 2 of 7 0 2.3 s (1), 0 (4)"),
        "{text}"
    );
    // What a shell reads as one word, whatever the path holds.
    assert!(
        text.contains(r#"--target fuzz_ill 'results/a "b" '\''c'\'' </code><script>"#),
        "{text}"
    );
}

#[test]
fn an_empty_comparison_is_a_page_too() {
    let nothing = Comparison {
        targets: Vec::new(),
        across_targets: None,
        interrupted: true,
        ..comparison()
    };
    let text = text_of(&page::html(&nothing, &[]));
    assert!(text.contains("No target was run."));
    let mut failed = comparison();
    failed.targets[2].engines.remove(0);
    assert!(text_of(&page::html(&failed, &[])).contains("Nothing was executed"));
}

/// Three targets of three engines with ten trials, all of the code under test, and full curves.
#[test]
fn a_page_of_this_project_stays_small() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
    let mut sources = Vec::new();
    collect(&folder, &mut sources);
    assert!(sources.len() > 20, "{}", sources.len());
    let mut large = comparison();
    let regions: Vec<_> = sources
        .iter()
        .flat_map(|source| {
            // A region in two lines, as there are; of a quarter the engines reached different shares.
            let lines = source.text.lines().count();
            (1..=lines).step_by(2).map(|line| report::RegionReach {
                file: source.path.clone(),
                start_line: line,
                start_column: 1,
                end_line: line + 1,
                end_column: 200,
                seeds: false,
                by: [1, 2, 3]
                    .map(|engine| 10 - (line / 12 * engine % 40).saturating_sub(30))
                    .to_vec(),
            })
        })
        .collect();
    large.targets.truncate(1);
    large.targets[0].regions = regions;
    large.targets = vec![
        large.targets[0].clone(),
        large.targets[0].clone(),
        large.targets[0].clone(),
    ];
    let size = page::html(&large, &sources).len();
    assert!(size < 3_000_000, "{size}");
}

fn collect(folder: &std::path::Path, sources: &mut Vec<page::SourceFile>) {
    let mut entries: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.file_stem().is_some_and(|name| name == "tests") {
            // Tests are no code under test.
            continue;
        }
        if path.is_dir() {
            collect(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push(page::SourceFile {
                path: path.display().to_string(),
                text: std::fs::read_to_string(&path).unwrap(),
            });
        }
    }
}
