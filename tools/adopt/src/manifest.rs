//! Copies of a project's manifest, with another package in the place of `libfuzzer-sys`.
//!
//! They are made of what cargo says of the project, so that what a manifest inherits from its workspace is in them.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use toml::{Table, Value};

use crate::cargo::{Dependency, Package};
use crate::targets::Target;

/// What the copies have in common.
#[derive(Debug)]
pub(crate) struct Manifests<'a> {
    package: &'a Package,
    targets: &'a [Target],
    /// `[patch]` and `[profile]` of the workspace.
    workspace: Table,
}

impl<'a> Manifests<'a> {
    /// Of the package, whose workspace is in the folder `workspace_root`. Fails when the workspace's manifest cannot be
    /// read.
    pub(crate) fn new(
        package: &'a Package,
        workspace_root: &Path,
        targets: &'a [Target],
    ) -> Result<Self> {
        let path = workspace_root.join("Cargo.toml");
        let text = fs::read_to_string(&path);
        let text = text.with_context(|| format!("{} cannot be read", path.display()))?;
        let manifest: Table = text.parse().with_context(|| path.display().to_string())?;
        let mut workspace = Table::new();
        for part in ["patch", "profile"] {
            if let Some(value) = manifest.get(part) {
                workspace.insert(part.to_owned(), value.clone());
            }
        }
        if let Some(patch) = workspace.get_mut("patch") {
            make_absolute(patch, workspace_root);
        }
        // As cargo-fuzz builds. What the project sets stays.
        let release = table(&mut workspace, &["profile", "release"]);
        for (name, value) in [
            ("debug-assertions", Value::Boolean(true)),
            ("overflow-checks", Value::Boolean(true)),
            ("debug", "line-tables-only".into()),
        ] {
            release.entry(name).or_insert(value);
        }
        Ok(Self {
            package,
            targets,
            workspace,
        })
    }

    /// The manifest for an engine: the project's binaries, with the stand-in if the engine is another than libFuzzer.
    pub(crate) fn of_engine(&self, stand_in: Option<&Path>) -> String {
        let mut manifest = self.of_package(&self.package.name);
        let metadata = Table::from_iter([("cargo-fuzz".to_owned(), true.into())]);
        table(&mut manifest, &["package"]).insert("metadata".to_owned(), metadata.into());
        if let Some(library) = self.library() {
            manifest.insert("lib".to_owned(), library.into());
        }
        let binaries = self.targets.iter().map(|target| {
            let mut binary = file(&target.file);
            binary.insert("name".to_owned(), target.name.clone().into());
            for off in ["test", "doc", "bench"] {
                binary.insert(off.to_owned(), false.into());
            }
            Value::Table(binary)
        });
        manifest.insert("bin".to_owned(), Value::Array(binaries.collect()));
        manifest.insert("workspace".to_owned(), Table::new().into());
        self.finish(manifest, stand_in)
    }

    /// The manifest of the replay worker in `root`, and those of the libraries that the targets are there, each with
    /// the name of its folder below `targets`.
    pub(crate) fn of_worker(
        &self,
        root: &Path,
        code_under_test: &[String],
    ) -> (String, Vec<(String, String)>) {
        let mut libraries = Vec::new();
        if let Some(library) = self.library() {
            let mut manifest = self.of_package(&self.package.name);
            manifest.insert("lib".to_owned(), library.into());
            libraries.push((self.package.name.clone(), manifest.to_string()));
        }
        let helper = libraries.first().map(|(name, _)| name.clone());
        let mut dependencies = Table::new();
        for target in self.targets {
            let name = format!("adopted-{}", target.name);
            let mut manifest = self.of_package(&name);
            let mut library = file(&target.file);
            library.insert("name".to_owned(), target.library().into());
            for off in ["test", "doctest"] {
                library.insert(off.to_owned(), false.into());
            }
            manifest.insert("lib".to_owned(), library.into());
            if let Some(helper) = &helper {
                let path = root.join("targets").join(helper);
                table(&mut manifest, &["dependencies"]).insert(helper.clone(), in_folder(&path));
            }
            dependencies.insert(name.clone(), in_folder(&root.join("targets").join(&name)));
            libraries.push((name, manifest.to_string()));
        }
        let stand_in = root.join("stand-ins/replay");
        dependencies.insert("libfuzzer-sys".to_owned(), in_folder(&stand_in));
        let package = [
            ("name", "replay-worker".into()),
            ("version", "0.0.0".into()),
            ("edition", "2024".into()),
            ("publish", Value::Boolean(false)),
        ];
        let mut manifest = Table::new();
        manifest.insert("package".to_owned(), table_of(package).into());
        manifest.insert("dependencies".to_owned(), dependencies.into());
        let code = code_under_test.iter().cloned().map(Value::String).collect();
        let workspace = table(&mut manifest, &["workspace"]);
        let outside = [
            "afl-targets",
            "hfuzz-targets",
            "libfuzzer-targets",
            "stand-ins",
        ];
        let outside = outside.map(Value::from).to_vec();
        workspace.insert("exclude".to_owned(), Value::Array(outside));
        table(workspace, &["metadata", "campaign"])
            .insert("code-under-test".to_owned(), Value::Array(code));
        (self.finish(manifest, Some(&stand_in)), libraries)
    }

