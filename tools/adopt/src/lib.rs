//! Makes a cargo-fuzz project one that the campaign tool can drive, and leaves it as it is.
//!
//! All that is written is below `campaign/` in the project's folder, which git ignores: three copies of the project's
//! manifest, each a workspace of its own, and a replay worker. In the copies for AFL++, for honggfuzz and for the
//! worker another package is in the place of `libfuzzer-sys`: a stand-in whose `fuzz_target!` calls that engine.
//! Each copy has a copy of the lockfile. Corpora, artifacts and dictionaries are referred to by links.
//!
//! - `cargo`: what cargo says of the project; `manifest`: the copies of its manifest;
//!   `targets`: what is known of each target, and why one cannot be run.
#![forbid(unsafe_code)]

mod cargo;
mod manifest;
mod targets;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use toml::{Table, Value};

use self::cargo::{Metadata, Package};
use self::manifest::Manifests;
use self::targets::Target;

/// The folder of measure-fuzz from which this tool was built: it has the replay worker's library and the wrapper.
const HARNESS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The stand-ins: an engine's folder, and the texts of its manifest and of its library.
const STAND_INS: [(&str, &str, &str); 3] = [
    (
        "afl",
        include_str!("../stand-ins/afl/Cargo.toml"),
        include_str!("../stand-ins/afl/src/lib.rs"),
    ),
    (
        "honggfuzz",
        include_str!("../stand-ins/honggfuzz/Cargo.toml"),
        include_str!("../stand-ins/honggfuzz/src/lib.rs"),
    ),
    (
        "replay",
        include_str!("../stand-ins/replay/Cargo.toml"),
        include_str!("../stand-ins/replay/src/lib.rs"),
    ),
];
/// What they include.
const SHARED: [(&str, &str); 2] = [
    (
        "fuzz_target.rs",
        include_str!("../stand-ins/fuzz_target.rs"),
    ),
    ("main.rs", include_str!("../stand-ins/main.rs")),
];

/// Whether `folder` is a cargo-fuzz project: its manifest says so.
#[must_use]
pub fn is_fuzz_project(folder: &Path) -> bool {
    let text = fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
    let manifest: Table = text.parse().unwrap_or_default();
    let metadata = manifest.get("package").and_then(|it| it.get("metadata"));
    metadata.and_then(|it| it.get("cargo-fuzz")) == Some(&Value::Boolean(true))
}

/// A cargo-fuzz project that was adopted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adopted {
    /// The folder, which is a project of the tool's.
    pub root: PathBuf,
    /// The targets that not every engine can run, each with the reason.
    pub left_out: Vec<String>,
}

/// Writes, or brings up to date, what the campaign tool needs to drive the cargo-fuzz project in `fuzz`. An engine sees
/// the code under test alone, or every crate when `instruments_all`. Fails when cargo cannot read the project, when no
/// target can be run by every engine, or when something cannot be written.
pub fn prepare(fuzz: &Path, instruments_all: bool) -> Result<Adopted> {
    let fuzz = fuzz.canonicalize();
    let fuzz = fuzz.context("the project's folder cannot be opened")?;
    let metadata = Metadata::of(&fuzz, &["--no-deps"])?;
    let package = metadata.package_in(&fuzz)?;
    let (targets, left_out) = Target::all(&fuzz, package)?;
    let root = match instruments_all {
        true => fuzz.join("campaign/all"),
        false => fuzz.join("campaign"),
    };
    fs::create_dir_all(&root).with_context(|| format!("{} cannot be made", root.display()))?;
    let written = Written { root: &root };
    written.file(".gitignore", "*\n")?;
    let harness = Path::new(HARNESS);
    let harness = harness.canonicalize().with_context(|| {
        format!("measure-fuzz, of which this tool was built, is no longer in {HARNESS}: install the tool again")
    })?;

    let lockfile = fs::read_to_string(metadata.workspace_root.join("Cargo.lock")).ok();
    let version = targets::libfuzzer_version(package, lockfile.as_deref())?;
    written.stand_ins(&version, &harness)?;
    let manifests = Manifests::new(package, &metadata.workspace_root, &targets)?;
    for (folder, stand_in) in [
        ("afl-targets", Some("afl")),
        ("hfuzz-targets", Some("honggfuzz")),
        ("libfuzzer-targets", None),
    ] {
        let stand_in = stand_in.map(|name| root.join("stand-ins").join(name));
        let manifest = manifests.of_engine(stand_in.as_deref());
        written.file(&format!("{folder}/Cargo.toml"), &manifest)?;
        written.lockfile(folder, lockfile.as_deref())?;
    }
    let code = code_under_test(&root, package, &metadata)?;
    let (worker, libraries) = manifests.of_worker(&root, &code);
    written.file("Cargo.toml", &worker)?;
    for (folder, manifest) in libraries {
        written.file(&format!("targets/{folder}/Cargo.toml"), &manifest)?;
    }
    written.lockfile(".", lockfile.as_deref())?;
    written.file("src/bin/replay_worker.rs", &worker_main(&targets))?;
    let wrapper = match instruments_all {
        true => None,
        false => Some(harness.join(".cargo/rustc-wrapper")),
    };
    written.file(
        ".cargo/config.toml",
        &config(&root, package, wrapper.as_deref()),
    )?;
    for target in &targets {
        written.inputs(&fuzz, target)?;
    }
    Ok(Adopted { root, left_out })
}

