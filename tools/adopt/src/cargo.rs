//! What cargo says of a project.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use serde_json::Value;

/// What `cargo metadata` answers, as far as it is used.
#[derive(Debug, Deserialize)]
pub struct Metadata {
    /// Every package; without dependencies, those of the workspace.
    pub packages: Vec<Package>,
    /// The folder of the lockfile.
    pub workspace_root: PathBuf,
    /// `[workspace.metadata]`.
    pub metadata: Option<Value>,
}

/// A package.
#[derive(Debug, Clone, Deserialize)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its edition of Rust.
    pub edition: String,
    /// Where it comes from; `None` for a folder.
    pub source: Option<String>,
    /// Its manifest.
    pub manifest_path: PathBuf,
    /// What it depends on.
    pub dependencies: Vec<Dependency>,
    /// What is built of it.
    pub targets: Vec<BuildTarget>,
    /// Its features.
    pub features: BTreeMap<String, Vec<String>>,
}

/// A dependency, with what it inherits from a workspace.
#[derive(Debug, Clone, Deserialize)]
pub struct Dependency {
    /// The package.
    pub name: String,
    /// The versions.
    pub req: String,
    /// `dev`, `build` or `None`.
    pub kind: Option<String>,
    /// The name that the code has for it, when that is another.
    pub rename: Option<String>,
    /// Whether only a feature brings it.
    pub optional: bool,
    /// Whether its default features are on.
    pub uses_default_features: bool,
    /// Its other features.
    pub features: Vec<String>,
    /// The platform.
    pub target: Option<String>,
    /// The folder.
    pub path: Option<PathBuf>,
    /// A registry, or a repository.
    pub source: Option<String>,
    /// The address of a registry other than crates.io.
    pub registry: Option<String>,
}

/// A binary, a library or a build script.
#[derive(Debug, Clone, Deserialize)]
pub struct BuildTarget {
    /// Its name.
    pub name: String,
    /// `bin`, `lib`, `custom-build`, …
    pub kind: Vec<String>,
    /// Its file.
    pub src_path: PathBuf,
    /// The features without which it is not built.
    #[serde(rename = "required-features", default)]
    pub required_features: Vec<String>,
}

impl BuildTarget {
    /// Whether it is of this kind.
    #[must_use]
    pub fn is(&self, kind: &str) -> bool {
        self.kind.iter().any(|of| of == kind)
    }
}

impl Metadata {
    /// Of the project in `folder`. Without `--no-deps`, cargo may write the lockfile there.
    ///
    /// # Errors
    /// What cargo prints when it fails.
    pub fn of(folder: &Path, options: &[&str]) -> Result<Self> {
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
    pub fn code_under_test(&self) -> Vec<&str> {
        let metadata = self.metadata.as_ref().unwrap_or(&Value::Null);
        let named = &metadata["campaign"]["code-under-test"];
        let named = named
            .as_array()
            .map_or(std::slice::from_ref(named), Vec::as_slice);
        named.iter().filter_map(Value::as_str).collect()
    }

    /// The package whose folder this is.
    ///
    /// # Errors
    /// When there is none.
    pub fn package_in(&self, folder: &Path) -> Result<&Package> {
        let manifest = folder.join("Cargo.toml");
        let mut packages = self.packages.iter();
        let found = packages.find(|package| package.manifest_path == manifest);
        found.with_context(|| format!("cargo knows no package in {}", folder.display()))
    }
}