    /// `[package]`, dependencies and features, without anything that is built.
    fn of_package(&self, name: &str) -> Table {
        let package = self.package;
        let mut manifest = Table::new();
        let about = [
            ("name", name.into()),
            ("version", package.version.clone().into()),
            ("edition", package.edition.clone().into()),
            ("publish", Value::Boolean(false)),
            ("autobins", Value::Boolean(false)),
        ];
        manifest.insert("package".to_owned(), table_of(about).into());
        let script = package
            .targets
            .iter()
            .find(|target| target.is("custom-build"));
        if let Some(script) = script {
            let path = script.src_path.display().to_string();
            table(&mut manifest, &["package"]).insert("build".to_owned(), path.into());
        }
        for dependency in &package.dependencies {
            let kind = match dependency.kind.as_deref() {
                None => "dependencies",
                Some("build") => "build-dependencies",
                Some(_) => continue,
            };
            let of_kind = match &dependency.target {
                Some(platform) => table(&mut manifest, &["target", platform, kind]),
                None => table(&mut manifest, &[kind]),
            };
            let name = dependency.rename.as_ref().unwrap_or(&dependency.name);
            of_kind.insert(name.clone(), depends_on(dependency));
        }
        let features = package.features.iter().map(|(name, of)| {
            let of = of.iter().cloned().map(Value::String).collect();
            (name.clone(), Value::Array(of))
        });
        manifest.insert("features".to_owned(), Table::from_iter(features).into());
        manifest
    }

    /// The library that the targets share, when the project has one.
    fn library(&self) -> Option<Table> {
        let is_library = |kind: &str| ["lib", "rlib"].contains(&kind);
        let mut targets = self.package.targets.iter();
        let library = targets.find(|target| target.kind.iter().any(|kind| is_library(kind)))?;
        let mut table = file(&library.src_path);
        table.insert("name".to_owned(), library.name.replace('-', "_").into());
        Some(table)
    }

    /// The text of a workspace's manifest.
    fn finish(&self, mut manifest: Table, stand_in: Option<&Path>) -> String {
        manifest.extend(self.workspace.clone());
        if let Some(stand_in) = stand_in {
            table(&mut manifest, &["patch", "crates-io"])
                .insert("libfuzzer-sys".to_owned(), in_folder(stand_in));
        }
        manifest.to_string()
    }
}

/// A dependency as a manifest has it.
fn depends_on(dependency: &Dependency) -> Value {
    let mut table = Table::new();
    let mut set = |name: &str, value: Value| table.insert(name.to_owned(), value);
    if dependency.req != "*" || dependency.path.is_none() {
        set("version", dependency.req.clone().into());
    }
    if let Some(path) = &dependency.path {
        set("path", path.display().to_string().into());
    }
    if let Some(registry) = &dependency.registry {
        set("registry-index", registry.clone().into());
    }
    let repository = dependency
        .source
        .as_deref()
        .and_then(|source| source.strip_prefix("git+"));
    if let Some(repository) = repository {
        let repository = repository.split('#').next().unwrap_or(repository);
        let (address, place) = repository.split_once('?').unwrap_or((repository, ""));
        set("git", address.into());
        if let Some((kind, name)) = place.split_once('=') {
            set(kind, name.into());
        }
    }
    if dependency.rename.is_some() {
        set("package", dependency.name.clone().into());
    }
    if dependency.optional {
        set("optional", true.into());
    }
    if !dependency.uses_default_features {
        set("default-features", false.into());
    }
    if !dependency.features.is_empty() {
        let features = dependency.features.iter().cloned().map(Value::String);
        set("features", Value::Array(features.collect()));
    }
    table.into()
}

/// Makes every `path` in a `[patch]` one that does not depend on where it is read.
fn make_absolute(value: &mut Value, root: &Path) {
    let Value::Table(table) = value else {
        return;
    };
    for (name, value) in table.iter_mut() {
        match value {
            Value::String(path) if name == "path" => {
                *path = root.join(&*path).display().to_string();
            }
            _ => make_absolute(value, root),
        }
    }
}

/// The table at a path of names, made where there is none.
fn table<'t>(within: &'t mut Table, names: &[&str]) -> &'t mut Table {
    let mut table = within;
    for name in names {
        let entry = table.entry(*name).or_insert_with(|| Table::new().into());
        if !entry.is_table() {
            *entry = Table::new().into();
        }
        let Value::Table(next) = entry else {
            unreachable!("it has just been made one");
        };
        table = next;
    }
    table
}

fn table_of<const N: usize>(entries: [(&str, Value); N]) -> Table {
    Table::from_iter(entries.map(|(name, value)| (name.to_owned(), value)))
}

fn file(path: &Path) -> Table {
    table_of([("path", path.display().to_string().into())])
}

fn in_folder(path: &Path) -> Value {
    table_of([("path", path.display().to_string().into())]).into()
}
