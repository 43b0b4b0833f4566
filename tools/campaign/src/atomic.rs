//! Files that are there whole, or as they were: written beside their place, then renamed.

use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context, Result};
use fs_err as fs;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Replaces the file at `path`, whose folder is made when it is missing. It survives a kill of this process. Fails when
/// it cannot be written; what was there is then still there.
pub fn write(path: &Path, content: &[u8]) -> Result<()> {
    replace(path, content, false)
}

/// As [`write()`], and it survives a loss of power too. That takes milliseconds a file.
pub(crate) fn write_durably(path: &Path, content: &[u8]) -> Result<()> {
    replace(path, content, true)
}

/// Writes a value as JSON, which survives a loss of power too. Fails when it cannot be written; what was there is then
/// still there.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    write_durably(path, text.as_bytes())
}

/// Reads a value from JSON; none when there is no such file. Fails when it cannot be read or understood.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let text = match fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        text => text?,
    };
    serde_json::from_slice(&text)
        .map(Some)
        .with_context(|| format!("{} cannot be understood", path.display()))
}

fn replace(path: &Path, content: &[u8], durably: bool) -> Result<()> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let why = || format!("{} cannot be written", path.display());
    fs::create_dir_all(folder)?;
    let mut file = tempfile::Builder::new()
        .prefix(".writing-")
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(folder)
        .with_context(why)?;
    file.write_all(content).with_context(why)?;
    if durably {
        // Without this, a machine that loses power may have the name and not the content.
        file.as_file().sync_data().with_context(why)?;
    }
    file.persist(path).with_context(why)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_whole_or_as_it_was() {
        let out = tempfile::tempdir().unwrap();
        let path = out.path().join("x.json");
        assert_eq!(read_json::<Vec<u8>>(&path).unwrap(), None);
        for value in [vec![1_u8, 2], vec![3]] {
            write_json(&path, &value).unwrap();
            assert_eq!(read_json(&path).unwrap(), Some(value));
        }
        assert_eq!(fs::read_dir(out.path()).unwrap().count(), 1);
        write(&out.path().join("new/x"), b"").unwrap();
        assert!(write(&path.join("x"), b"").is_err(), "its folder is a file");
        fs::write(&path, "[1,").unwrap();
        assert!(read_json::<Vec<u8>>(&path).is_err());
    }
}