/// The packages that are fuzzed: those that the workspace names, or else its own beside the fuzz folder, or else what
/// that depends on directly.
fn code_under_test(root: &Path, fuzz: &Package, workspace: &Metadata) -> Result<Vec<String>> {
    let copy = root.join("libfuzzer-targets");
    let metadata = Metadata::of(&copy, &[])?;
    let named = workspace.code_under_test();
    let is_named = |package: &Package| {
        let place = package
            .manifest_path
            .strip_prefix(&workspace.workspace_root);
        let place = place.unwrap_or(&package.manifest_path);
        let lies_in = |folder: &str| folder.ends_with('/') && place.starts_with(folder);
        let mut named = named.iter();
        named.any(|&name| package.name == name || lies_in(name))
    };
    let own = metadata.packages.iter();
    let own = own.filter(|package| match named.is_empty() {
        true => package.source.is_none() && package.name != fuzz.name,
        false => is_named(package),
    });
    let mut code: BTreeSet<String> = own.map(|package| package.name.clone()).collect();
    if code.is_empty() {
        let direct = fuzz.dependencies.iter().map(|dependency| &*dependency.name);
        let direct = direct.filter(|name| !["libfuzzer-sys", "arbitrary"].contains(name));
        code.extend(direct.map(str::to_owned));
    }
    ensure!(!code.is_empty(), "{} depends on no code to fuzz", fuzz.name);
    Ok(code.into_iter().collect())
}

/// The replay worker's `main`.
fn worker_main(targets: &[Target]) -> String {
    let values = targets.iter().map(|target| {
        format!(
            "        &Target::new({}::__ADOPTED, {:?}, {}, {:?}),\n",
            target.library(),
            target.name,
            target.max_input,
            target.dictionary.as_ref().map(|_| target.dictionary_link()),
        )
    });
    format!(
        "//! The replay worker: see the campaign tool.\n\
         use libfuzzer_sys::Target;\nuse libfuzzer_sys::worker::{{Project, serve}};\n\n\
         fn main() -> std::io::Result<()> {{\n    \
             let targets: &[&dyn libfuzzer_sys::worker::Target] = &[\n{}    ];\n    \
             serve(&Project {{ targets, checks: &[], judged: &[] }})\n}}\n",
        values.collect::<String>()
    )
}

/// Cargo's configuration: the wrapper instruments the code under test alone, and sets `cfg(fuzzing)` as cargo-fuzz
/// does, for the replay worker too.
fn config(root: &Path, fuzz: &Package, wrapper: Option<&Path>) -> String {
    let Some(wrapper) = wrapper else {
        return String::new();
    };
    let force = |value: &str| {
        let force = ("force".to_owned(), Value::Boolean(true));
        Value::Table(Table::from_iter([
            ("value".to_owned(), value.into()),
            force,
        ]))
    };
    let build = Table::from_iter([(
        "rustc-wrapper".to_owned(),
        wrapper.display().to_string().into(),
    )]);
    let env = Table::from_iter([
        (
            "MEASURE_FUZZ_PROJECT".to_owned(),
            force(&root.display().to_string()),
        ),
        ("MEASURE_FUZZ_ADOPTED".to_owned(), force(&fuzz.name)),
    ]);
    let config = [
        ("build".to_owned(), build.into()),
        ("env".to_owned(), env.into()),
    ];
    Table::from_iter(config).to_string()
}

