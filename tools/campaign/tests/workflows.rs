//! What GitHub's workflows call, called here: with stand-ins for `gh`, and for `cargo` where an engine would run.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// A folder with programs that stand in for others, and with whatever a script writes.
struct Scene {
    folder: TempDir,
}

impl Scene {
    fn new(programs: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let scene = Self { folder };
        fs::create_dir(scene.path("bin")).unwrap();
        for (name, text) in programs {
            let path = scene.path("bin").join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Runs a script as a step of a job does: the stand-ins come before the real programs.
    fn run(&self, script: &str, arguments: &[&str]) -> Output {
        let path = std::env::var("PATH").unwrap();
        Command::new(root().join("scripts").join(script))
            .args(arguments)
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .env("SCENE", self.folder.path())
            .env("GITHUB_STEP_SUMMARY", self.path("page.md"))
            .env("RUN_URL", "https://github.example/runs/1")
            .output()
            .unwrap()
    }
}

fn text(output: &Output) -> String {
    format!(
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// A repository's issues in a file: `gh issue list` shows those that are open, `gh issue create` adds one.
const GH: &str = r#"#!/usr/bin/env bash
set -euo pipefail
issues=$SCENE/issues.json
[[ -e $issues ]] || echo '[]' >"$issues"
case "$1 $2" in
"issue list")
    [[ " $* " == *" --state open "* && " $* " == *" --json number,title "* ]] || exit 64
    jq '[.[] | select(.open) | {number, title}]' "$issues"
    ;;
"issue create")
    [[ $3 == --title && $5 == --body-file ]] || exit 64
    jq --arg title "$4" --rawfile body "$6" '. + [{number: (length + 1), $title, $body, open: true}]' \
        "$issues" >"$issues.new"
    mv "$issues.new" "$issues"
    ;;
*) exit 64 ;;
esac
"#;

/// Writes what a triage leaves: for each group its id and status.
fn triage(scene: &Scene, groups: &[(&str, &str)]) -> String {
    let folder = scene.path("triage");
    fs::create_dir_all(folder.join("issues")).unwrap();
    let list: Vec<_> = groups
        .iter()
        .map(|(id, status)| serde_json::json!({ "id": id, "status": status }))
        .collect();
    let report = serde_json::json!({ "version": 1, "groups": list });
    fs::write(folder.join("triage.json"), report.to_string()).unwrap();
    for (id, _) in groups {
        let issue = format!("# `calc.some_check` fails, \"as $(said)\"\n\nThe words of {id}.\n");
        fs::write(folder.join("issues").join(format!("{id}.md")), issue).unwrap();
    }
    folder.display().to_string()
}

fn issues(scene: &Scene) -> Vec<serde_json::Value> {
    serde_json::from_str(&scene.read("issues.json")).unwrap()
}

/// Closes an issue.
fn close(scene: &Scene, number: usize) {
    let mut all = issues(scene);
    all[number - 1]["open"] = false.into();
    fs::write(
        scene.path("issues.json"),
        serde_json::json!(all).to_string(),
    )
    .unwrap();
}

#[test]
fn a_group_of_finds_is_reported_once() {
    let scene = Scene::new(&[("gh", GH)]);
    let found = triage(
        &scene,
        &[
            ("0a1b2c3d", "fails"),
            ("4e5f6071", "unreproduced"),
            ("8293a4b5", "mended"),
        ],
    );
    for night in 1..=2 {
        let ran = scene.run("report-finds", &[&found]);
        assert!(ran.status.success(), "{}", text(&ran));
        assert_eq!(issues(&scene).len(), 2, "night {night}: {}", text(&ran));
    }
    let first = &issues(&scene)[0];
    assert_eq!(
        first["title"],
        "`calc.some_check` fails, \"as $(said)\" [0a1b2c3d]"
    );
    let body = first["body"].as_str().unwrap();
    assert!(body.contains("The words of 0a1b2c3d."), "{body}");
    assert!(body.contains("https://github.example/runs/1"), "{body}");

    // A find that comes back after its issue was closed is new, as is one that was not there before.
    close(&scene, 1);
    let found = triage(&scene, &[("0a1b2c3d", "fails"), ("c6d7e8f9", "fails")]);
    let ran = scene.run("report-finds", &[&found]);
    assert!(ran.status.success(), "{}", text(&ran));
    assert_eq!(issues(&scene).len(), 4, "{}", text(&ran));
}

#[test]
fn a_flood_of_groups_opens_ten_issues() {
    let scene = Scene::new(&[("gh", GH)]);
    let names: Vec<String> = (0..12).map(|number| format!("0000000{number:x}")).collect();
    let groups: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "fails")).collect();
    let ran = scene.run("report-finds", &[&triage(&scene, &groups)]);
    assert!(ran.status.success(), "{}", text(&ran));
    assert_eq!(issues(&scene).len(), 10);
    assert!(text(&ran).contains("2 more groups"), "{}", text(&ran));
}

