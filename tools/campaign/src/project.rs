//! What a project has: its folders, its targets and checks, and the folders of what a campaign makes.
//!
//! A project is a folder with the three engine crates, seeds, and a `replay_worker` binary. This
//! workspace is one; a project with other code under test, as in `subjects/example`, is
//! another, and `--project` names it. The replay worker knows the targets and the checks: it is built when one
//! of them is first asked for.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::slice;
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use worker::TargetInfo;
use worker::known::IGNORE_VARIABLE;
use worker::protocol::{CheckInfo, Hello, JUDGE_VARIABLE};

use crate::coverage::Code;
use crate::replay::{build_worker, hello_of};
use crate::supervisor::{self, Claim};

/// The packages of the engines' targets, which are also their folders.
pub const ENGINE_PACKAGES: [&str; 3] = ["afl-targets", "libfuzzer-targets", "hfuzz-targets"];

/// The environment variable that, when it is `all`, has every crate of an adopted project instrumented, and not the code
/// under test alone.
const INSTRUMENT_VARIABLE: &str = "MEASURE_FUZZ_INSTRUMENT";

/// A project with targets. Whatever its replay worker knows is an error when that cannot be built or started, or is of
/// another version than this tool.
#[derive(Debug, Clone)]
pub struct Project {
    root: PathBuf,
    /// As it was named on the command line.
    named: Option<PathBuf>,
    worker: OnceLock<Worker>,
}

/// A replay worker, and what it serves.
#[derive(Debug, Clone)]
struct Worker {
    binary: PathBuf,
    hello: Hello,
}

impl Project {
    /// The project at `explicit`, or else the one that the current folder lies in. Fails when the folder is no project,
    /// or no folder above the current one is.
    pub fn open(explicit: Option<&Path>) -> Result<Self> {
        let root = if let Some(folder) = explicit {
            let root = fs_err::canonicalize(folder)?;
            if is_project(&root) {
                root
            } else {
                ensure!(
                    adopt::is_fuzz_project(&root),
                    "{} is no project: it has no folders {}, and it is none of cargo-fuzz",
                    folder.display(),
                    ENGINE_PACKAGES.join(", ")
                );
                adopted(&root)?
            }
        } else {
            let here = std::env::current_dir().context("the current folder is not known")?;
            let mut above = here.ancestors();
            let root = above.find(|folder| is_project(folder)).context(
                "neither this folder nor one above it is a project; name it with --project DIR",
            )?;
            root.to_owned()
        };
        Ok(Self {
            root,
            named: explicit.map(Path::to_owned),
            worker: OnceLock::new(),
        })
    }

    /// The beginning of a command line that uses this project, and judges what this process judges.
    pub fn command(&self) -> String {
        let mut command = String::new();
        for name in [JUDGE_VARIABLE, IGNORE_VARIABLE] {
            if let Ok(value) = std::env::var(name) {
                command += &format!("{name}={value} ");
            }
        }
        command += "cargo campaign";
        if let Some(folder) = &self.named {
            command += &format!(" --project {}", folder.display());
        }
        command
    }

