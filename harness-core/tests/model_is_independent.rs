//! The model takes nothing from the code under test but the types of questions and answers.
//!
//! The sources under `src/model/` are read as text, word by word, and every path in them is held against
//! a list of what may be named. The rules are stricter than the language, so that reading is easy:
//!
//! - A path begins with `std`, `measure`, `shared`, `crate`, `super` or `self`, or with a type. A sibling
//!   module is called `self::sibling`, so that no path that begins with a crate's name can mean one.
//! - A path into `measure` or `shared` names one of [`TYPES`], and at most a variant of it. No glob, no new
//!   name. Nothing else belongs to a crate under test.
//! - A path into this crate names one of [`OWN`], or anything of the model.
//! - One of [`TYPES`] is never asked for a function or constant, nor a value for one of [`METHODS`].
//! - `super` does not lead out of the model. No foreign code by `extern`, `include!` or `#[path]`.
//!
//! A module of tests at a file's end, or in a file of its own that is named there, is not held to this: it may
//! build questions as it likes.

use std::fs;
use std::path::{Path, PathBuf};

/// The types of questions and answers, by the crate that has them.
const TYPES: [(&str, &str); 11] = [
    ("measure", "MeasureError"),
    ("measure", "MeasureOutput"),
    ("measure", "Preallocation"),
    ("measure", "Qcow2Opts"),
    ("measure", "VhdOpts"),
    ("measure", "VhdSubformat"),
    ("measure", "VhdxOpts"),
    ("measure", "VmdkOpts"),
    ("measure", "VmdkSubformat"),
    ("shared", "AllocationSummary"),
    ("shared", "TouchedUnits"),
];

/// What the model takes from the harness; none of it leads to the code under test.
const OWN: [&str; 7] = [
    "options::Options",
    "subject::Facts",
    "subject::Measured",
    "subject::ScanErrorKind",
    "subject::ScanFormat",
    "sparse::SparseImage",
    "crc32c::Crc32c",
];

/// What answers for the code under test when asked of a value of [`TYPES`] or of `Options`.
const METHODS: [&str; 5] = ["unit", "ask", "disk_size", "block_size_for", "with_touched"];

/// Words that bring in other sources.
const FOREIGN: [&str; 5] = ["extern", "include", "include_str", "include_bytes", "path"];

const PRIMITIVES: [&str; 15] = [
    "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize", "bool",
    "char", "str",
];

/// Splits a source into words: names, `::`, and single other characters. Comments, strings and
/// characters in quotes are left out.
fn words(source: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if first == '"' {
            quoted(rest)
        } else if first == '\'' {
            // A character, or else a lifetime.
            let character = rest[1..].chars().next().unwrap_or(' ');
            let closed = rest[1 + character.len_utf8()..].starts_with('\'');
            match character {
                '\\' => 3 + rest[3..].find('\'').expect("a closed character"),
                _ if closed => 2 + character.len_utf8(),
                _ => 1,
            }
        } else {
            let name = rest
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            let length = match name {
                0 if rest.starts_with("::") => 2,
                0 => first.len_utf8(),
                _ => name,
            };
            if !first.is_whitespace() {
                words.push(rest[..length].to_owned());
            }
            length
        };
        rest = &rest[length..];
    }
    words
}

/// The length of the string in quotes at the beginning of `source`.
fn quoted(source: &str) -> usize {
    let mut escaped = false;
    let end = source[1..].find(|c| {
        let closes = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        closes
    });
    end.expect("a closed string") + 2
}

fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Like `Data` or `T`, unlike `data` or `DATA`: a type or a variant, never a function or a constant.
fn is_type(word: &str) -> bool {
    word.starts_with(char::is_uppercase) && (word.len() == 1 || word.contains(char::is_lowercase))
}

/// Reads the rest of a path from `words` on, of which `before` has been read, and adds every path that it
/// stands for to `paths`. Returns the words that follow it.
fn read_path<'a>(
    mut words: &'a [String],
    mut before: Vec<&'a str>,
    paths: &mut Vec<Vec<&'a str>>,
) -> &'a [String] {
    while let [separator, next, rest @ ..] = words
        && separator == "::"
    {
        if next == "{" {
            words = rest;
            while let [word, rest @ ..] = words
                && word != "}"
            {
                words = match word.as_str() {
                    "," => rest,
                    _ => {
                        let mut inside = before.clone();
                        inside.push(word);
                        read_path(rest, inside, paths)
                    }
                };
            }
            return &words[words.len().min(1)..];
        }
        if next == "<" {
            break;
        }
        before.push(next);
        words = rest;
    }
    if let [word, rest @ ..] = words
        && word == "as"
        && ["measure", "shared", "crate"].contains(&before[0])
        && rest
            .first()
            .is_some_and(|name| !PRIMITIVES.contains(&name.as_str()))
    {
        before.push("as");
        words = rest;
    }
    paths.push(before);
    words
}

