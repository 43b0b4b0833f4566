//! The page of a comparison: what it says, that it says it of hostile names too, and that it stands by
//! itself.

use std::collections::{BTreeMap, BTreeSet};

use campaign::report::{
    Comparison, EngineResult, FindGroup, GrowthPoint, Machine, OnlyHere, Reach, SeedsResult,
    TargetResult, TrialResult, VERSION, page,
};

/// Markup, quotes, an entity, a control character and a mark that turns the direction of writing.
const NASTY: &str = "a \"b\" 'c' </code><script>alert(1)</script> &amp; \u{1} \u{202e}";

fn reach(regions: usize) -> Reach {
    Reach {
        regions,
        lines: regions,
        functions: regions,
    }
}

fn engine(name: &str, title: &str, executions: u64, growth: &[(u64, u64, usize)]) -> EngineResult {
    let reach = reach(growth.last().map_or(1006, |&(_, _, regions)| regions));
    let trial = TrialResult {
        trial: 1,
        core: None,
        started: "2026-11-22T15:54:30Z".into(),
        seconds: 8.5,
        seeds_read: 3,
        executions,
        executions_per_second: executions as f64 / 8.5,
        corpus: 77,
        reach,
        stability: None,
        growth: growth
            .iter()
            .map(|&(time_ms, executions, regions)| GrowthPoint {
                time_ms,
                executions,
                regions,
                lines: regions,
                functions: regions,
            })
            .collect(),
        failure: None,
    };
    EngineResult {
        engine: name.into(),
        title: title.into(),
        command: format!("{name} --seconds 8 -- target"),
        trials: vec![trial],
        reach,
        regions: None,
        lines: None,
        functions: None,
        executions: None,
        executions_per_second: None,
        corpus: None,
        crates: Vec::new(),
        only_here: Vec::new(),
        milestones: Vec::new(),
        over_time: Vec::new(),
        over_executions: Vec::new(),
        finds: Vec::new(),
    }
}

fn target(name: &str, engines: Vec<EngineResult>) -> TargetResult {
    TargetResult {
        target: name.into(),
        drives: "the scanners".into(),
        max_input: 65_536,
        dictionary: false,
        total: reach(2873),
        union: reach(1416),
        seeds: SeedsResult {
            inputs: 3,
            reach: reach(1006),
        },
        engines,
        pairs: Vec::new(),
        regions: Vec::new(),
        survivals: Vec::new(),
        never_evaluated: Vec::new(),
    }
}

fn only_here(file: &str, line: usize, column: usize) -> OnlyHere {
    OnlyHere {
        file: file.into(),
        line,
        column,
        trials: 1,
    }
}

/// Two targets: one on which all is well, and one on which nearly everything is not.
fn comparison() -> Comparison {
    let mut libfuzzer = engine(
        "libfuzzer",
        "libFuzzer",
        1_533_531,
        &[(0, 0, 1006), (23, 9205, 1100), (6989, 1_368_956, 1382)],
    );
    libfuzzer.only_here = vec![
        only_here("crates/vhd/src/footer.rs", 71, 23),
        only_here("crates/vhd/src/footer.rs", 116, 20),
        only_here("crates/qcow2/src/entry.rs", 81, 90),
    ];
    let well = target(
        "fuzz_well",
        vec![
            engine(
                "afl",
                "AFL++",
                225_001,
                &[(0, 0, 1006), (2376, 59_367, 1343)],
            ),
            libfuzzer,
            engine(
                "honggfuzz",
                "honggfuzz",
                393_432,
                &[(12, 556, 1007), (5702, 263_825, 1408)],
            ),
        ],
    );

    let mut afl = engine("afl", "AFL++", 1000, &[(1, 10, 1010)]);
    afl.finds = vec![
        FindGroup {
            check: "scan.reads_bounded".into(),
            inputs: 1234,
            example: format!("results/{NASTY}"),
            trials: Vec::new(),
        },
        FindGroup {
            check: "unreproduced".into(),
            inputs: 1,
            example: "results/plain".into(),
            trials: Vec::new(),
        },
    ];
    afl.only_here = vec![only_here(NASTY, 1, 2), only_here("no place at all", 0, 0)];
    let mut honggfuzz = engine("honggfuzz", "honggfuzz", 0, &[]);
    honggfuzz.trials[0].failure = Some(format!("it died: {NASTY}"));
    let mut ill = target("fuzz_ill", vec![afl, honggfuzz]);
    ill.drives = NASTY.into();
    ill.never_evaluated = vec![NASTY.into()];

    Comparison {
        version: VERSION,
        started: "2026-11-22T15:54:30Z".into(),
        time_seconds: 8,
        snapshot_seconds: 1,
        trials: 1,
        order_seed: 0,
        interrupted: false,
        machine: Machine {
            processor: format!("processor {NASTY}"),
            cores: 2,
            jobs: 2,
            system: NASTY.into(),
            tools: vec![("rustc".into(), NASTY.into())],
        },
        code: Vec::new(),
        targets: vec![well, ill],
        across_targets: None,
        notes: Vec::new(),
    }
}

