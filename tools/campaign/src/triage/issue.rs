//! A group as the text of an issue, in Markdown: whole without the project's files at hand.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use report::format::counted;
use worker::{Case, Violation};

use super::collect::time_shown;
use super::group::{Group, Report, Reproducer, Status};
use super::key::What;
use crate::engine::Engine;

/// The longest fact that is shown, in characters: a panic may have a long message.
const LONGEST_FACT: usize = 2000;

/// The text of an issue on a group; `out` is the folder of the results.
pub(crate) fn issue(report: &Report, group: &Group, out: &str) -> String {
    let mut text = format!("# {}\n\n", title(group));
    match (&group.reproducer, group.status) {
        (Some(reproducer), Status::Fails) => {
            let _ = writeln!(text, "**What must hold:** {}.\n", group.must_hold);
            match &reproducer.violation {
                Some(violation) => what_is_wrong(&mut text, violation),
                None => text += FAILED_ONCE,
            }
            how_to_reproduce(&mut text, report, group, reproducer, out);
        }
        (_, Status::Unreproduced) => text += UNREPRODUCED,
        (_, Status::Mended) => text += MENDED,
        (None, Status::Fails) => text += "The inputs have vanished since they were replayed.\n\n",
    }
    found_by(&mut text, group);
    let environment = &report.environment;
    let _ = writeln!(
        text,
        "## Environment\n\n- Commit: {}\n- Compiler: {}\n- System: {}\n- Triaged: {}\n",
        match environment.commit.as_str() {
            "" => "unknown (no git repository)",
            commit => commit,
        },
        environment.rustc,
        environment.system,
        report.made,
    );
    let _ = writeln!(text, "Group `{}` of `campaign triage`.", group.id);
    text
}

/// The title of an issue on a group.
pub(crate) fn title(group: &Group) -> String {
    match group.status {
        Status::Fails => format!("{} (`{}`)", group.key, group.check),
        Status::Unreproduced | Status::Mended => group.title(),
    }
}

const UNREPRODUCED: &str = "\
These inputs were reported by an engine, and pass when they are replayed, three times, each time in a new \
process. So either the engine was disturbed (a full disk, no memory, a machine so loaded that an input took \
too long), or the code under test keeps something from one input to the next, or the sources have changed since. \
The engine's own log has what it saw. Once that is clear, delete the files.\n\n";

const FAILED_ONCE: &str = "\
The input failed when the finds were replayed, and passes when replayed once more.\n\n";

const MENDED: &str = "\
These inputs failed in an earlier triage, and pass now. Keep the reproducer as a regression \
(`campaign triage --keep`), and delete the files.\n\n";

const AT_TIMES: &str = "passed at first and failed when replayed again: something else than the input \
has a part in it.";

const NOT_WAITED_FOR: &str =
    "were given a short time only, because enough others had hung for the whole of it.";

fn what_is_wrong(text: &mut String, violation: &Violation) {
    text.push_str("**What was found:**\n\n");
    for fact in violation.facts() {
        let fact: String = fact.chars().take(LONGEST_FACT).collect();
        let _ = writeln!(text, "- {}", fact.replace('\n', "\n  "));
    }
    let Some(Case { words, rust }) = &violation.case else {
        text.push('\n');
        return;
    };
    let _ = writeln!(text, "\n**The smallest case:** {words}\n");
    if !rust.is_empty() {
        let _ = writeln!(text, "```rust\n{}\n```\n", rust.trim_end());
    }
}

fn how_to_reproduce(
    text: &mut String,
    report: &Report,
    group: &Group,
    reproducer: &Reproducer,
    out: &str,
) {
    let Reproducer { file, size, .. } = reproducer;
    let target = &group.target;
    let kept = format!("{out}/regressions/{target}/{file}");
    text.push_str("## How to reproduce\n\n");
    let (make, path) = match &reproducer.hex {
        Some(hex) => (format!("printf '{}' > {file}\n", printf(hex)), file),
        None => (String::new(), &kept),
    };
    let command = &report.command;
    let _ = writeln!(
        text,
        "```sh\n{make}{command} replay --target {target} {path}\n```\n"
    );
    let made = match (reproducer.complete, reproducer.tries) {
        (true, tries) => format!("minimised in {tries} replays; nothing smaller fails like this"),
        (false, tries) => format!("as small as {tries} replays made it"),
    };
    let _ = writeln!(
        text,
        "The input has {size} bytes ({made}; the find that it comes from has {}). It is `{kept}`; once the \
         cause is mended it belongs into `corpus/regressions/{target}/`, where `cargo test` replays it.\n",
        reproducer.original_size,
    );
}

/// An input in hexadecimal as an argument of `printf`, which every shell has.
fn printf(hex: &str) -> String {
    let digits = (0..hex.len() / 2).map(|nth| hex.get(2 * nth..2 * nth + 2));
    let bytes = digits.map(|digits| u8::from_str_radix(digits.unwrap_or_default(), 16));
    // Three digits always, so that what follows is no part of it.
    bytes
        .map(|byte| format!("\\{:03o}", byte.unwrap_or_default()))
        .collect()
}

fn found_by(text: &mut String, group: &Group) {
    text.push_str("## Found by\n\n| engine | inputs | first found |\n|---|---:|---|\n");
    for (engine, seen) in &group.engines {
        let (engine, first) = (engine_title(engine), time_shown(seen.first_ms));
        let _ = writeln!(text, "| {engine} | {} | {first} |", seen.inputs);
    }
    text.push('\n');
    if group.status != Status::Fails {
        return;
    }
    let mut shown: BTreeMap<(&str, &What), usize> = BTreeMap::new();
    for input in &group.inputs {
        *shown.entry((&input.check, &input.shows)).or_default() += 1;
    }
    if shown.len() > 1 {
        text.push_str("The same shows as:\n\n");
        for ((check, shows), inputs) in shown {
            let inputs = counted(inputs, "input", "inputs");
            let _ = writeln!(text, "- `{check}`, {shows}: {inputs}");
        }
        text.push('\n');
    }
    for (inputs, what) in [
        (group.at_times, AT_TIMES),
        (group.not_waited_for, NOT_WAITED_FOR),
    ] {
        if inputs > 0 {
            let _ = writeln!(text, "{inputs} of the inputs {what}\n");
        }
    }
}

/// An engine's name as its authors write it.
pub(super) fn engine_title(name: &str) -> &str {
    Engine::ALL
        .iter()
        .find(|engine| engine.name() == name)
        .map_or(name, |engine| engine.title())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_is_printed_so_that_a_shell_makes_it() {
        assert_eq!(printf("00ff41"), "\\000\\377\\101");
        let bytes: Vec<u8> = (0..=255).collect();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let shell = std::process::Command::new("sh")
            .args(["-c", &format!("printf '{}'", printf(&hex))])
            .output()
            .unwrap();
        assert_eq!(shell.stdout, bytes);
    }
}