/// Whether the model may name this, `depth` modules below the model's own.
fn is_allowed(path: &[&str], depth: usize) -> bool {
    let is_of_questions = |name| TYPES.iter().any(|&(_, listed)| listed == name);
    match *path {
        ["measure" | "shared", ..] => match *path {
            [root, name] => TYPES.contains(&(root, name)),
            [root, name, variant] => TYPES.contains(&(root, name)) && is_type(variant),
            _ => false,
        },
        ["crate", "model", ..] => !path.contains(&"as"),
        ["crate", module, name, ..] => {
            let listed = OWN.contains(&format!("{module}::{name}").as_str());
            listed && !path.contains(&"as")
        }
        ["crate", ..] => false,
        ["super", ..] => path.iter().take_while(|&&name| name == "super").count() <= depth,
        ["std" | "self" | "Self", ..] => true,
        [name, member, ..] if is_of_questions(name) => is_type(member),
        [name, ..] => is_type(name) || PRIMITIVES.contains(&name),
        [] => false,
    }
}

/// What a source names but may not, `depth` modules below the model's own.
fn findings(source: &str, depth: usize) -> Vec<String> {
    let mut findings = Vec::new();
    for opaque in ["/*", "r\"", "r#"] {
        // Not told apart from code by `words`.
        if source.contains(opaque) {
            findings.push(opaque.to_owned());
        }
    }
    let words = words(source);
    let mut rest = words.as_slice();
    let mut last = "";
    while let [word, after @ ..] = rest {
        let begins_a_path =
            is_name(word) && (last == "use" || after.first().is_some_and(|next| next == "::"));
        // A field may have the same name.
        let is_called = after.first().is_some_and(|next| next == "(");
        if [".", "::"].contains(&last) && is_called && METHODS.contains(&word.as_str()) {
            findings.push(format!(".{word}"));
        }
        if FOREIGN.contains(&word.as_str()) {
            findings.push(word.clone());
        }
        rest = if begins_a_path {
            let mut paths = Vec::new();
            let follows = read_path(after, vec![word], &mut paths);
            findings.extend(
                paths
                    .iter()
                    // A single name, as in `part::<8>()`, is one of the source's own.
                    .filter(|path| path.len() > 1 || last == "use")
                    .filter(|path| !is_allowed(path, depth))
                    .map(|path| path.join("::")),
            );
            follows
        } else {
            // `use {measure::chs}` and `use ::measure::chs` are not written here.
            if last == "use" {
                findings.push(format!("use {word}"));
            }
            after
        };
        last = word;
    }
    findings
}

/// What names a module of tests in a file of its own, at a file's end.
const TESTS_BESIDE: &str = "\n#[cfg(test)]\nmod tests;\n";

/// A source without the module of tests at its end.
fn without_tests(source: &str) -> &str {
    if let Some(code) = source.strip_suffix(TESTS_BESIDE) {
        return code;
    }
    match source.split_once("\n#[cfg(test)]\nmod tests {\n") {
        Some((code, tests)) => {
            let (_, behind) = tests.split_once("\n}\n").expect("tests that end");
            assert_eq!(behind, "", "something follows the tests");
            code
        }
        None => source,
    }
}

/// The sources below a folder, each with its text and how many modules it is below the model's own.
fn sources(folder: &Path, depth: usize) -> Vec<(PathBuf, String, usize)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path, depth + 1));
        } else {
            let is_folders_own = path.file_name().is_some_and(|name| name == "mod.rs");
            let depth = depth + usize::from(!is_folders_own);
            let text = fs::read_to_string(&path).unwrap();
            found.push((path, text, depth));
        }
    }
    found
}

#[test]
fn the_model_names_nothing_that_it_may_not() {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/model");
    let sources = sources(&model, 0);
    for format in ["qcow2.rs", "vmdk.rs", "vhd.rs", "vhdx.rs"] {
        for half in ["calculators", "scanners"] {
            let expected = model.join(half).join(format);
            assert!(sources.iter().any(|(path, ..)| *path == expected));
        }
    }
    for (path, text, depth) in sources {
        if path.ends_with("tests.rs") {
            let of = path.parent().unwrap().with_extension("rs");
            let of = fs::read_to_string(&of).unwrap();
            assert!(of.ends_with(TESTS_BESIDE), "{} is no test", path.display());
            continue;
        }
        let findings = findings(without_tests(&text), depth);
        assert!(findings.is_empty(), "{}: {findings:?}", path.display());
    }
}

