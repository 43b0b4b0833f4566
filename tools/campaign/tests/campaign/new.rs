//! A project of one's own: `campaign new`, from nothing to a judged replay, and what the compiler's wrapper instruments.

use std::fs;

use std::process::Command;

use crate::tool::{assert_has, campaign, in_project, json, printed, read, root, stdout};

/// A library that reads VHDs of fixed size: of those all is data.
const LIBRARY: &str = "#![no_std]
/// The size in bytes of the disk with this footer, if it is a fixed one.
pub fn fixed_size(footer: &[u8; 512]) -> Option<u64> {
    let size = footer[48..56].try_into().map(u64::from_be_bytes).ok()?;
    (footer.starts_with(b\"conectix\") && footer[60..64] == [0, 0, 0, 2]).then_some(size)
}
";

/// What is written in the place of `todo!`.
const BODY: &str = "
    let mut footer = [0; 512];
    image.read_exact_at(&mut footer, image.size().saturating_sub(512))?;
    let size = plain_images::fixed_size(&footer);
    let size = size.ok_or_else(|| Refusal::not_supported(\"what is not fixed\"))?;
    let mut map = Map::new(size);
    map.add(0, size);
    Ok(map)
}
";

#[test]
#[ignore = "builds a project; scripts/test runs it"]
fn a_library_is_judged_with_a_few_lines() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir_all(at("lib/src")).unwrap();
    fs::write(at("lib/src/lib.rs"), LIBRARY).unwrap();
    let manifest = "[package]\nname = \"plain-images\"\nedition = \"2024\"\n[workspace]\n";
    fs::write(at("lib/Cargo.toml"), manifest).unwrap();
    let project = at("judged").display().to_string();
    let new = || campaign(&["new", &project, "--package", "plain-images"]);
    printed(0, new().arg("--path").arg(at("lib")));
    let again = printed(1, &mut new());
    assert!(again.contains("exists: name a folder"), "{again}");

    let seeds = at("judged/corpus/seeds/fuzz_measure_scan");
    let replay = |code, options: &[&str]| {
        let mut replay = in_project(&at("judged"), &["replay"]);
        printed(code, replay.arg(&seeds).args(options))
    };
    let open = ["check: subject.no_panic", "with plain_images; then"];
    assert_has(&replay(3, &[]), &open);
    let adapter = at("judged/subject/src/lib.rs");
    let text = read(&adapter).replace("ScanFormat::Qcow2", "ScanFormat::Vhd");
    let (before, _) = text.split_once("\n    todo!").unwrap();
    fs::write(&adapter, before.to_owned() + BODY).unwrap();
    let judged = replay(0, &[]);
    let unjudged = ["judged: what is not fixed", "\nWARNING: NOT JUDGED: "];
    assert_has(
        &judged,
        &["\njudged: values; known", unjudged[0], unjudged[1]],
    );
    assert!(!judged.contains("\n0 passed"), "{judged}");
    // More is asked of it for one run.
    let judged = replay(0, &["--judge", "values,refusals"]);
    assert_has(&judged, &["\njudged: values, refusals; known"]);
    let wrong = replay(1, &["--judge", "speed"]);
    assert_has(&wrong, &["\"speed\"", "values, refusals, accepts"]);

    // The project as a subject of its own: larger images show that it takes unsound ones, and some wrong sizes.
    fs::create_dir(at("judged/subjects")).unwrap();
    std::os::unix::fs::symlink("..", at("judged/subjects/plain")).unwrap();
    let mended = "[[known]]\ncheck = \"a.b\"\nreason = \"is mended\"\n";
    fs::write(at("judged/known.toml"), mended).unwrap();
    let subjects = || in_project(&at("judged"), &["subjects"]);
    let rows = json(3, subjects().arg("--json"));
    let number = |name: &str| rows[0][name].as_u64().unwrap();
    let judged = ["pass", "new"].map(number);
    let not_judged = ["not judged: unsound taken", "not judged: not supported"].map(number);
    assert!(!judged.contains(&0) && !not_judged.contains(&0), "{rows}");
    let all = judged.iter().chain(&not_judged).sum::<u64>();
    assert_eq!((number("cases"), number("known: no longer")), (all, 1));
    assert_eq!(
        (&rows[0]["formats"], number("unsafe blocks")),
        (&"vhd".into(), 0)
    );
    let text = printed(3, subjects().arg("plain"));
    assert_has(
        &text,
        &["| library ", "NO LONGER HAPPENS: a.b, any, any: is mended"],
    );
}

#[test]
fn the_code_under_test_of_a_project_is_instrumented_and_nothing_else() {
    let root = root();
    for (project, package, folder, expected) in [
        ("imago", "imago", "/registry/imago-0.2.6", true),
        ("imago", "serde", "/registry/serde-1.0.0", false),
        ("imago", "harness-core", "harness-core", false),
        // Generic code of the library is compiled with the adapter.
        ("imago", "subject", "subjects/imago/subject", true),
        ("imago", "afl-targets", "subjects/imago/afl-targets", false),
        // A folder may be named, too: `crates/` of our own.
        ("..", "measure-fuzz-measure", "crates/measure", true),
    ] {
        let mut wrapper = Command::new(root.join(".cargo/rustc-wrapper"));
        wrapper.args(["echo", "-O", "-C", "passes=sancov-module"]);
        wrapper.env("MEASURE_FUZZ_PROJECT", root.join("subjects").join(project));
        wrapper.env("CARGO_PKG_NAME", package);
        wrapper.env("CARGO_MANIFEST_DIR", root.join(folder));
        let is_whole = stdout(0, &mut wrapper) == "-O -C passes=sancov-module\n";
        assert_eq!(is_whole, expected, "{package} of {project}");
    }
}
