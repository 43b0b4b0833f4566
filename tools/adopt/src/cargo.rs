//! What cargo says of a project.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use serde_json::Value;

/// What `cargo metadata` answers, as far as it is used.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    /// Every package; without dependencies, those of the workspace.
    pub packages: Vec<Package>,
    /// The folder of the lockfile.
    pub workspace_root: PathBuf,
    pub metadata: Option<Value>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Package {
    pub name: String,
    pub version: String,
    pub edition: String,
    /// Where it comes from; `None` for a folder.
    pub source: Option<String>,
    pub manifest_path: PathBuf,
    pub dependencies: Vec<Dependency>,
    pub targets: Vec<BuildTarget>,
    pub features: BTreeMap<String, Vec<String>>,
}

/// A dependency, with what it inherits from a workspace.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Dependency {
    pub name: String,
    pub req: String,
    /// `dev`, `build` or `None`.
    pub kind: Option<String>,
    /// The name that the code has for it, when that is another.
    pub rename: Option<String>,
    pub optional: bool,
    pub uses_default_features: bool,
    pub features: Vec<String>,
    pub target: Option<String>,
    pub path: Option<PathBuf>,
    /// A registry, or a repository.
    pub source: Option<String>,
    /// The address of a registry other than crates.io.
    pub registry: Option<String>,
}

/// A binary, a library or a build script.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct BuildTarget {
    pub name: String,
    /// `bin`, `lib`, `custom-build`, …
    pub kind: Vec<String>,
    pub src_path: PathBuf,
    #[serde(rename = "required-features", default)]
    pub required_features: Vec<String>,
}

impl BuildTarget {
    pub(crate) fn is(&self, kind: &str) -> bool {
        self.kind.iter().any(|of| of == kind)
    }
}

impl Metadata {
    /// Of the project in `folder`. Without `--no-deps`, cargo may write the lockfile there. An error is what cargo
    /// prints when it fails.
    pub(crate) fn of(folder: &Path, options: &[&str]) -> Result<Self> {
        let output = Command::new("cargo")
            .args(["metadata", "--format-version", "1"])
            .args(options)
            .current_dir(folder)
            .output()
            .context("cargo cannot be run")?;
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr);
            bail!(
                "cargo cannot read {}:\n{}",
                folder.display(),
                why.trim_end()
            );
        }
        serde_json::from_slice(&output.stdout).context("cargo's answer cannot be read")
    }

    /// The packages and folders that `[workspace.metadata.campaign]` names as code under test.
    pub(crate) fn code_under_test(&self) -> Vec<&str> {
        let metadata = self.metadata.as_ref().unwrap_or(&Value::Null);
        let named = &metadata["campaign"]["code-under-test"];
        let named = named
            .as_array()
            .map_or(std::slice::from_ref(named), Vec::as_slice);
        named.iter().filter_map(Value::as_str).collect()
    }

    /// The package whose folder this is. Fails when there is none.
    pub(crate) fn package_in(&self, folder: &Path) -> Result<&Package> {
        let manifest = folder.join("Cargo.toml");
        let mut packages = self.packages.iter();
        let found = packages.find(|package| package.manifest_path == manifest);
        found.with_context(|| format!("cargo knows no package in {}", folder.display()))
    }
}
