//! Completion scripts and man pages: made of the real command line, and used as a shell uses them.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use crate::tool::{campaign, json, read, stdout};

fn commands() -> BTreeSet<String> {
    let help = stdout(0, &mut campaign(&["--help"]));
    let (_, list) = help.split_once("Commands:").unwrap();
    let (list, _) = list.split_once("Options:").unwrap();
    let lines = list.lines().filter_map(|line| line.strip_prefix("  "));
    let names = lines.filter_map(|line| line.split(' ').next());
    let names: BTreeSet<String> = names
        .filter(|name| !["", "help"].contains(name))
        .map(str::to_owned)
        .collect();
    assert!(names.contains("run") && names.contains("manual"));
    names
}

fn targets() -> BTreeSet<String> {
    let list = json(0, &mut campaign(&["list", "--json"]));
    let targets = list["targets"].as_array().unwrap().iter();
    let names = targets.map(|target| target["name"].as_str().unwrap());
    names.map(str::to_owned).collect()
}

/// What bash offers after `words`, with the cursor behind the last one. `before` runs before the script is
/// sourced, `function` is what bash would call.
fn offered(before: &str, function: &str, words: &str) -> BTreeSet<String> {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("completions");
    fs::write(&script, stdout(0, &mut campaign(&["completions", "bash"]))).unwrap();
    let program = format!(
        r#"{before}
        source "$1" || exit
        shift
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        {function} "$1" "${{COMP_WORDS[COMP_CWORD]}}" "${{COMP_WORDS[COMP_CWORD - 1]}}"
        printf '%s\n' "${{COMPREPLY[@]}}""#
    );
    let offered = stdout(
        0,
        Command::new("bash")
            .args(["--norc", "--noprofile", "-c", &program, "bash"])
            .arg(&script)
            .args(words.split(' ')),
    );
    offered.split_whitespace().map(str::to_owned).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn bash_completes_commands_targets_and_engines() {
    let engines = set(&["afl", "honggfuzz", "libfuzzer"]);
    for (words, expected) in [
        ("", commands()),
        ("replay --target ", targets()),
        ("run ", targets()),
        ("triage ", targets()),
        ("compare --targets ", targets()),
        ("corpora --targets ", targets()),
        ("run --sanitizer a", set(&["address", "auto"])),
        ("run --engines ", engines.clone()),
        ("compare --engines ", engines.clone()),
    ] {
        let offers = offered("", "_campaign", &format!("campaign {words}"));
        assert!(offers.is_superset(&expected), "{words:?}: {offers:?}");
    }
}

#[test]
fn bash_completes_after_cargo_and_leaves_the_rest_to_cargo() {
    let before = "
        cargos_own() { COMPREPLY=(from-cargo \"$@\"); }
        complete -F cargos_own -o default cargo";
    let after = |words: &str| offered(before, "_campaign_after_cargo", words);
    assert_eq!(after("cargo campaign replay --target "), targets());
    let expected = set(&["from-cargo", "cargo", "bui"]);
    assert_eq!(after("cargo bui"), expected);
    // Sourced a second time, it must not take itself for cargo's own.
    let twice = format!("{before}\n source \"$1\"");
    let offers = offered(&twice, "_campaign_after_cargo", "cargo bui");
    assert_eq!(offers, expected);
}

#[test]
fn every_command_has_a_page_with_its_exit_codes_and_examples() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("a folder/man1");
    stdout(0, &mut campaign(&["manual", pages.to_str().unwrap()]));
    let page = |name: &str| read(&pages.join(name)).replace("\\-", "-");
    let whole = page("cargo-campaign.1");
    for command in commands() {
        let name = format!("cargo-campaign-{command}");
        assert!(whole.contains(&format!("{name}(1)")), "{whole}");
        let page = page(&format!("{name}.1"));
        let section = |name: &str| {
            let mut sections = page.split(".SH ");
            let found = sections.find(|text| text.trim_start_matches('"').starts_with(name));
            found.unwrap_or_else(|| panic!("{command} lacks {name}: {page}"))
        };
        assert!(section("NAME").contains(&name), "{page}");
        for code in ["\n  0  ", "\n  1  ", "\n  2  "] {
            let codes = section("EXIT STATUS");
            assert_eq!(codes.matches(code).count(), 1, "{command}: {codes}");
        }
        let call = format!("campaign {command}");
        assert!(section("EXAMPLES").contains(&call), "{page}");
    }
    let files = fs::read_dir(&pages).unwrap().count();
    assert_eq!(files, commands().len() + 1, "one for the whole tool");
}