/// An element's start tag.
struct Element {
    name: String,
    attributes: BTreeMap<String, String>,
}

/// Reads a page as XML and gives its elements and its text, without its style, or says what is not well-formed.
fn read(page: &str) -> Result<(Vec<Element>, String), String> {
    let mut elements = Vec::new();
    let mut text = String::new();
    let mut open: Vec<String> = Vec::new();
    let mut rest = page
        .strip_prefix("<!DOCTYPE html>\n")
        .ok_or("no document type")?;
    while let Some(at) = rest.find('<') {
        if open.last().is_none_or(|name| name != "style") {
            text += &characters(&rest[..at])?;
            text.push(' ');
        }
        let end = rest[at..].find('>').ok_or("a tag without an end")? + at;
        let tag = &rest[at + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            let opened = open.pop();
            if opened.as_deref() != Some(name) {
                return Err(format!("</{name}> ends {opened:?}"));
            }
            continue;
        }
        let (tag, is_empty) = match tag.strip_suffix('/') {
            Some(tag) => (tag, true),
            None => (tag, false),
        };
        let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        if name.is_empty()
            || !name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        {
            return Err(format!("<{tag}> has no name"));
        }
        elements.push(Element {
            name: name.to_owned(),
            attributes: attributes_of(attributes)?,
        });
        if !is_empty {
            open.push(name.to_owned());
        }
    }
    if !open.is_empty() || !rest.trim().is_empty() {
        return Err(format!("open at the end: {open:?}; after it: {rest:?}"));
    }
    Ok((elements, text))
}

fn attributes_of(mut rest: &str) -> Result<BTreeMap<String, String>, String> {
    let mut attributes = BTreeMap::new();
    while !rest.is_empty() {
        let bad = || format!("attribute {rest:?}");
        let (name, after) = rest.split_once("=\"").ok_or_else(bad)?;
        let (value, after) = after.split_once('"').ok_or_else(bad)?;
        if attributes
            .insert(name.to_owned(), characters(value)?)
            .is_some()
        {
            return Err(format!("attribute {name} twice"));
        }
        rest = after.strip_prefix(' ').unwrap_or(after);
    }
    Ok(attributes)
}

/// Text without its entities.
fn characters(text: &str) -> Result<String, String> {
    let mut result = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        result += &rest[..at];
        let (entity, after) = rest[at + 1..].split_once(';').ok_or("a bare &")?;
        result.push(match entity {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "#39" => '\'',
            _ => return Err(format!("&{entity};")),
        });
        rest = after;
    }
    result += rest;
    match result
        .chars()
        .find(|&character| character.is_control() && character != '\n')
    {
        Some(character) => Err(format!("{character:?} in a text")),
        None => Ok(result.replace(['\u{202f}', '\u{a0}'], " ")),
    }
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
    let (elements, _) = read(&page::html(&comparison())).unwrap();
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
    assert!(references > 20, "{references}");
}

#[test]
fn no_name_becomes_markup() {
    let html = page::html(&comparison());
    let (elements, text) = read(&html).unwrap();
    assert!(elements.iter().all(|element| element.name != "script"));
    // Drive, failure (in words), processor, system, tool, check (twice), place and command.
    let shown = text
        .matches("</code><script>alert(1)</script> &amp;")
        .count();
    assert!(shown >= 8, "{shown}");
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
    let html = page::html(&comparison());
    for foreign in [
        "http:", "https:", "url(", "@import", "<script", "src=", "<link", "//",
    ] {
        assert!(!html.contains(foreign), "{foreign}");
    }
    assert!(html.contains("default-src 'none'"));
}

#[test]
fn the_page_is_the_same_every_time() {
    assert_eq!(page::html(&comparison()), page::html(&comparison()));
}