    /// The project's root.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The code under test: coverage counts its files. The manifest has it as `code-under-test` under
    /// `[workspace.metadata.campaign]`: a folder that ends with `/`, or a list of folders and packages.
    pub(crate) fn code_under_test(&self) -> Result<Vec<Code>> {
        let manifest = format!("{}/Cargo.toml", self.root.display());
        let mut cargo = Command::new("cargo");
        cargo
            .args(["metadata", "--format-version", "1"])
            .current_dir(&self.root);
        let output = cargo.output().context("cannot run cargo")?;
        let metadata: Value = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("cargo cannot read {manifest}"))?;
        let field = &metadata["metadata"]["campaign"]["code-under-test"];
        let names = field
            .as_array()
            .map_or(slice::from_ref(field), Vec::as_slice);
        let mut code = Vec::new();
        for name in names {
            let name = name.as_str().with_context(|| {
                format!("{manifest} has no `code-under-test` under [workspace.metadata.campaign]")
            })?;
            if name.ends_with('/') {
                code.push(Code::folder(&self.root, name));
                continue;
            }
            let packages = metadata["packages"].as_array().into_iter().flatten();
            let packages = packages.filter(|package| package["name"] == name);
            let manifests = packages.filter_map(|package| package["manifest_path"].as_str());
            let before = code.len();
            code.extend(manifests.map(|manifest| Code::package(Path::new(manifest))));
            ensure!(
                code.len() > before,
                "{manifest}: no package is called {name:?}"
            );
        }
        Ok(code)
    }

    /// The replay worker: built on stable, without an engine. Fails when it cannot be built or started, or is of
    /// another version than this tool.
    pub fn worker(&self) -> Result<&Path> {
        Ok(&self.built()?.binary)
    }

    /// Every target.
    pub fn targets(&self) -> Result<&[TargetInfo]> {
        Ok(&self.built()?.hello.targets)
    }

    pub(crate) fn checks(&self) -> Result<&[CheckInfo]> {
        Ok(&self.built()?.hello.checks)
    }

    pub(crate) fn known(&self) -> Result<&[worker::Known]> {
        Ok(&self.built()?.hello.known)
    }

    /// What is judged, in words: from the worker, which has the command line's options in its environment.
    pub(crate) fn judged(&self) -> Result<String> {
        let Hello { judged, known, .. } = &self.built()?.hello;
        Ok(judged_in_words(judged, known.len()))
    }

    /// The targets that campaigns fuzz: all but the base line, which measures an engine's own cost.
    pub fn fuzzed(&self) -> Result<Vec<&TargetInfo>> {
        let targets = self.targets()?.iter();
        Ok(targets.filter(|target| !target.is_baseline).collect())
    }

    /// The target of that name. Fails when there is none, and as [`worker`](Self::worker).
    pub fn target(&self, name: &str) -> Result<&TargetInfo> {
        let mut targets = self.targets()?.iter();
        let found = targets.find(|target| target.name == name);
        let known = names(self.fuzzed()?).join(", ");
        found.with_context(|| format!("no target is called {name:?}; there are {known}"))
    }

    fn built(&self) -> Result<&Worker> {
        if let Some(worker) = self.worker.get() {
            return Ok(worker);
        }
        let binary = build_worker(&self.root, &self.builds("replay"))?;
        let hello = hello_of(&binary)?;
        Ok(self.worker.get_or_init(|| Worker { binary, hello }))
    }

    /// Seeds that are checked in, of a target.
    pub fn seeds(&self, target: &str) -> PathBuf {
        self.root.join("corpus/seeds").join(target)
    }

    /// The shipped corpora: a zip a target.
    pub fn shipped(&self) -> PathBuf {
        self.root.join("corpus/shipped")
    }

    /// Past finds that are checked in and must not come back, of a target.
    pub(crate) fn regressions(&self, target: &str) -> PathBuf {
        self.root.join("corpus/regressions").join(target)
    }

    /// The dictionary of a target.
    pub fn dictionary(&self, target: &TargetInfo) -> Option<PathBuf> {
        let path = self.root.join(target.dictionary.as_ref()?);
        Some(path).filter(|path| path.is_file())
    }

    /// Everything that campaigns make: it is not checked in.
    pub fn results(&self) -> PathBuf {
        self.root.join("results")
    }

    /// The corpus of a target: what all engines found worth keeping, named by content.
    pub(crate) fn corpus(&self, target: &str) -> PathBuf {
        self.results().join("corpus").join(target)
    }

    /// The finds of an engine on a target, named by content.
    pub(crate) fn finds(&self, target: &str, engine: &str) -> PathBuf {
        self.results().join("finds").join(target).join(engine)
    }

    /// The folder in which an engine runs on a target, or `ensemble` for several.
    pub(crate) fn run_folder(&self, target: &str, engine: &str) -> PathBuf {
        self.results().join("run").join(target).join(engine)
    }

    /// Takes the folder of a run for this process, until the lock is dropped. Fails when another process has it: two
    /// runs in one folder would destroy each other's results.
    pub fn lock(&self, run_folder: &Path) -> Result<File> {
        supervisor::lock(&run_folder.with_extension("lock"), run_folder)
    }

    /// As [`lock`](Self::lock), for a run that starts engines there: see [`Claim::take`].
    pub fn claim(&self, run_folder: &Path) -> Result<Claim> {
        Claim::take(run_folder, &run_folder.with_extension("lock"))
    }

    /// The folder of builds for `purpose`. Each has one of its own, because the flags differ.
    pub fn builds(&self, purpose: &str) -> PathBuf {
        self.root.join("target").join("campaign").join(purpose)
    }
}

/// What is judged, in words; `known` is the number of findings that are not held against the code under test.
pub(crate) fn judged_in_words(judged: &[String], known: usize) -> String {
    let judged = match judged {
        [] => "everything".to_owned(),
        names => names.join(", "),
    };
    format!("judged: {judged}; known findings: {known}")
}

pub(crate) fn names<'a>(targets: impl IntoIterator<Item = &'a TargetInfo>) -> Vec<&'a str> {
    let targets = targets.into_iter();
    targets.map(|target| target.name.as_str()).collect()
}

/// The project that a cargo-fuzz project in `fuzz` is adopted as. Says which targets are left out.
fn adopted(fuzz: &Path) -> Result<PathBuf> {
    let instruments_all = std::env::var_os(INSTRUMENT_VARIABLE).is_some_and(|it| it == "all");
    let adopted = adopt::prepare(fuzz, instruments_all)?;
    for target in adopted.left_out {
        eprintln!("left out: {target}");
    }
    Ok(adopted.root)
}

fn is_project(folder: &Path) -> bool {
    folder.join("Cargo.toml").is_file()
        && ENGINE_PACKAGES
            .iter()
            .all(|package| folder.join(package).join("Cargo.toml").is_file())
}