/// No method of the questions' types is forgotten.
#[test]
fn the_methods_are_those_of_the_types() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
    let mut methods = 0;
    for file in ["measure/src", "shared/src"] {
        for (_, text, _) in sources(&root.join(file), 0) {
            for block in text.split("\nimpl ").skip(1) {
                let name = block.split([' ', '<']).next().unwrap();
                if !TYPES.iter().any(|&(_, listed)| listed == name) {
                    continue;
                }
                let block = block.split("\n}").next().unwrap();
                for function in block.split("pub ").skip(1) {
                    let function = function.trim_start_matches("const ");
                    let Some((name, arguments)) = function
                        .strip_prefix("fn ")
                        .and_then(|fun| fun.split_once('('))
                    else {
                        continue;
                    };
                    if arguments.split([',', ')']).next().unwrap().contains("self") {
                        assert!(METHODS.contains(&name), "{name} is not watched");
                        methods += 1;
                    }
                }
            }
        }
    }
    assert!(methods >= 6, "only {methods} methods found");
}

#[test]
fn the_watcher_fires() {
    for bad in [
        "use measure::measure_qcow2;",
        "use measure::{MeasureError, chs};",
        "use measure::{self};",
        "use measure::*;",
        "use measure;",
        "use measure as other;",
        "use ::measure::chs;",
        "use {measure::chs};",
        "use measure::Qcow2Opts as Opts;",
        "use measure::{MeasureOutput, Qcow2Opts as Opts};",
        "pub(super) use shared::SummaryTally;",
        "use shared::{AllocationSummary, Input};",
        "let geometry = measure::chs(5);",
        "let geometry = ::measure::chs(5);",
        "let geometry = f(1,::measure::chs);",
        "let unit = measure::Qcow2Opts::unit(&opts);",
        "let unit = Qcow2Opts::unit(&opts);",
        "let most = VhdOpts::MOST;",
        "let unit = opts.unit();",
        "let size = opts\n    .disk_size(5)?;",
        "let unit = <Qcow2Opts>::unit(&opts);",
        "let asked = options.ask(&other, summary);",
        "let state = qcow2::Qcow2State::init();",
        "use qcow2::Qcow2State;",
        "use vmdk;",
        "vhd::scan(image)",
        "let answer = crate::subject::BUILT_IN;",
        "use crate::subject::{Measured, BuiltIn};",
        "use crate::subject::*;",
        "use crate::subject;",
        "use crate::calc::CalcCase;",
        "use crate as harness;",
        "use super::super::super::subject::BuiltIn;",
        "extern crate measure;",
        "include!(\"../../../../crates/measure/src/vhd.rs\");",
        "#[path = \"../../../../crates/measure/src/vhd.rs\"]",
        "/* */",
        "let text = \"\\\"\"; measure::chs(5);",
        "let text = \"//\"; measure::chs(5);",
        "let quote = '\"'; measure::chs(5); let quote = '\"';",
        "let quote = '\\''; measure::chs(5); let quote = '\\'';",
        "fn f<'a>(x: &'a u8) { measure::chs(5) }",
    ] {
        assert_ne!(findings(bad, 2), [""; 0], "{bad}");
    }
}

#[test]
fn the_watcher_lets_pass_what_is_allowed() {
    for good in [
        "use measure::{MeasureError, MeasureOutput};",
        "use shared::AllocationSummary;\nuse std::{num::NonZeroU64, ops};",
        "use crate::subject::ScanErrorKind::{self, Corrupt};",
        "use crate::model::bytes::Bytes;",
        "use super::{ceiling, units};",
        "use super::super::data::Data;",
        "let error = MeasureError::InvalidSize;",
        "let error = measure::MeasureError::InvalidSize;",
        "match subformat { VhdSubformat::Fixed => u64::from(1_u32), _ => Self::other() }",
        "let answer = self::qcow2::measure(summary);",
        "let unit = summary.touched.map(|touched| touched.unit);",
        "// measure::chs\nlet text = \"measure::chs\";",
        "let eight = part::<8>(bytes);",
        "let list = Vec::<u64>::new();",
    ] {
        assert_eq!(findings(good, 2), [""; 0], "{good}");
    }
    assert_ne!(findings("use super::super::data::Data;", 1), [""; 0]);
}

#[test]
fn tests_at_the_end_are_not_watched() {
    let source = "fn f() {}\n\n#[cfg(test)]\nmod tests {\n    use measure::chs;\n}\n";
    assert_eq!(without_tests(source), "fn f() {}\n");
    assert_eq!(without_tests("fn f() {}\n"), "fn f() {}\n");
}
