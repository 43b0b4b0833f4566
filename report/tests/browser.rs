//! The page of a comparison in a real browser: nothing in its console, nothing wider than the window,
//! everything readable, and everything within reach of a keyboard.

#[path = "browser/chromium.rs"]
mod chromium;
mod page_sample;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use chromium::Chromium;
use report::page;
use serde_json::Value;

const LOOK: &str = include_str!("browser/look.js");
const OPEN_ALL: &str = "document.querySelectorAll('details').forEach(one => { one.open = true; })";

/// What is wrong with the page that is open, at this width.
fn faults(browser: &mut Chromium, width: u32, dark: bool) -> Vec<String> {
    let look = browser.evaluate(LOOK);
    let mut faults = browser.complaints();
    if look["scroll_width"].as_u64() > Some(width.into()) {
        faults.push(format!(
            "{} wide, by {}",
            look["scroll_width"], look["wide"]
        ));
    }
    if look["width"] != width {
        faults.push(format!("the window is {} wide", look["width"]));
    }
    if look["dark"] != dark {
        faults.push("the theme is the other one".to_owned());
    }
    for section in look["sections"].as_array().into_iter().flatten() {
        if section[1] != true {
            faults.push(format!("{} cannot be seen", section[0]));
        }
    }
    for (what, said) in [
        ("pale", "cannot be read on its background"),
        ("small", "is smaller than 9 pixels"),
        ("wide", "reaches out of the window"),
        ("unreachable", "scrolls, and no key gets there"),
    ] {
        for one in look[what].as_array().into_iter().flatten() {
            faults.push(format!("{one} {said}"));
        }
    }
    faults
}

fn sample(folder: &Path) -> std::path::PathBuf {
    let page = folder.join("index.html");
    let html = page::html(&page_sample::comparison(), &page_sample::sources());
    fs::write(&page, html).expect("the page is written");
    page
}

#[test]
#[ignore = "needs Chromium; scripts/test runs it"]
fn the_page_in_a_browser() {
    let folder = tempfile::tempdir().unwrap();
    let page = sample(folder.path());
    let mut browser = Chromium::start();
    for width in [400, 1000, 1600] {
        for dark in [false, true] {
            browser.open(&page, width, dark);
            let closed = faults(&mut browser, width, dark);
            assert!(closed.is_empty(), "{width}, dark: {dark}: {closed:#?}");
            browser.evaluate(OPEN_ALL);
            let opened = faults(&mut browser, width, dark);
            assert!(
                opened.is_empty(),
                "{width}, dark: {dark}, opened: {opened:#?}"
            );
            let texts = browser.evaluate(&format!("{LOOK}.texts"));
            assert!(
                texts.as_u64() > Some(500),
                "only {texts} texts were looked at"
            );
        }
    }
    browser.open(&page, 1000, false);
    assert_eq!(
        browser.evaluate("[...document.querySelectorAll('section')].map(one => one.id)"),
        serde_json::json!([
            "summary",
            "results",
            "across",
            "target-0",
            "target-1",
            "target-2",
            "finds",
            "conditions"
        ])
    );
    every_part_is_within_reach_of_the_tab_key(&mut browser, &page);
    switches_work_by_keyboard(&mut browser, &page);
    links_lead_into_closed_listings(&mut browser, &page);
    print_shows_what_the_switches_hide(&mut browser);
}

fn every_part_is_within_reach_of_the_tab_key(browser: &mut Chromium, page: &Path) {
    browser.open(page, 400, false);
    browser.evaluate(OPEN_ALL);
    // Every element that is to be reached gets a number; a group of radio buttons is one stop.
    let wanted = browser.evaluate(
        "[...document.querySelectorAll('a[href], summary, .scroll, pre.src, input:checked')]\
         .filter(one => one.checkVisibility())\
         .map((one, at) => { one.dataset.stop = at; return `${at} ${one.tagName}.${one.className}`; })",
    );
    let wanted: Vec<String> = serde_json::from_value(wanted).unwrap();
    assert!(wanted.len() > 80, "{}", wanted.len());
    let mut reached = BTreeSet::new();
    for _ in 0..wanted.len() * 2 {
        browser.press("Tab", 9);
        let stop = browser.evaluate("document.activeElement.dataset.stop ?? null");
        if let Some(stop) = stop.as_str() {
            reached.insert(stop.to_owned());
        }
        if reached.len() == wanted.len() {
            return;
        }
    }
    let missed = wanted.iter().filter(|one| {
        let (stop, _) = one.split_once(' ').unwrap();
        !reached.contains(stop)
    });
    panic!("no Tab key gets to {:#?}", missed.collect::<Vec<_>>());
}

