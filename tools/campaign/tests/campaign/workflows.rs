//! What GitHub's workflows call, called here: with stand-ins for `gh`, and for `cargo` where an engine would run.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::tool::{path_with, printed, read, root};
use tempfile::TempDir;

/// A folder with whatever a script writes, and the programs that stand in for others: see `tests/programs`.
struct Scene {
    folder: TempDir,
    programs: &'static str,
}

impl Scene {
    fn new(programs: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder, programs }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Runs a script as a step of a job does: the stand-ins come before the real programs. It must end with this exit
    /// code. Returns what it prints, and what it adds to the job's page.
    fn run(&self, code: i32, script: &str, arguments: &[&str]) -> (String, String) {
        let page = self.path("page.md");
        let _ = fs::remove_file(&page);
        let mut command = Command::new(root().join("scripts").join(script));
        command
            .args(arguments)
            .env("PATH", path_with(self.programs))
            .env("SCENE", self.folder.path())
            .env("GITHUB_STEP_SUMMARY", page)
            .env("RUN_URL", "https://github.example/runs/1");
        (printed(code, &mut command), self.read("page.md"))
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Sets what the stand-in for cargo does.
    fn set(&self, code: i32, files: &str, content: &str) {
        self.write("code", &code.to_string());
        self.write("files", files);
        self.write("content", content);
    }
}

/// Writes what a triage leaves: for each group its id and status.
fn triage(scene: &Scene, groups: &[(&str, &str)]) -> String {
    let folder = scene.path("triage");
    fs::create_dir_all(folder.join("issues")).unwrap();
    let list = groups.iter();
    let list = list.map(|(id, status)| serde_json::json!({ "id": id, "status": status }));
    let list: Vec<_> = list.collect();
    let report = serde_json::json!({ "version": 1, "groups": list });
    scene.write("triage/triage.json", &report.to_string());
    for (id, _) in groups {
        let issue = format!("# `calc.some_check` fails, \"as $(said)\"\n\nThe words of {id}.\n");
        scene.write(&format!("triage/issues/{id}.md"), &issue);
    }
    folder.display().to_string()
}

fn issues(scene: &Scene) -> Vec<serde_json::Value> {
    serde_json::from_str(&scene.read("issues.json")).unwrap()
}

#[test]
fn a_group_of_finds_is_reported_once() {
    let scene = Scene::new("github");
    let groups = [
        ("0a1b2c3d", "fails"),
        ("4e5f6071", "unreproduced"),
        ("8293a4b5", "mended"),
    ];
    let found = triage(&scene, &groups);
    for _night in 1..=2 {
        scene.run(0, "report-finds", &[&found]);
        assert_eq!(issues(&scene).len(), 2);
    }
    let mut all = issues(&scene);
    assert_eq!(
        all[0]["title"],
        "`calc.some_check` fails, \"as $(said)\" [0a1b2c3d]"
    );
    let body = all[0]["body"].as_str().unwrap();
    assert!(body.contains("The words of 0a1b2c3d."), "{body}");
    assert!(body.contains("https://github.example/runs/1"), "{body}");

    // A find that comes back after its issue was closed is new, as is one that was not there before.
    all[0]["open"] = false.into();
    scene.write("issues.json", &serde_json::json!(all).to_string());
    let found = triage(&scene, &[("0a1b2c3d", "fails"), ("c6d7e8f9", "fails")]);
    scene.run(0, "report-finds", &[&found]);
    assert_eq!(issues(&scene).len(), 4);

    // At most ten at once.
    let names: Vec<String> = (0..12).map(|number| format!("0000000{number:x}")).collect();
    let groups: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "fails")).collect();
    let (text, _) = scene.run(0, "report-finds", &[&triage(&scene, &groups)]);
    assert_eq!(issues(&scene).len(), 14);
    assert!(text.contains("2 more groups"), "{text}");
}

#[test]
fn nothing_to_report_needs_no_repository_and_a_missing_triage_is_an_error() {
    let scene = Scene::new("github");
    scene.write("refuse", "");
    scene.run(0, "report-finds", &[&triage(&scene, &[])]);
    let nowhere = scene.path("nowhere").display().to_string();
    let (text, _) = scene.run(1, "report-finds", &[&nowhere]);
    assert!(text.contains("there is no"), "{text}");
    // One that GitHub refuses is not passed over.
    scene.run(
        64,
        "report-finds",
        &[&triage(&scene, &[("0a1b2c3d", "fails")])],
    );
}

