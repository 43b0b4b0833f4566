//! The project's sources as they are now, and copies of them to plant faults in.
//!
//! A copy stays between faults and between runs, with its builds inside it. It is made like the sources
//! again by writing the files that differ and no others, so that cargo builds again what a fault changed
//! and what depends on that.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use campaign::corpus::content_name;
use campaign::project::Project;
use fs_err as fs;

/// What builds and engines leave, wherever it is.
const LEFT_OUT: [&str; 7] = [
    ".git",
    "hfuzz_target",
    "hfuzz_workspace",
    "libfuzzer-targets/artifacts",
    "libfuzzer-targets/corpus",
    "results",
    "target",
];

/// Folders that no target and no worker is built of.
const NOT_BUILT: [&str; 5] = ["corpus", "docs", "scripts", "subjects/example", "tools"];

/// What the project held when this was made, committed or not: contents, and permissions, as some files are programs
/// that a build calls.
pub struct Sources {
    files: BTreeMap<PathBuf, (Vec<u8>, Permissions)>,
}

impl Sources {
    /// Reads the files below `root`. Fails when a file cannot be read, or there is none.
    pub fn read(root: &Path) -> Result<Self> {
        let mut files = BTreeMap::new();
        for name in files_below(root)? {
            let path = root.join(&name);
            let permissions = fs::metadata(&path)?.permissions();
            files.insert(name, (fs::read(&path)?, permissions));
        }
        ensure!(!files.is_empty(), "{} has no sources", root.display());
        Ok(Self { files })
    }

    /// Names what the builds of targets and workers are made of; the same as long as that is unchanged.
    pub(crate) fn digest(&self) -> String {
        self.digest_of(|name| {
            let is_source = ["rs", "toml", "lock", "c"]
                .iter()
                .any(|&ending| name.extension().is_some_and(|is| is == ending));
            (is_source || name.starts_with(".cargo"))
                && !NOT_BUILT.iter().any(|folder| name.starts_with(folder))
                && !name.iter().any(|part| part == "tests")
        })
    }

    /// Names the files that `is_part` accepts, by names and contents.
    pub(crate) fn digest_of(&self, is_part: impl Fn(&Path) -> bool) -> String {
        let files = self.files.iter().filter(|(name, _)| is_part(name));
        let lines = files
            .map(|(name, (content, _))| format!("{} {}\n", content_name(content), name.display()));
        content_name(lines.collect::<String>().as_bytes())
    }
}

/// The files below `root`, from there, without builds and results.
fn files_below(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder))? {
            let entry = entry?;
            let name = folder.join(entry.file_name());
            if LEFT_OUT.iter().any(|left_out| name.ends_with(left_out)) {
                continue;
            }
            if entry.file_type()?.is_dir() {
                folders.push(name);
            } else if entry.path().is_file() {
                found.push(name);
            }
        }
    }
    Ok(found)
}

/// A folder that holds the sources, maybe with a fault.
pub struct Copy {
    root: PathBuf,
}

impl Copy {
    /// The copy in `root`, made like `sources`. What was planted there before is undone. Fails when it cannot be
    /// written.
    pub fn of(sources: &Sources, root: &Path) -> Result<Self> {
        fs::create_dir_all(root)?;
        let root = root.to_owned();
        let copy = Self { root };
        copy.restore(sources)?;
        Ok(copy)
    }

    /// Makes it like `sources` again. Its builds stay. Fails when it cannot be written.
    pub(crate) fn restore(&self, sources: &Sources) -> Result<()> {
        for name in files_below(&self.root)? {
            if !sources.files.contains_key(&name) {
                fs::remove_file(self.root.join(name))?;
            }
        }
        for (name, (content, permissions)) in &sources.files {
            let path = self.root.join(name);
            if !fs::read(&path).is_ok_and(|there| there == *content) {
                fs::create_dir_all(path.parent().unwrap_or(&self.root))?;
                fs::write(&path, content)?;
                fs::set_permissions(&path, permissions.clone())?;
            }
        }
        Ok(())
    }

    /// Plants a fault. Fails when the patch does not apply; the copy is then as it was.
    pub fn plant(&self, patch: &Path) -> Result<()> {
        apply(patch, &self.root, &[])
    }

    /// The copy as a project, with builds of its own. Fails when it is no project, which it is when the sources are
    /// one.
    pub(crate) fn project(&self) -> Result<Project> {
        Project::open(Some(&self.root))
    }
}

/// Applies `patch` to the files below `root` with git's options `options`. With `--check` nothing is
/// written. Fails when it does not apply, with the reason that git prints.
pub fn apply(patch: &Path, root: &Path, options: &[&str]) -> Result<()> {
    let patch = std::path::absolute(patch)?;
    let output = Command::new("git")
        .args(["apply", "--whitespace=nowarn"])
        .args(options)
        .arg(&patch)
        .current_dir(root)
        // Below another work tree, git would look for the files there, find none, and succeed.
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

    #[test]
    fn a_copy_is_like_the_sources_again_and_keeps_its_builds() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, content: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        };
        let (original, root) = (folder.path().join("original"), folder.path().join("copy"));
        write("original/crates/a/src/lib.rs", "one\ntwo\nthree\n");
        write("original/Cargo.toml", "x");
        write("original/target/b", "left out");
        write("original/.cargo/wrapper", "a program");
        let program = Permissions::from_mode(0o755);
        fs::set_permissions(original.join(".cargo/wrapper"), program.clone()).unwrap();
        let sources = Sources::read(&original).unwrap();
        let copy = Copy::of(&sources, &root).unwrap();
        let copied = fs::metadata(root.join(".cargo/wrapper")).unwrap();
        assert_eq!(copied.permissions().mode() & 0o777, program.mode());
        write("copy/target/built", "kept");
        write("copy/crates/a/src/more.rs", "gone");
        let diff = "--- a/crates/a/src/lib.rs\n+++ b/crates/a/src/lib.rs\n@@ -1,3 +1,3 @@\n one\n-two\n+TWO\n three\n";
        write("f.patch", diff);
        let patch = folder.path().join("f.patch");

        copy.plant(&patch).unwrap();
        let lib = root.join("crates/a/src/lib.rs");
        assert_eq!(fs::read_to_string(&lib).unwrap(), "one\nTWO\nthree\n");
        let error = copy.plant(&patch).unwrap_err().to_string();
        assert!(error.contains("f.patch does not apply"), "{error}");
        copy.restore(&sources).unwrap();
        assert_eq!(fs::read_to_string(&lib).unwrap(), "one\ntwo\nthree\n");
        assert!(root.join("target/built").exists());
        assert!(!root.join("crates/a/src/more.rs").exists());
        assert!(!root.join("target/b").exists());
    }

    #[test]
    fn a_digest_is_of_names_and_contents() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        let now = || Sources::read(folder.path()).unwrap();
        fs::create_dir(file("docs")).unwrap();
        fs::write(file("docs/x.rs"), "1").unwrap();
        fs::write(file("a.rs"), "1").unwrap();
        let first = now();
        fs::write(file("docs/x.rs"), "2").unwrap();
        assert_eq!(now().digest(), first.digest());
        assert_ne!(now().digest_of(|_| true), first.digest_of(|_| true));
        fs::write(file("a.rs"), "2").unwrap();
        let second = now();
        assert_ne!(second.digest(), first.digest());
        fs::rename(file("a.rs"), file("b.rs")).unwrap();
        assert_ne!(now().digest(), second.digest());
    }
}
