//! A project of one's own: `campaign new`, from nothing to a judged replay, and what the compiler's wrapper instruments.

mod tool;

use std::fs;

use std::process::Command;

use tool::{campaign, printed, read, root, stdout};

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
        let arguments = ["--project", &project, "replay"];
        printed(code, campaign(&arguments).arg(&seeds).args(options))
    };
    let open = replay(3, &[]);
    for part in [
        "check: subject.no_panic",
        "with plain_images; then `let mut map",
    ] {
        assert!(open.contains(part), "{open}");
    }
    let adapter = at("judged/subject/src/lib.rs");
    let text = read(&adapter).replace("ScanFormat::Qcow2", "ScanFormat::Vhd");
    let (before, _) = text.split_once("\n    todo!").unwrap();
    fs::write(&adapter, before.to_owned() + BODY).unwrap();
    let judged = replay(0, &[]);
    for part in [
        "\njudged: values; known",
        " not judged: what is not fixed",
        "\nWARNING: NOT JUDGED: ",
    ] {
        assert!(judged.contains(part), "{judged}");
    }
    assert!(!judged.contains("\n0 passed"), "{judged}");
    // The project as a subject of its own.
    fs::create_dir(at("judged/subjects")).unwrap();
    std::os::unix::fs::symlink("..", at("judged/subjects/plain")).unwrap();
    let mended = "[[known]]\ncheck = \"a.b\"\nreason = \"is mended\"\n";
    fs::write(at("judged/known.toml"), mended).unwrap();
    let subjects = || campaign(&["--project", &project, "subjects"]);
    let rows = stdout(3, subjects().arg("--json"));
    let rows: serde_json::Value = serde_json::from_str(&rows).unwrap();
    let number = |name: &str| rows[0][name].as_u64().unwrap();
    let parts = [
        "pass",
        "new",
        "not judged: unsound taken",
        "not judged: not supported",
    ];
    assert!(parts.iter().all(|part| number(part) > 0), "{rows}");
    assert_eq!(number("cases"), parts.map(number).iter().sum::<u64>());
    assert_eq!(rows[0]["formats"], serde_json::json!(["vhd"]));
    assert_eq!(
        (number("known: no longer"), number("unsafe blocks")),
        (1, 0)
    );
    let text = printed(3, subjects().arg("plain"));
    for part in [
        "| library ",
        "plain: NO LONGER HAPPENS: a.b, any, any: is mended",
    ] {
        assert!(text.contains(part), "{text}");
    }

    // More is asked of it for one run: all but the fixed ones is not supported, and so no refusal.
    let judged = replay(0, &["--judge", "values,refusals"]);
    assert!(
        judged.contains("\njudged: values, refusals; known"),
        "{judged}"
    );
    let wrong = replay(1, &["--judge", "speed"]);
    assert!(
        wrong.contains("\"speed\"") && wrong.contains("refusals, accepts"),
        "{wrong}"
    );
}

#[test]
fn the_code_under_test_of_a_project_is_instrumented_and_nothing_else() {
    let root = root();
    let is_instrumented = |project: &str, package: &str, folder: &str| {
        let mut wrapper = Command::new(root.join(".cargo/rustc-wrapper"));
        wrapper.args(["echo", "-O", "-C", "passes=sancov-module"]);
        wrapper.env("MEASURE_FUZZ_PROJECT", root.join("subjects").join(project));
        wrapper.env("CARGO_PKG_NAME", package);
        wrapper.env("CARGO_MANIFEST_DIR", root.join(folder));
        stdout(0, &mut wrapper) == "-O -C passes=sancov-module\n"
    };
    assert!(is_instrumented("imago", "imago", "/registry/imago-0.2.6"));
    assert!(!is_instrumented("imago", "serde", "/registry/serde-1.0.0"));
    assert!(!is_instrumented("imago", "harness-core", "harness-core"));
    // Generic code of the library is compiled with the adapter.
    assert!(is_instrumented(
        "imago",
        "subject",
        "subjects/imago/subject"
    ));
    assert!(!is_instrumented(
        "imago",
        "afl-targets",
        "subjects/imago/afl-targets"
    ));
    // A folder may be named, too.
    let toy = "../tools/campaign/tests/toy";
    assert!(is_instrumented(
        toy,
        "runs",
        "tools/campaign/tests/toy/crates/runs"
    ));
}