#[test]
fn nothing_to_report_needs_no_repository_and_a_missing_triage_is_an_error() {
    let scene = Scene::new(&[("gh", "#!/bin/sh\nexit 64\n")]);
    let ran = scene.run("report-finds", &[&triage(&scene, &[])]);
    assert!(ran.status.success(), "{}", text(&ran));
    let nowhere = scene.path("nowhere").display().to_string();
    let ran = scene.run("report-finds", &[&nowhere]);
    assert_eq!(ran.status.code(), Some(1));
    assert!(text(&ran).contains("there is no"), "{}", text(&ran));
    // One that GitHub refuses is not passed over.
    let ran = scene.run("report-finds", &[&triage(&scene, &[("0a1b2c3d", "fails")])]);
    assert!(!ran.status.success(), "{}", text(&ran));
}

/// A tool that builds at once and then ends with the code in `$SCENE/code`.
const CARGO: &str = r#"#!/usr/bin/env bash
[[ $1 == build ]] && exit
echo "called: $*"
exit "$(cat "$SCENE/code")"
"#;

#[test]
fn a_job_goes_on_after_a_find_and_ends_when_nothing_was_fuzzed() {
    let scene = Scene::new(&[("cargo", CARGO)]);
    // The code of the tool, with and without --leave-finds.
    for (code, left, ordinary) in [(0, 0, 0), (1, 1, 1), (3, 0, 3), (130, 130, 130)] {
        fs::write(scene.path("code"), code.to_string()).unwrap();
        let ran = scene.run("fuzz-one", &["--leave-finds", "afl", "NAME", "10s"]);
        assert_eq!(ran.status.code(), Some(left), "{code}: {}", text(&ran));
        let ran = scene.run("fuzz-one", &["afl", "NAME", "10s"]);
        assert_eq!(ran.status.code(), Some(ordinary), "{code}: {}", text(&ran));
    }
    let page = scene.read("page.md");
    assert_eq!(page.matches("### NAME, afl, 10s").count(), 8, "{page}");
    let call = "called: campaign run --engine afl NAME --time 10s";
    assert_eq!(page.matches(call).count(), 8, "{page}");
}

#[test]
fn pruning_ends_as_the_tool_does() {
    let scene = Scene::new(&[("cargo", CARGO)]);
    for code in [0, 1, 3] {
        fs::write(scene.path("code"), code.to_string()).unwrap();
        let _ = fs::remove_file(scene.path("page.md"));
        let ran = scene.run("prune-corpus", &["NAME"]);
        assert_eq!(ran.status.code(), Some(code), "{}", text(&ran));
        let call = "called: campaign minimize NAME --keep-per-feature 5 --discard\n";
        assert_eq!(scene.read("page.md"), call, "{code}");
    }
}

/// A tool that writes the files named in `$SCENE/files` where `--out` says, and then ends as above.
const REPORTER: &str = r#"#!/usr/bin/env bash
[[ $1 == build ]] && exit
echo "$*" >>"$SCENE/calls"
while [[ $1 != --out ]]; do shift; done
mkdir -p "$2"
for file in $(cat "$SCENE/files"); do echo "this is $file" >"$2/$file"; done
exit "$(cat "$SCENE/code")"
"#;

/// Runs a script whose tool writes `files` and ends with `code`; the script's code.
fn reports(scene: &Scene, script: &str, arguments: &[&str], code: i32, files: &str) -> Option<i32> {
    fs::write(scene.path("code"), code.to_string()).unwrap();
    fs::write(scene.path("files"), files).unwrap();
    let _ = fs::remove_file(scene.path("page.md"));
    let out = scene.path("out");
    let _ = fs::remove_dir_all(&out);
    let out = out.display().to_string();
    scene
        .run(script, &[arguments, &[&out]].concat())
        .status
        .code()
}

