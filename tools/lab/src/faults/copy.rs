//! The project's sources as they are now, and copies of them to plant faults in.
//!
//! A copy stays between faults and between runs, with its builds inside it. It is made like the sources
//! again by writing the files that differ and no others, so that cargo builds again what a fault changed
//! and what stands on that.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use super::patch::Fault;
use crate::digest::Digest;
use campaign::project::Project;

/// Folders that no build reads, and that may be large.
const LEFT_OUT: [&str; 3] = ["corpus", "results", "target"];

/// Folders that no target and no worker is built of.
const NOT_BUILT: [&str; 2] = ["subjects/example", "tools"];

/// What the project held when this was made, committed or not.
#[derive(Debug)]
pub struct Sources {
    files: BTreeMap<PathBuf, SourceFile>,
}

#[derive(Debug)]
struct SourceFile {
    content: Vec<u8>,
    /// Some are programs that a build calls.
    permissions: fs::Permissions,
}

impl Sources {
    /// Reads the sources below `root`: the files that git knows or would add, or without git all.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn read(root: &Path) -> Result<Self> {
        let names = match known_to_git(root)? {
            Some(names) => names,
            None => all_below(root)?,
        };
        let mut files = BTreeMap::new();
        for name in names {
            let left_out = |part| LEFT_OUT.iter().any(|folder| Path::new(folder) == part);
            if name.iter().next().map(Path::new).is_none_or(left_out) {
                continue;
            }
            let path = root.join(&name);
            // git also lists what was deleted since.
            if path.is_file() {
                let file = SourceFile::read(&path)
                    .with_context(|| format!("{} cannot be read", path.display()))?;
                files.insert(name, file);
            }
        }
        ensure!(!files.is_empty(), "{} has no sources", root.display());
        Ok(Self { files })
    }

    /// Names what the builds of targets and workers are made of; the same as long as that is unchanged.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut digest = Digest::default();
        for (name, SourceFile { content, .. }) in &self.files {
            let kind_bears_on_builds = name.extension().is_some_and(|ending| {
                ["rs", "toml", "lock", "c", "dict"]
                    .iter()
                    .any(|&e| ending == e)
            }) || name.starts_with(".cargo");
            let bears_on_builds = kind_bears_on_builds
                && !NOT_BUILT.iter().any(|folder| name.starts_with(folder))
                && !name.iter().any(|part| part == "tests");
            if bears_on_builds {
                digest.add(name.as_os_str().as_encoded_bytes(), content);
            }
        }
        digest.name()
    }
}

impl SourceFile {
    fn read(path: &Path) -> std::io::Result<Self> {
        Ok(Self {
            content: fs::read(path)?,
            permissions: path.metadata()?.permissions(),
        })
    }

    fn write(&self, path: &Path) -> std::io::Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, &self.content)?;
        fs::set_permissions(path, self.permissions.clone())
    }
}

/// The files that git tracks or would add, from `root`; none when `root` is not in a repository.
fn known_to_git(root: &Path) -> Result<Option<Vec<PathBuf>>> {
    let output = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root)
        .stdin(Stdio::null())
        .output()
        .context("cannot run git, which also applies the patches")?;
    if !output.status.success() {
        return Ok(None);
    }
    let names = String::from_utf8(output.stdout).context("a file's name is not UTF-8")?;
    Ok(Some(
        names
            .split('\0')
            .filter(|name| !name.is_empty())
            .map(PathBuf::from)
            .collect(),
    ))
}

/// The files below `root`, from there, without builds and results.
///
/// # Errors
/// When a folder cannot be read.
pub(crate) fn all_below(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let path = root.join(&folder);
        for entry in
            fs::read_dir(&path).with_context(|| format!("{} cannot be read", path.display()))?
        {
            let entry = entry?;
            let name = folder.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                let skipped = ["target", ".git", "results"];
                if !skipped.iter().any(|&skipped| entry.file_name() == skipped) {
                    folders.push(name);
                }
            } else {
                found.push(name);
            }
        }
    }
    Ok(found)
}

/// A folder that holds the sources, maybe with a fault.
#[derive(Debug)]
pub struct Copy {
    root: PathBuf,
}