#[test]
fn a_job_goes_on_after_a_find_and_ends_when_nothing_was_fuzzed() {
    let scene = Scene::new("tool");
    // The code of the tool, with and without --leave-finds.
    for (code, left, ordinary) in [(0, 0, 0), (1, 1, 1), (3, 0, 3), (130, 130, 130)] {
        scene.set(code, "", "");
        let call = "called: campaign run --engine afl NAME --time 10s";
        let leave_finds = ["--leave-finds", "afl", "NAME", "10s"];
        for (code, arguments) in [(left, &leave_finds[..]), (ordinary, &leave_finds[1..])] {
            let (_, page) = scene.run(code, "fuzz-one", arguments);
            assert!(page.contains("### NAME, afl, 10s") && page.contains(call));
        }
        if code < 130 {
            let (_, page) = scene.run(code, "prune-corpus", &["NAME"]);
            let call = "called: campaign minimize NAME --keep-per-feature 5 --discard\n";
            assert_eq!(page, call);
        }
    }
}

#[test]
fn summaries_are_on_the_jobs_page_and_a_report_that_is_missing_is_an_error() {
    let scene = Scene::new("tool");
    let out = scene.path("out").display().to_string();
    let triaged = "summary.md triage.json triage.sarif";
    let compared = "index.html report.json series.csv summary.md";
    let triage = "called: campaign triage --only --finds FINDS --out ";
    let compare = "called: campaign compare --trials 2 --time 10s --cores ";
    for (script, arguments, files, call) in [
        ("triage", &["FINDS", &out][..], triaged, triage),
        ("weekly-compare", &["2", "10s", &out], compared, compare),
    ] {
        let arguments: Vec<&str> = arguments.to_vec();
        for code in [0, 1, 3] {
            scene.set(code, files, "summary\n");
            let (text, page) = scene.run(code, script, &arguments);
            assert!(text.contains(call), "{text}");
            assert_eq!(page, "summary\n", "{script}");
        }
        for missing in files.split(' ') {
            fs::remove_dir_all(&out).unwrap();
            scene.set(0, &files.replace(missing, ""), "x");
            scene.run(1, script, &arguments);
        }
    }
}

#[test]
fn a_comparison_reports_what_changed_since_the_last_that_counts() {
    let files = "index.html report.json series.csv summary.md";
    let scene = Scene::new("tool");
    let folder = |name: &str| scene.path(name).display().to_string();
    let (out, last) = (folder("out"), folder("last"));
    // Each week's report and the tool's code; the page afterwards, and what is kept for the next week.
    for (week, code, expected, kept) in [
        ("first", 0, "first\n", "first"),
        ("second", 3, "second\nsince first\n", "second"),
        ("broken", 1, "broken\nsince second\n", "second"),
        ("unreadable", 0, "unreadable\nsince second\n", "unreadable"),
        ("fifth", 0, "fifth\n", "fifth"),
    ] {
        scene.set(code, files, &format!("{week}\n"));
        let (_, page) = scene.run(code, "weekly-compare", &["1", "1s", &out, &last]);
        assert_eq!(page, expected, "{week}");
        assert_eq!(scene.read("last/report.json").trim(), kept, "{week}");
    }
}

/// Workflows state when and with which rights; what is done is in scripts, which can be run anywhere. The page on
/// where to fuzz has every workflow, and no script that is not there.
#[test]
fn workflows_only_call_scripts_and_the_page_names_what_there_is() {
    let page = read(&root().join("docs/where-to-fuzz.md"));
    let mut calls = 0;
    for entry in fs::read_dir(root().join(".github/workflows")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(page.contains(&format!("`{name}`")), "{name} is not there");
        let text = read(&path);
        for line in text.lines() {
            let step = line.trim_start().trim_start_matches("- ");
            if let Some(command) = step.strip_prefix("run: ") {
                let script = command.split_whitespace().next().unwrap();
                assert!(script.starts_with("scripts/"), "{name}: {command}");
                let mut help = Command::new(root().join(script));
                assert!(!printed(0, help.arg("--help")).is_empty(), "{script}");
                calls += 1;
            }
        }
        let (_, jobs) = text.split_once("\njobs:\n").unwrap();
        let named = jobs.lines().filter(|line| {
            line.starts_with("  ") && !line.starts_with("   ") && line.ends_with(':')
        });
        let limited = jobs.matches("\n    timeout-minutes: ").count();
        let called = jobs.matches("\n    uses: ").count();
        assert_eq!(named.count(), limited + called, "{name}: a job without end");
    }
    assert!(calls >= 6, "{calls} calls");
    let words = page.split(|c: char| c.is_whitespace() || c == '`');
    let scripts: Vec<&str> = words.filter(|word| word.starts_with("scripts/")).collect();
    assert!(scripts.len() > 4, "{scripts:?}");
    for script in scripts {
        assert!(root().join(script).exists(), "{script}");
    }
}
