//! Zips of inputs: entries named by content, in order of their names, with the earliest date that zip knows.
//!
//! The compressor is `miniz_oxide`, which makes the same bytes on every machine. Others depend on the processor.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use tempfile::NamedTempFile;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

use crate::corpus::content_name;

/// How many characters of an input's [`content_name`] name it in a zip: 64 bits, and every name is in there
/// twice.
const NAME_LENGTH: usize = 16;
/// Larger inputs are not unpacked: no target takes them.
const MAX_ENTRY: u64 = 1 << 20;

/// Inputs by the name that they have in a zip.
pub type Inputs = BTreeMap<String, Vec<u8>>;

/// The name of an input in a zip: the beginning of its [`content_name`].
#[must_use]
pub fn entry_name(content: &[u8]) -> String {
    let mut name = content_name(content);
    name.truncate(NAME_LENGTH);
    name
}

/// Adds an input under its name.
///
/// # Errors
/// When another input has that name.
pub fn insert(inputs: &mut Inputs, content: Vec<u8>) -> Result<()> {
    let name = entry_name(&content);
    if let Some(other) = inputs.get(&name) {
        ensure!(*other == content, "two inputs are called {name}");
    }
    inputs.insert(name, content);
    Ok(())
}

/// A zip that is written beside its place, input by input.
///
/// The same inputs with the same comments make the same bytes when they are added in the order of their names.
#[derive(Debug)]
pub struct Packer {
    zip: ZipWriter<BufWriter<NamedTempFile>>,
    place: PathBuf,
    inputs: usize,
}

/// A zip that is written, and not yet in its place.
#[derive(Debug)]
pub struct Packed {
    file: NamedTempFile,
    place: PathBuf,
    /// How many bytes it has.
    pub bytes: u64,
}

impl Packer {
    /// An empty zip, to be put in `place`.
    ///
    /// # Errors
    /// When the folder cannot be made or written to.
    pub fn create(place: &Path) -> Result<Self> {
        let place = std::path::absolute(place)?;
        let folder = place.parent().context("a zip without a folder")?;
        fs::create_dir_all(folder)
            .with_context(|| format!("{} cannot be made", folder.display()))?;
        let file = tempfile::Builder::new()
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
            .tempfile_in(folder)
            .with_context(|| format!("{} cannot be written to", folder.display()))?;
        Ok(Self {
            zip: ZipWriter::new(BufWriter::new(file)),
            place,
            inputs: 0,
        })
    }

    /// Adds an input, with a comment when that is not empty.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add(&mut self, name: &str, content: &[u8], comment: &str) -> Result<()> {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(9))
            .last_modified_time(DateTime::default())
            .unix_permissions(0o644);
        if comment.is_empty() {
            self.zip.start_file(name, options)?;
        } else {
            let options = options.into_full_options().with_file_comment(comment);
            self.zip.start_file(name, options)?;
        }
        self.inputs += 1;
        Ok(self.zip.write_all(content)?)
    }

    /// Ends the zip.
    ///
    /// # Errors
    /// When it cannot be written, or has no inputs: a replay of it would show nothing.
    pub fn finish(self) -> Result<Packed> {
        ensure!(self.inputs > 0, "a corpus without inputs is not packed");
        let file = self.zip.finish()?;
        let file = file
            .into_inner()
            .map_err(std::io::IntoInnerError::into_error)
            .with_context(|| format!("{} cannot be written", self.place.display()))?;
        Ok(Packed {
            bytes: file.as_file().metadata()?.len(),
            file,
            place: self.place,
        })
    }
}

impl Packed {
    /// Where it is now.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Puts it in its place, in one step. Returns that.
    ///
    /// # Errors
    /// When it cannot be moved; what was in its place is then still there.
    pub fn put_in_place(self) -> Result<PathBuf> {
        self.file
            .persist(&self.place)
            .with_context(|| format!("{} cannot be written", self.place.display()))?;
        Ok(self.place)
    }
}