#[test]
fn the_result_is_said_in_words_first() {
    let text = text_of(&page::html(&comparison()));
    for sentence in [
        "honggfuzz reached the most: 1 408 of 2 873 source regions (49.0 %). Then libFuzzer 1 382 and \
         AFL++ 1 343. The seeds alone reach 1 006, all engines together 1 416.",
        "Regions reached by one engine only: 3 by libFuzzer.",
        "1 234 inputs fail scan.reads_bounded and 1 input passes on replay, though an engine reported failure.",
        "honggfuzz on fuzz_ill failed, and its result does not count: it died",
        "libFuzzer was not run on fuzz_ill.",
        "fuzz_ill: a check was never evaluated by any input",
        "One trial of 8 s for each engine on each target: a difference of a few regions says nothing.",
    ] {
        assert!(text.contains(sentence), "{sentence}\n{text}");
    }
    assert!(text.find("reached the most") < text.find("executions/s"));
}

#[test]
fn every_engine_has_its_row() {
    let text = text_of(&page::html(&comparison()));
    for row in [
        "fuzz_well 2 873 source regions seeds alone 1 006 35.0 % – – – – – 3 –",
        "AFL++ 1 343 46.7 % +337 0 0 225 001 26 471 77 8.5 s",
        "libFuzzer 1 382 48.1 % +376 3 0 1 533 531 180 415 77 8.5 s",
        "AFL++ 1 010 35.2 % +4 2 1 235 1 000 118 77 8.5 s",
        "honggfuzz (failed) 1 006 35.0 % 0 0 0 0 0 77 8.5 s",
    ] {
        assert!(text.contains(row), "{row}\n{text}");
    }
}

#[test]
fn growth_is_drawn_over_time_and_executions_on_both_scales_and_told_in_figures() {
    let html = page::html(&comparison());
    let (elements, _) = read(&html).unwrap();
    let of_class = |class: &str| {
        let is_it = |element: &&Element| {
            let classes = element.attributes.get("class").map_or("", String::as_str);
            classes.split(' ').any(|one| one == class)
        };
        elements.iter().filter(is_it).count()
    };
    // Two targets, time and executions, two scales, two layouts; four engines that executed something.
    assert_eq!(of_class("plot"), 2 * 2 * 2 * 2);
    assert_eq!(of_class("curve"), 4 * 2 * 2 * 2);
    let is_chosen = |element: &&Element| element.attributes.contains_key("checked");
    assert_eq!(elements.iter().filter(is_chosen).count(), 2 * 2);

    let text = text_of(&html);
    for words in [
        "seeds alone: 1 006",
        "The vertical axes begin near what the seeds reach, 1 006, and not at 0; 2 873 regions is all",
        "Given equal executions instead of equal time (225 001, all that AFL++ made): AFL++ 1 343, \
         libFuzzer 1 100 and honggfuzz 1 007.",
        "AFL++ 1 006 1 006 1 006 1 343 – 1 343 59 367 executions",
        "libFuzzer 1 006 1 006 1 100 1 100 1 100 1 382 1 368 956 executions",
        "Source regions of fuzz_well over executions, logarithmic axis",
        "engine 100 1k 10k 100k 1M end last new region after",
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
}

#[test]
fn a_line_that_does_not_tell_all_says_so() {
    let mut comparison = comparison();
    comparison.targets[0].engines[1].reach = reach(1400);
    let text = text_of(&page::html(&comparison));
    assert!(text.contains("libFuzzer’s lines end at 1 382, below its 1 400 in the table"));
    assert!(!text.contains("Given equal executions"));
}

#[test]
fn regions_of_one_engine_are_listed_by_file() {
    let text = text_of(&page::html(&comparison()));
    assert!(text.contains(
        "libFuzzer: 3 regions in 2 files crates/qcow2/src/entry.rs 81:90 \
         crates/vhd/src/footer.rs 71:23, 116:20"
    ));
    assert!(text.contains("AFL++: 2 regions in 2 files"));
    assert!(text.contains("no place at all"));
}

#[test]
fn finds_come_with_the_command_that_replays_them() {
    let text = text_of(&page::html(&comparison()));
    assert!(text.contains(
        "AFL++: 1 input. Replay the shortest: cargo campaign replay --target fuzz_ill results/plain"
    ));
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
        interrupted: true,
        ..comparison()
    };
    let text = text_of(&page::html(&nothing));
    assert!(text.contains("No target was run.") && text.contains("Interrupted"));
    let mut failed = comparison();
    failed.targets[1].engines.remove(0);
    assert!(text_of(&page::html(&failed)).contains("Nothing was executed"));
}