impl Copy {
    /// The copy in `root`, made like `sources`. What was planted there before is gone.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn of(sources: &Sources, root: &Path) -> Result<Self> {
        fs::create_dir_all(root).with_context(|| format!("{} cannot be made", root.display()))?;
        let copy = Self {
            root: root.to_owned(),
        };
        copy.restore(sources)?;
        Ok(copy)
    }

    /// Makes it like `sources` again. Its builds stay.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn restore(&self, sources: &Sources) -> Result<()> {
        let there: BTreeSet<PathBuf> = all_below(&self.root)?.into_iter().collect();
        for gone in there
            .iter()
            .filter(|name| !sources.files.contains_key(*name))
        {
            let path = self.root.join(gone);
            fs::remove_file(&path)
                .with_context(|| format!("{} cannot be removed", path.display()))?;
        }
        for (name, file) in &sources.files {
            let path = self.root.join(name);
            if !fs::read(&path).is_ok_and(|there| there == file.content) {
                file.write(&path)
                    .with_context(|| format!("{} cannot be written", path.display()))?;
            }
        }
        Ok(())
    }

    /// Plants a fault.
    ///
    /// # Errors
    /// When the patch does not apply; the copy is then as it was.
    pub fn plant(&self, fault: &Fault) -> Result<()> {
        apply(&fault.path, &self.root, &[])
    }

    /// The copy as a project, with builds of its own.
    ///
    /// # Errors
    /// When it is no project, which it is when the sources are one.
    pub fn project(&self) -> Result<Project> {
        Project::open(Some(&self.root))
    }
}

/// Applies `patch` to the files below `root` with git's options `options`. With `--check` nothing is
/// written.
///
/// # Errors
/// When it does not apply, with what git says.
pub fn apply(patch: &Path, root: &Path, options: &[&str]) -> Result<()> {
    let patch = std::path::absolute(patch)?;
    let output = Command::new("git")
        .args(["apply", "--whitespace=nowarn"])
        .args(options)
        .arg(&patch)
        .current_dir(root)
        // Below another work tree, git would look for the files there, find none, and be content.
        .env("GIT_CEILING_DIRECTORIES", root.parent().unwrap_or(root))
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .stdin(Stdio::null())
        .output()
        .context("cannot run git")?;
    if !output.status.success() {
        bail!(
            "{} does not apply to the sources, which have moved on; make it anew:\n{}",
            patch.display(),
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn write(root: &Path, name: &str, content: &str) {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    #[test]
    fn a_copy_is_like_the_sources_again_and_keeps_its_builds() {
        let folder = tempfile::tempdir().unwrap();
        let (original, root) = (folder.path().join("original"), folder.path().join("copy"));
        write(&original, "crates/a/src/lib.rs", "one\ntwo\nthree\n");
        write(&original, "Cargo.toml", "x");
        write(&original, "corpus/a", "left out");
        write(&original, "target/b", "left out");
        write(&original, ".cargo/wrapper", "a program");
        let program = fs::Permissions::from_mode(0o755);
        fs::set_permissions(original.join(".cargo/wrapper"), program.clone()).unwrap();
        let sources = Sources::read(&original).unwrap();
        let copy = Copy::of(&sources, &root).unwrap();
        let copied = fs::metadata(root.join(".cargo/wrapper")).unwrap();
        assert_eq!(copied.permissions().mode() & 0o777, program.mode());
        write(&root, "target/built", "kept");
        write(&root, "crates/a/src/more.rs", "gone");
        let patch = folder.path().join("f.patch");
        let diff = "--- a/crates/a/src/lib.rs\n+++ b/crates/a/src/lib.rs\n@@ -1,3 +1,3 @@\n one\n-two\n+TWO\n three\n";
        fs::write(
            &patch,
            format!("Fault: a\nModelled-on: b\nExpected-check: c\n\n{diff}"),
        )
        .unwrap();
        let fault = Fault::read(&patch).unwrap();

        copy.plant(&fault).unwrap();
        let lib = root.join("crates/a/src/lib.rs");
        assert_eq!(fs::read_to_string(&lib).unwrap(), "one\nTWO\nthree\n");
        assert!(copy.plant(&fault).is_err(), "it does not apply twice");
        copy.restore(&sources).unwrap();
        assert_eq!(fs::read_to_string(&lib).unwrap(), "one\ntwo\nthree\n");
        assert!(root.join("target/built").exists());
        assert!(!root.join("crates/a/src/more.rs").exists());
        assert!(!root.join("corpus").exists());
        assert_eq!(sources.digest(), Sources::read(&original).unwrap().digest());
        write(&original, "crates/a/src/lib.rs", "one");
        assert_ne!(sources.digest(), Sources::read(&original).unwrap().digest());
    }
}