fn switches_work_by_keyboard(browser: &mut Chromium, page: &Path) {
    browser.open(page, 1000, false);
    let shown = "[...document.querySelectorAll('#target-0 .panel')]\
                 .filter(one => one.checkVisibility()).map(one => one.className)";
    let classes = |browser: &mut Chromium| browser.evaluate(shown);
    let start = ["panel show-one show-linear", "panel show-one"];
    assert_eq!(classes(browser), serde_json::json!(start));
    for (focus, expected) in [
        (
            "growth-0-over-one",
            ["panel show-two show-linear", "panel show-one"],
        ),
        (
            "growth-0-scale-linear",
            ["panel show-two show-logarithmic", "panel show-one"],
        ),
        (
            "heat-0-by-one",
            ["panel show-two show-logarithmic", "panel show-two"],
        ),
    ] {
        browser.evaluate(&format!("document.getElementById('{focus}').focus()"));
        browser.press("ArrowRight", 39);
        assert_eq!(classes(browser), serde_json::json!(expected), "{focus}");
    }
}

fn links_lead_into_closed_listings(browser: &mut Chromium, page: &Path) {
    browser.open(page, 1000, false);
    let place = "(() => { const line = document.querySelector(':target'); \
                 const at = line?.getBoundingClientRect(); \
                 return line ? [line.checkVisibility(), at.top >= 0 && at.bottom <= innerHeight, \
                 line.textContent.trim().split(' ')[0]] : null; })()";
    assert_eq!(browser.evaluate(place), Value::Null);
    let opened = "[...document.querySelectorAll('details.source')].filter(one => one.open).length";
    assert_eq!(browser.evaluate(opened), 0);
    // The list of what one engine only reached is opened by a key, and a line of it is followed.
    browser.evaluate("document.querySelector('#target-0 #only-0 ~ details summary').focus()");
    browser.press_enter();
    browser.press("Tab", 9);
    assert_eq!(
        browser.evaluate("document.activeElement.textContent"),
        "9:19"
    );
    browser.press_enter();
    assert_eq!(
        browser.evaluate(place),
        serde_json::json!([true, true, "9"])
    );
    assert_eq!(browser.evaluate(opened), 1);
}

fn print_shows_what_the_switches_hide(browser: &mut Chromium) {
    browser.call(
        "Emulation.setEmulatedMedia",
        serde_json::json!({"media": "print"}),
    );
    let shown = browser.evaluate(
        "[document.querySelector('nav').checkVisibility(), \
         [...document.querySelectorAll('#target-0 .panel')].every(one => one.checkVisibility()), \
         [...document.querySelectorAll('details.small table')].every(one => one.checkVisibility())]",
    );
    assert_eq!(shown, serde_json::json!([false, true, true]));
    browser.call(
        "Emulation.setEmulatedMedia",
        serde_json::json!({"media": ""}),
    );
}

/// What the other test relies on finds what is wrong.
#[test]
#[ignore = "needs Chromium; scripts/test runs it"]
fn the_browsers_checks_find_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("bad.html");
    let bad = "<!DOCTYPE html><html><head><meta charset='utf-8'>\
        <meta http-equiv='Content-Security-Policy' content=\"default-src 'none'; style-src 'unsafe-inline'\">\
        <title>bad</title></head><body><main><script>1</script><img src='https://example.invalid/a.png'>\
        <section id='gone' hidden>x</section><p style='color: #ccc; width: 2000px'>pale and wide</p>\
        <div style='overflow-x: auto; width: 100px'><p style='width: 900px'>no key gets here</p></div>\
        <svg class='plot' width='100' viewBox='0 0 1000 100'><text y='50' font-size='12'>small</text></svg>\
        </main></body></html>";
    fs::write(&page, bad).unwrap();
    let mut browser = Chromium::start();
    browser.open(&page, 1000, true);
    let found = faults(&mut browser, 1000, true).join("\n");
    for expected in [
        "script",
        "example.invalid",
        "\"gone\" cannot be seen",
        "the theme is the other one",
        "cannot be read",
        "wide, by",
        "reaches out of the window",
        "no key gets there",
        "is smaller than 9 pixels",
    ] {
        assert!(found.contains(expected), "{expected} is not in:\n{found}");
    }
}