#[test]
fn summaries_are_on_the_jobs_page_and_a_report_that_is_missing_is_an_error() {
    let scene = Scene::new(&[("cargo", REPORTER)]);
    let finds = scene.path("finds").display().to_string();
    for (script, arguments, files) in [
        (
            "triage",
            vec![finds.as_str()],
            "summary.md triage.json triage.sarif",
        ),
        (
            "weekly-compare",
            vec!["2", "10s"],
            "index.html report.json series.csv summary.md",
        ),
    ] {
        for code in [0, 1, 3] {
            assert_eq!(
                reports(&scene, script, &arguments, code, files),
                Some(code),
                "{script}"
            );
            assert_eq!(scene.read("page.md"), "this is summary.md\n", "{script}");
        }
        for missing in files.split(' ') {
            let rest = files.replace(missing, "");
            assert_eq!(
                reports(&scene, script, &arguments, 0, &rest),
                Some(1),
                "{missing}"
            );
        }
    }
    let calls = scene.read("calls");
    assert!(
        calls.contains(&format!("campaign triage --only --finds {finds} --out ")),
        "{calls}"
    );
    assert!(
        calls.contains("campaign compare --trials 2 --time 10s --cores "),
        "{calls}"
    );
}

/// The tool as a comparison with an earlier report sees it: it reads that one, unless it says "unreadable".
const COMPARER: &str = r#"#!/usr/bin/env bash
[[ $1 == build ]] && exit
while [[ $1 != --out ]]; do shift; done
out=$2 against=${4:-}
mkdir -p "$out"
if [[ -z $against ]]; then
    for file in index.html report.json series.csv summary.md; do echo "$(cat "$SCENE/week")" >"$out/$file"; done
elif ! grep -q unreadable "$against"; then
    echo "since $(cat "$against")" >"$out/against.md"
fi
exit "$(cat "$SCENE/code")"
"#;

#[test]
fn a_comparison_says_what_changed_since_the_last_that_counts() {
    let scene = Scene::new(&[("cargo", COMPARER)]);
    let folder = |name: &str| scene.path(name).display().to_string();
    let (out, last) = (folder("out"), folder("last"));
    // Each week's report and the tool's code; the page afterwards, and what is kept for the next week.
    for (week, code, page, kept) in [
        ("first", 0, "first\n", "first"),
        ("second", 3, "second\nsince first\n", "second"),
        ("broken", 1, "broken\nsince second\n", "second"),
        ("unreadable", 0, "unreadable\nsince second\n", "unreadable"),
        ("fifth", 0, "fifth\n", "fifth"),
    ] {
        fs::write(scene.path("week"), week).unwrap();
        fs::write(scene.path("code"), code.to_string()).unwrap();
        let _ = fs::remove_file(scene.path("page.md"));
        let ran = scene.run("weekly-compare", &["1", "1s", &out, &last]);
        assert_eq!(ran.status.code(), Some(code), "{week}: {}", text(&ran));
        assert_eq!(scene.read("page.md"), page, "{week}: {}", text(&ran));
        assert_eq!(scene.read("last/report.json").trim(), kept, "{week}");
    }
}

/// Workflows say when and with which rights; what is done is in scripts, which can be run anywhere.
#[test]
fn workflows_only_call_scripts() {
    let mut calls = 0;
    for entry in fs::read_dir(root().join(".github/workflows")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        for line in text.lines() {
            let step = line.trim_start().trim_start_matches("- ");
            if let Some(command) = step.strip_prefix("run: ") {
                let script = command.split_whitespace().next().unwrap();
                assert!(
                    script.starts_with("scripts/"),
                    "{}: {command}",
                    path.display()
                );
                let help = Command::new(root().join(script))
                    .arg("--help")
                    .output()
                    .unwrap();
                assert!(
                    help.status.success() && !help.stdout.is_empty(),
                    "{script} --help"
                );
                calls += 1;
            }
        }
        let jobs = text.split_once("\njobs:\n").unwrap().1;
        let named = jobs.lines().filter(|line| {
            line.starts_with("  ") && !line.starts_with("   ") && line.ends_with(':')
        });
        let limited = jobs.matches("\n    timeout-minutes: ").count();
        let called = jobs.matches("\n    uses: ").count();
        assert_eq!(
            named.count(),
            limited + called,
            "{}: a job without end",
            path.display()
        );
        assert!(text.contains("\npermissions: {}\n"), "{}", path.display());
    }
    assert!(calls >= 6, "{calls} calls");
}

/// The page on where to fuzz has every workflow, and no script that is not there.
#[test]
fn the_page_names_what_there_is() {
    let page = fs::read_to_string(root().join("docs/where-to-fuzz.md")).unwrap();
    for entry in fs::read_dir(root().join(".github/workflows")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(
            page.contains(&format!("`{name}`")),
            "{name} is not on the page"
        );
    }
    let scripts: Vec<&str> = page
        .split(|c: char| c.is_whitespace() || c == '`')
        .filter(|word| word.starts_with("scripts/"))
        .collect();
    assert!(scripts.len() > 4, "{scripts:?}");
    for script in scripts {
        assert!(root().join(script).is_file(), "{script}");
    }
}