/// The inputs in a zip; its own names do not matter.
///
/// # Errors
/// When it cannot be read, or has no input.
pub fn read(path: &Path) -> Result<Inputs> {
    let mut inputs = Inputs::new();
    each(path, |index, content| {
        let Some(content) = content else {
            let shown = path.display();
            bail!("{shown}: entry {index} is too large for an input");
        };
        insert(&mut inputs, content)
    })?;
    ensure!(!inputs.is_empty(), "{} has no inputs", path.display());
    Ok(inputs)
}

/// Hands every file in a zip to `visit`, with its number: its content, checked against the zip's checksum, or
/// `None` when it is too large for any target. Returns how many there are.
///
/// # Errors
/// When the zip cannot be read or is damaged, and those of `visit`.
pub fn each(
    path: &Path,
    mut visit: impl FnMut(usize, Option<Vec<u8>>) -> Result<()>,
) -> Result<usize> {
    let shown = path.display();
    let file = File::open(path).with_context(|| format!("{shown} cannot be opened"))?;
    let file = BufReader::new(file);
    let mut zip = ZipArchive::new(file).with_context(|| format!("{shown} is no zip"))?;
    let mut files = 0;
    for index in 0..zip.len() {
        let entry = zip
            .by_index(index)
            .with_context(|| format!("{shown} cannot be unpacked"))?;
        if !entry.is_file() {
            continue;
        }
        files += 1;
        let mut content = Vec::new();
        // The size in the entry's header may be wrong.
        let is_large = entry.size() > MAX_ENTRY || {
            entry
                .take(MAX_ENTRY + 1)
                .read_to_end(&mut content)
                .with_context(|| format!("{shown}: entry {index} cannot be unpacked"))?;
            content.len() as u64 > MAX_ENTRY
        };
        visit(index, (!is_large).then_some(content))?;
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(contents: &[&[u8]]) -> Inputs {
        let mut inputs = Inputs::new();
        for content in contents {
            insert(&mut inputs, content.to_vec()).unwrap();
        }
        inputs
    }

    fn packed(place: &Path, inputs: &Inputs) -> Packed {
        let mut packer = Packer::create(place).unwrap();
        for (name, content) in inputs {
            packer.add(name, content, "").unwrap();
        }
        packer.finish().unwrap()
    }

    #[test]
    fn what_is_packed_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("a/x_seed_corpus.zip");
        let some = inputs(&[b"", b"abc", &[7; 5000]]);
        let zip = packed(&place, &some);
        assert!(zip.bytes < 1000, "{} bytes", zip.bytes);
        assert_eq!(read(zip.path()).unwrap(), some);
        assert!(!place.exists());
        assert_eq!(zip.put_in_place().unwrap(), place);
        assert_eq!(read(&place).unwrap(), some);
        assert_eq!(fs::read_dir(folder.path().join("a")).unwrap().count(), 1);
    }

    #[test]
    fn a_zip_of_known_inputs_has_known_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let zip = packed(&folder.path().join("x.zip"), &inputs(&[b"abc", &[7; 300]]));
        let name = content_name(&fs::read(zip.path()).unwrap());
        assert_eq!(
            &name[..8],
            "8e3e66c3",
            "the format of shipped corpora changed"
        );
    }

    #[test]
    fn each_input_has_its_comment() {
        let folder = tempfile::tempdir().unwrap();
        let mut packer = Packer::create(&folder.path().join("x.zip")).unwrap();
        packer.add("a", b"x", "1 byte").unwrap();
        packer.add("b", b"yz", "2 bytes").unwrap();
        let zip = packer.finish().unwrap();
        let mut zip = ZipArchive::new(File::open(zip.path()).unwrap()).unwrap();
        assert_eq!(zip.by_name("a").unwrap().comment(), "1 byte");
        assert_eq!(zip.by_name("b").unwrap().comment(), "2 bytes");
    }

    #[test]
    fn nothing_is_neither_packed_nor_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("empty.zip");
        assert!(Packer::create(&path).unwrap().finish().is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        ZipWriter::new(File::create(&path).unwrap())
            .finish()
            .unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.ends_with("has no inputs"), "{error}");
        fs::write(&path, "PK nonsense").unwrap();
        assert!(read(&path).unwrap_err().to_string().ends_with("is no zip"));
    }
}
