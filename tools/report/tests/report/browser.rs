//! The page of a comparison in a real browser: nothing in its console, nothing wider than the window,
//! everything readable, and everything within reach of a keyboard.

use std::fs;
use std::path::Path;
use std::process::Command;

use report::page;
use serde_json::Value;

const LOOK: &str = include_str!("browser/look.js");

/// The widths of the windows that the page is looked at in, in CSS pixels.
const WIDTHS: [u32; 3] = [400, 1000, 1600];

/// What a browser makes of a page in a window of each width, first as it is and then with everything opened; and
/// what it writes on its console. The windows are frames, for a browser's own window has a least width.
fn look(html: &str, dark: bool) -> (Vec<Value>, String) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("page.html"), html).unwrap();
    let frame = |width| format!("<iframe src='page.html' width='{width}' height='900'></iframe>");
    let frames: String = WIDTHS.map(frame).concat();
    let looking = include_str!("browser/look.html")
        .replace("FRAMES", &frames)
        .replace("LOOK", LOOK);
    let start = folder.path().join("look.html");
    fs::write(&start, looking).unwrap();
    let output = browser(folder.path())
        .arg(format!(
            "--blink-settings=preferredColorScheme={}",
            u8::from(!dark)
        ))
        .args([
            "--allow-file-access-from-files",
            "--virtual-time-budget=10000",
        ])
        .args(["--window-size=1700,1000", "--dump-dom"])
        .arg(format!("file://{}", start.display()))
        .output()
        .expect("Chromium starts; scripts/setup --test installs it");
    let dom = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    let title = dom
        .split_once("<title>")
        .and_then(|(_, rest)| rest.split_once('<'));
    let (title, _) = title.unwrap_or_else(|| panic!("nothing was seen: {dom}\n{errors}"));
    let console: Vec<&str> = errors
        .lines()
        .filter(|line| line.contains("CONSOLE"))
        .collect();
    (serde_json::from_str(title).unwrap(), console.join("\n"))
}

fn browser(profile: &Path) -> Command {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = |name: &&&str| std::env::split_paths(&path).any(|at| at.join(name).exists());
    let mut command = Command::new(names.iter().find(is_there).unwrap_or(&names[0]));
    // There is no sandbox for root; the only page that is opened is our own.
    command
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
        ])
        .args([
            "--disable-background-networking",
            "--hide-scrollbars",
            "--enable-logging=stderr",
        ])
        .arg(format!(
            "--user-data-dir={}",
            profile.join("profile").display()
        ));
    command
}

/// What is wrong with a page in a window of this width.
fn faults(seen: &Value, width: u32, dark: bool) -> Vec<String> {
    let mut faults = Vec::new();
    if seen["scroll_width"].as_u64() > Some(width.into()) {
        faults.push(format!("{} wide", seen["scroll_width"]));
    }
    if seen["width"] != width {
        faults.push(format!("the window is {} wide", seen["width"]));
    }
    if seen["dark"] != dark {
        faults.push("the theme is the other one".to_owned());
    }
    for section in seen["sections"].as_array().unwrap() {
        if section[1] != true {
            faults.push(format!("{} cannot be seen", section[0]));
        }
    }
    for (what, elements) in seen["faults"].as_object().unwrap() {
        let elements = elements.as_array().unwrap().iter().take(5);
        faults.extend(elements.map(|element| format!("{element} {what}")));
    }
    faults
}

#[test]
#[ignore = "needs Chromium; scripts/test runs it"]
fn the_page_in_a_browser() {
    let html = page::html(&crate::sample::full());
    // It stays there to be looked at.
    fs::write(
        Path::new(env!("CARGO_TARGET_TMPDIR")).join("page.html"),
        &html,
    )
    .unwrap();
    for dark in [false, true] {
        let (seen, console) = look(&html, dark);
        assert_eq!(console, "");
        for (at, seen) in seen.iter().enumerate() {
            let (width, opened) = (WIDTHS[at / 2], at % 2 == 1);
            let faults = faults(seen, width, dark);
            assert!(
                faults.is_empty(),
                "{width}, dark: {dark}, opened: {opened}: {faults:#?}"
            );
            assert!(seen["texts"].as_u64() > Some(300), "{}", seen["texts"]);
            assert!(seen["stops"].as_u64() > Some(20), "{}", seen["stops"]);
            assert_eq!((&seen["nav"], &seen["tables"]), (&1.into(), &opened.into()));
        }
        let ids = seen[0]["sections"]
            .as_array()
            .unwrap()
            .iter()
            .map(|section| &section[0]);
        assert_eq!(
            ids.collect::<Vec<_>>(),
            [
                "summary",
                "results",
                "target-0",
                "target-1",
                "target-2",
                "finds",
                "conditions",
                "checklist"
            ]
        );
    }
    // Paper has no links, and shows what is closed.
    let (printed, _) = look(&html.replace("@media print", "@media all"), false);
    assert_eq!(
        (&printed[0]["nav"], &printed[0]["tables"]),
        (&0.into(), &true.into())
    );
}

/// What the other test relies on finds what is wrong.
#[test]
#[ignore = "needs Chromium; scripts/test runs it"]
fn the_browsers_checks_find_what_is_wrong() {
    let bad = include_str!("browser/bad.html");
    let (seen, console) = look(bad, true);
    let found = faults(&seen[2], 1000, true).join("\n") + &console;
    for expected in [
        "script",
        "example.invalid",
        "\"gone\" cannot be seen",
        "the theme is the other one",
        "cannot be read",
        " wide\n",
        "reaches out of the window",
        "out of reach of the Tab key",
        "is smaller than 9 pixels",
    ] {
        assert!(found.contains(expected), "{expected} is not in:\n{found}");
    }
}
