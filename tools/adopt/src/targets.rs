//! What is known of each target, and why one cannot be run by another engine.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};
use toml::Table;

use crate::cargo::Package;

/// The longest input that engines make when nothing says otherwise, in bytes: as in libFuzzer.
const USUAL_MAX_INPUT: usize = 4096;
/// The longest that a seed can make it, in bytes.
const LONGEST_INPUT: usize = 1 << 20;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub name: String,
    pub file: PathBuf,
    /// The longest input that engines should make, in bytes.
    pub max_input: usize,
    pub dictionary: Option<PathBuf>,
}

impl Target {
    /// The targets of a cargo-fuzz project in the folder `fuzz`, and why others cannot be run by every engine. Fails
    /// when no target is left.
    pub(crate) fn all(fuzz: &Path, package: &Package) -> Result<(Vec<Self>, Vec<String>)> {
        let mut left_out = Vec::new();
        let mut targets = Vec::new();
        for binary in package.targets.iter().filter(|target| target.is("bin")) {
            let text = fs::read_to_string(&binary.src_path).unwrap_or_default();
            if let Some(why) = obstacle(&text, &binary.required_features) {
                left_out.push(format!("{}: {why}", binary.name));
                continue;
            }
            let options = Options::of(fuzz, &binary.name);
            targets.push(Self {
                max_input: options.max_len.unwrap_or_else(|| {
                    longest(&fuzz.join("corpus").join(&binary.name))
                        .clamp(USUAL_MAX_INPUT, LONGEST_INPUT)
                }),
                dictionary: options.dictionary,
                name: binary.name.clone(),
                file: binary.src_path.clone(),
            });
        }
        ensure!(
            !targets.is_empty(),
            "{} has no target that every engine can run; {}",
            package.name,
            left_out.join("; ")
        );
        Ok((targets, left_out))
    }

    /// The name of its crate as a library of the replay worker.
    pub(crate) fn library(&self) -> String {
        format!("adopted_{}", self.name.replace('-', "_"))
    }

    /// Where its dictionary is, from the project's root.
    pub(crate) fn dictionary_link(&self) -> String {
        format!("corpus/dictionaries/{}.dict", self.name)
    }
}

/// Why other engines cannot run the target with this text, which is built with these features only.
fn obstacle(text: &str, features: &[String]) -> Option<&'static str> {
    let code = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let code = code.collect::<Vec<_>>().join("\n");
    if code.contains("LLVMFuzzer") {
        Some("it names libFuzzer's own functions, which other engines do not have")
    } else if !code.contains("fuzz_target!") {
        Some("its file has no `fuzz_target!`: one that another macro makes cannot be seen")
    } else if !features.is_empty() {
        Some("it has `required-features`, and is built without")
    } else {
        None
    }
}

/// What libFuzzer's options of a target, and files beside it, say.
#[derive(Debug, Default)]
struct Options {
    max_len: Option<usize>,
    dictionary: Option<PathBuf>,
}

impl Options {
    /// From `NAME.options` as OSS-Fuzz has them, and from a dictionary of the target's name.
    fn of(fuzz: &Path, name: &str) -> Self {
        let text = fs::read_to_string(fuzz.join(format!("{name}.options"))).unwrap_or_default();
        let value = |key: &str| {
            let mut lines = text.lines().filter_map(|line| line.split_once('='));
            let found = lines.find(|(left, _)| left.trim() == key);
            found.map(|(_, value)| value.trim().to_owned())
        };
        let beside =
            ["", "dict/", "dicts/", "dictionaries/"].map(|folder| format!("{folder}{name}.dict"));
        let mut dictionaries = value("dict")
            .into_iter()
            .chain(beside)
            .map(|path| fuzz.join(path));
        Self {
            max_len: value("max_len").and_then(|value| value.parse().ok()),
            dictionary: dictionaries.find(|path| path.is_file()),
        }
    }
}

/// The size of the longest file in a folder, in bytes.
fn longest(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.filter_map(|entry| Some(entry.metadata().ok()?.len()));
    usize::try_from(sizes.max().unwrap_or_default()).unwrap_or(usize::MAX)
}

/// The version that a stand-in for `libfuzzer-sys` must have to be taken in its place: the one in the lockfile. Fails
/// when the project uses no `libfuzzer-sys`, or one whose `fuzz_target!` is another.
pub(crate) fn libfuzzer_version(package: &Package, lockfile: Option<&str>) -> Result<String> {
    let mut dependencies = package.dependencies.iter();
    let dependency = dependencies.find(|dependency| dependency.name == "libfuzzer-sys");
    let Some(dependency) = dependency else {
        bail!("{} does not depend on libfuzzer-sys", package.name);
    };
    let is_from_crates_io = |source: &str| source.starts_with("registry+");
    ensure!(
        dependency.source.as_deref().is_some_and(is_from_crates_io),
        "libfuzzer-sys does not come from crates.io: no stand-in can take its place"
    );
    let wanted = dependency.req.trim_start_matches(['^', '~', '=', ' ']);
    ensure!(
        wanted == "0.4" || wanted.starts_with("0.4."),
        "libfuzzer-sys {} is wanted, and there are stand-ins for 0.4 only",
        dependency.req
    );
    let lockfile: Table = lockfile.unwrap_or_default().parse()?;
    let packages = lockfile
        .get("package")
        .and_then(|packages| packages.as_array());
    let mut packages = packages.into_iter().flatten();
    let locked = packages.find(|package| package["name"].as_str() == Some("libfuzzer-sys"));
    let locked = locked.and_then(|package| package["version"].as_str());
    Ok(match locked {
        Some(version) => version.to_owned(),
        None if dependency.req.starts_with('=') => wanted.to_owned(),
        // Above every one that there is, so that cargo takes it.
        None => "0.4.999".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_other_engines_cannot_run_is_seen() {
        for (text, expected) in [
            ("fuzz_target!(|data: &[u8]| {});", None),
            (
                "// LLVMFuzzerMutate\nlibfuzzer_sys::fuzz_target!(|data| ());",
                None,
            ),
            (
                "fuzz_target!(|d| { unsafe { LLVMFuzzerMutate() } });",
                Some("libFuzzer's own"),
            ),
            ("my_fuzz!(parse);", Some("no `fuzz_target!`")),
        ] {
            let found = obstacle(text, &[]);
            assert_eq!(found.is_some(), expected.is_some(), "{text}");
            assert!(
                found
                    .unwrap_or_default()
                    .contains(expected.unwrap_or_default()),
                "{text}"
            );
        }
    }

    #[test]
    fn options_are_those_of_oss_fuzz() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write(
            "parse.options",
            "[libfuzzer]\nmax_len = 77\ndict = words.dict\n",
        );
        write("words.dict", "\"a\"\n");
        let options = Options::of(folder.path(), "parse");
        assert_eq!(options.max_len, Some(77));
        assert_eq!(options.dictionary, Some(folder.path().join("words.dict")));
        let none = Options::of(folder.path(), "other");
        assert_eq!((none.max_len, none.dictionary), (None, None));
    }
}
