//! Pictures of a comparison's page: those in docs/images, or the whole page to look at.
//!
//! ```text
//! cargo run -p report --example screenshots -- results/compare/october/index.html docs/images
//! cargo run -p report --example screenshots -- results/compare/october/index.html /some/folder --all
//! ```
//!
//! The first writes the beginning of the page at three widths and some of its parts; the second the whole
//! page at three widths, light and dark, and once with everything opened. Needs Chromium.

#[path = "../tests/browser/chromium.rs"]
mod chromium;

use std::fs;
use std::path::{Path, PathBuf};

use chromium::Chromium;

/// The beginning of the page: the width of the window, whether it is dark, how much of it, and how much
/// smaller the picture is.
const BEGINNINGS: [(u32, bool, f64, f64); 3] = [
    (400, true, 900.0, 0.75),
    (1000, false, 1000.0, 0.6),
    (1600, false, 1000.0, 0.5),
];

/// A part of the page.
struct Part {
    /// The picture's name.
    name: &'static str,
    width: u32,
    dark: bool,
    /// A script that opens or chooses what is to be seen, and gives the element at which the picture begins.
    begin: &'static str,
    /// How much of the page it shows.
    height: f64,
}

const PARTS: [Part; 3] = [
    Part {
        name: "growth",
        width: 1000,
        dark: false,
        begin: "document.getElementById('growth-1-scale-logarithmic').click(), \
                document.getElementById('growth-1')",
        height: 560.0,
    },
    Part {
        name: "heat",
        width: 1000,
        dark: false,
        begin: "document.getElementById('heat-1')",
        height: 560.0,
    },
    Part {
        name: "source",
        width: 1000,
        dark: true,
        begin: "(() => { const all = [...document.querySelectorAll('#target-1 details.source')]; \
                const one = all.find(one => one.querySelectorAll('pre > i').length > 3) ?? all[0]; one.open = true; \
                const at = one.querySelector('pre > i'); const list = one.querySelector('pre'); \
                list.scrollTop += (at?.getBoundingClientRect().top ?? 0) - list.getBoundingClientRect().top - 160; \
                return one; })()",
        height: 520.0,
    },
];

/// The most pixels of height in one picture of the whole page.
const SLICE: f64 = 1800.0;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (page, folder, all) = match arguments.as_slice() {
        [page, folder] => (page, folder, false),
        [page, folder, all] if all == "--all" => (page, folder, true),
        _ => {
            eprintln!("usage: screenshots PAGE FOLDER [--all]");
            std::process::exit(2);
        }
    };
    let (page, folder) = (PathBuf::from(page), PathBuf::from(folder));
    fs::create_dir_all(&folder).expect("the folder can be made");
    let mut browser = Chromium::start();
    if all {
        whole_page(&mut browser, &page, &folder);
    } else {
        for (width, dark, height, scale) in BEGINNINGS {
            browser.open(&page, width, dark);
            let picture = browser.picture((0.0, height), width, scale);
            write(&folder, &format!("report-{width}"), &picture);
        }
        for part in &PARTS {
            browser.open(&page, part.width, part.dark);
            let top = browser.evaluate(&format!(
                "({}).getBoundingClientRect().top + scrollY",
                part.begin
            ));
            let top = top.as_f64().expect("the page has that part") - 10.0;
            let picture = browser.picture((top, part.height), part.width, 0.8);
            write(&folder, &format!("report-{}", part.name), &picture);
        }
    }
    let complaints = browser.complaints();
    assert!(complaints.is_empty(), "{complaints:#?}");
}

fn whole_page(browser: &mut Chromium, page: &Path, folder: &Path) {
    for width in [400, 1000, 1600] {
        for dark in [false, true] {
            browser.open(page, width, dark);
            let theme = if dark { "dark" } else { "light" };
            slices(browser, width, &format!("{width}-{theme}"), folder);
        }
    }
    browser.open(page, 1000, false);
    browser.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })");
    slices(browser, 1000, "opened", folder);
}

fn slices(browser: &mut Chromium, width: u32, name: &str, folder: &Path) {
    let height = browser.evaluate("document.documentElement.scrollHeight");
    let height = height.as_f64().expect("a height");
    let (mut top, mut number) = (0.0, 0);
    while top < height {
        let picture = browser.picture((top, SLICE.min(height - top)), width, 1.0);
        write(folder, &format!("{name}-{number:02}"), &picture);
        top += SLICE;
        number += 1;
    }
}

fn write(folder: &Path, name: &str, picture: &[u8]) {
    let path = folder.join(format!("{name}.png"));
    fs::write(&path, picture).expect("the picture can be written");
    println!("{}", path.display());
}
