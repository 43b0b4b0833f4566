//! Completion scripts and man pages: made of the real command line, and used as a shell uses them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn campaign(args: &[&str]) -> String {
    said(
        Command::new(env!("CARGO_BIN_EXE_campaign")).args(args),
        "campaign",
    )
}

/// The standard output of a command that must succeed.
fn said(command: &mut Command, what: &str) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = command
        .output()
        .unwrap_or_else(|error| panic!("{what} cannot be started: {error}"));
    assert!(
        status.success(),
        "{what}: {status}\n{}",
        String::from_utf8_lossy(&stderr)
    );
    String::from_utf8(stdout).unwrap()
}

/// The commands that `--help` lists.
fn commands() -> BTreeSet<String> {
    let help = campaign(&["--help"]);
    let list = help.split("Commands:").nth(1).unwrap();
    let list = list.split("Options:").next().unwrap();
    let names: BTreeSet<String> = list
        .lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect();
    assert!(
        names.contains("run") && names.contains("manual"),
        "{names:?}"
    );
    names
}

/// The targets that are fuzzed.
fn targets() -> BTreeSet<String> {
    let list: serde_json::Value = serde_json::from_str(&campaign(&["list", "--json"])).unwrap();
    let names: BTreeSet<String> = list["targets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|target| target["name"].as_str().unwrap().to_owned())
        .collect();
    assert!(!names.is_empty());
    names
}

/// What bash offers after `words`, with the cursor behind the last one. `before` runs before the script is
/// sourced, `function` is what bash would call.
fn offered(before: &str, function: &str, words: &[&str]) -> BTreeSet<String> {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("completions");
    fs::write(&script, campaign(&["completions", "bash"])).unwrap();
    said(Command::new("bash").arg("-n").arg(&script), "bash -n");
    let program = format!(
        r#"{before}
        source "$1" || exit
        shift
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        {function} "$1" "${{COMP_WORDS[COMP_CWORD]}}" "${{COMP_WORDS[COMP_CWORD - 1]}}"
        printf '%s\n' "${{COMPREPLY[@]}}""#
    );
    said(
        Command::new("bash")
            .args(["--norc", "--noprofile", "-c", &program, "bash"])
            .arg(&script)
            .args(words),
        "bash",
    )
    .split_whitespace()
    .map(str::to_owned)
    .collect()
}

#[test]
fn bash_completes_commands_targets_and_engines() {
    let after = |words: &[&str]| offered("", "_campaign", words);
    let offers = after(&["campaign", ""]);
    assert!(offers.is_superset(&commands()), "{offers:?}");
    assert_eq!(after(&["campaign", "replay", "--target", ""]), targets());
    for words in [
        &["run"][..],
        &["triage"],
        &["compare", "--targets"],
        &["corpora", "--targets"],
    ] {
        let offers = after(&[&["campaign"], words, &[""]].concat());
        assert!(offers.is_superset(&targets()), "{words:?}: {offers:?}");
    }
    assert_eq!(
        after(&["campaign", "run", "--sanitizer", "a"]),
        ["address", "auto"].map(str::to_owned).into()
    );
    for command in ["run", "compare", "bench"] {
        let engines = after(&["campaign", command, "--engines", ""]);
        for engine in ["afl", "honggfuzz", "libfuzzer"] {
            assert!(engines.contains(engine), "{command}: {engines:?}");
        }
    }
}

#[test]
fn bash_completes_after_cargo_and_leaves_the_rest_to_cargo() {
    let before = "
        cargos_own() { COMPREPLY=(from-cargo \"$@\"); }
        complete -F cargos_own -o default cargo";
    let after = |words: &[&str]| offered(before, "_campaign_after_cargo", words);
    assert_eq!(
        after(&["cargo", "campaign", "replay", "--target", ""]),
        targets()
    );
    let expected = ["from-cargo", "cargo", "bui"].map(str::to_owned).into();
    assert_eq!(after(&["cargo", "bui"]), expected);
    // Sourced a second time, it must not take itself for cargo's own.
    let twice = format!("{before}\n source \"$1\"");
    assert_eq!(
        offered(&twice, "_campaign_after_cargo", &["cargo", "bui"]),
        expected
    );
}

#[test]
fn every_shell_has_a_script_with_the_targets() {
    let shells = ["bash", "zsh", "fish", "elvish", "powershell"];
    for shell in shells {
        let script = campaign(&["completions", shell]);
        for command in commands() {
            assert!(script.contains(&command), "{shell}: {command}");
        }
        // The scripts for elvish and PowerShell complete options, not their values.
        if ["bash", "zsh", "fish"].contains(&shell) {
            for target in targets() {
                assert!(script.contains(&target), "{shell}: {target}");
            }
        }
    }
}

/// The lines of a section of a page.
fn section<'page>(page: &'page str, name: &str) -> Vec<&'page str> {
    page.lines()
        .skip_while(|line| {
            line.trim_matches('"') != format!(".SH {name}") && *line != format!(".SH \"{name}\"")
        })
        .skip(1)
        .take_while(|line| !line.starts_with(".SH"))
        .collect()
}

#[test]
fn every_command_has_a_page_with_its_exit_codes_and_examples() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("a folder/man1");
    campaign(&["manual", pages.to_str().unwrap()]);
    let page = |name: &str| read(&pages.join(name));
    for command in commands() {
        let page = page(&format!("cargo-campaign-{command}.1"));
        assert!(
            page.contains(&format!("cargo\\-campaign\\-{command}"))
                || page.contains(&format!("cargo-campaign-{command}")),
            "{page}"
        );
        let codes = section(&page, "EXIT STATUS");
        for code in ["  0  ", "  1  ", "  2  "] {
            let said = codes.iter().filter(|line| line.starts_with(code)).count();
            assert_eq!(said, 1, "{command}, code {code:?}: {codes:?}");
        }
        let examples = section(&page, "EXAMPLES");
        let call = format!("campaign {command}").replace('-', "\\-");
        assert!(
            examples.iter().any(|line| line.contains(&call)),
            "{command}: {examples:?}"
        );
    }
    let files = fs::read_dir(&pages).unwrap().count();
    assert_eq!(files, commands().len() + 1, "one for the whole tool");
    let whole = page("cargo-campaign.1");
    for command in commands() {
        assert!(
            section(&whole, "SUBCOMMANDS").iter().any(|line| line
                .replace("\\-", "-")
                .contains(&format!("cargo-campaign-{command}(1)"))),
            "{command}: {whole}"
        );
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