/// What is written below the project's root. A file that is as it should be is left alone: cargo looks at the times.
struct Written<'a> {
    root: &'a Path,
}

impl Written<'_> {
    fn file(&self, path: &str, text: &str) -> Result<()> {
        let path = self.root.join(path);
        if fs::read_to_string(&path).is_ok_and(|before| before == text) {
            return Ok(());
        }
        let folder = path.parent().unwrap_or(self.root);
        let write = || {
            fs::create_dir_all(folder)?;
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(text.as_bytes())?;
            file.persist(&path)?;
            anyhow::Ok(())
        };
        write().with_context(|| format!("{} cannot be written", path.display()))
    }

    /// A copy of the project's lockfile, when the project's has changed. Cargo adds to the copy.
    fn lockfile(&self, folder: &str, text: Option<&str>) -> Result<()> {
        let Some(text) = text else {
            return Ok(());
        };
        let original = format!("{folder}/Cargo.lock.original");
        let is_new = fs::read_to_string(self.root.join(&original))
            .ok()
            .as_deref()
            != Some(text);
        if is_new {
            self.file(&format!("{folder}/Cargo.lock"), text)?;
        }
        self.file(&original, text)
    }

    fn stand_ins(&self, version: &str, harness: &Path) -> Result<()> {
        for (name, text) in SHARED {
            self.file(&format!("stand-ins/{name}"), text)?;
        }
        for (name, manifest, library) in STAND_INS {
            let mut manifest: Table = manifest.parse().context("a stand-in's manifest")?;
            manifest["package"]["version"] = version.into();
            if let Some(worker) = manifest["dependencies"].get_mut("worker") {
                worker["path"] = harness.join("worker").display().to_string().into();
            }
            self.file(
                &format!("stand-ins/{name}/Cargo.toml"),
                &manifest.to_string(),
            )?;
            self.file(&format!("stand-ins/{name}/src/lib.rs"), library)?;
        }
        Ok(())
    }

    /// Links to a target's corpus, artifacts and dictionary. Without a corpus, one input of one byte is the seed.
    fn inputs(&self, fuzz: &Path, target: &Target) -> Result<()> {
        let corpus = fuzz.join("corpus").join(&target.name);
        let seeds = format!("corpus/seeds/{}", target.name);
        let has_inputs = fs::read_dir(&corpus).is_ok_and(|mut entries| entries.next().is_some());
        if has_inputs {
            self.link(&corpus, &seeds)?;
        } else {
            let link = self.root.join(&seeds);
            if link.is_symlink() {
                fs::remove_file(&link).with_context(|| format!("{} stays", link.display()))?;
            }
            self.file(&format!("{seeds}/one-byte"), "0")?;
        }
        let artifacts = fuzz.join("artifacts").join(&target.name);
        if artifacts.is_dir() {
            self.link(&artifacts, &format!("corpus/regressions/{}", target.name))?;
        }
        match &target.dictionary {
            Some(dictionary) => self.link(dictionary, &target.dictionary_link()),
            None => Ok(()),
        }
    }

    /// Makes a link, in the place of an older one or of the seed that was made for want of a corpus.
    fn link(&self, to: &Path, path: &str) -> Result<()> {
        let link = self.root.join(path);
        if fs::read_link(&link).is_ok_and(|before| before == to) {
            return Ok(());
        }
        let make = || {
            if link.is_symlink() {
                fs::remove_file(&link)?;
            } else if link.is_dir() {
                fs::remove_file(link.join("one-byte"))?;
                fs::remove_dir(&link)?;
            } else if let Some(folder) = link.parent() {
                fs::create_dir_all(folder)?;
            }
            symlink(to, &link)
        };
        make().with_context(|| format!("{} cannot be made a link", link.display()))
    }
}
