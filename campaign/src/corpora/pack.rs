//! Zips of inputs: entries named by content, in order of their names, with the earliest date that zip knows.
//!
//! The compressor is `miniz_oxide`, which makes the same bytes on every machine; others choose by what the
//! processor can do.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek, Write};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
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

/// The zip of `inputs`, each with a comment of its own (none when that is empty). The same inputs with the same
/// comments make the same bytes.
///
/// # Errors
/// When there are none: a corpus of nothing would be replayed and show nothing.
pub fn zipped<'a>(
    inputs: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    comment: impl Fn(&[u8]) -> String,
) -> Result<Vec<u8>> {
    let mut inputs: Vec<(&str, &[u8])> = inputs.into_iter().collect();
    ensure!(!inputs.is_empty(), "a corpus without inputs is not packed");
    inputs.sort_unstable();
    let mut packer = Packer::new(Cursor::new(Vec::new()));
    for (name, content) in inputs {
        packer.add(name, content, &comment(content))?;
    }
    Ok(packer.finish()?.into_inner())
}

/// A zip that is written input by input.
pub struct Packer<W: Write + Seek>(ZipWriter<W>);

impl<W: Write + Seek> Packer<W> {
    /// An empty zip.
    pub fn new(to: W) -> Self {
        Self(ZipWriter::new(to))
    }

    /// Adds an input, with a comment when that is not empty. The same inputs make the same bytes when they are
    /// added in the order of their names.
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
            self.0.start_file(name, options)?;
        } else {
            let options = options.into_full_options().with_file_comment(comment);
            self.0.start_file(name, options)?;
        }
        Ok(self.0.write_all(content)?)
    }

    /// Ends the zip.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(self) -> Result<W> {
        Ok(self.0.finish()?)
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
        // What the entry says of its size may not be so.
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
    use crate::atomic;

    fn inputs(contents: &[&[u8]]) -> Inputs {
        let mut inputs = Inputs::new();
        for content in contents {
            insert(&mut inputs, content.to_vec()).unwrap();
        }
        inputs
    }

    fn zip_of(inputs: &Inputs) -> Vec<u8> {
        zipped(
            inputs
                .iter()
                .map(|(name, content)| (name.as_str(), &content[..])),
            |_| String::new(),
        )
        .unwrap()
    }

    #[test]
    fn what_is_packed_is_read_back_and_order_does_not_matter() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/x_seed_corpus.zip");
        let some = inputs(&[b"", b"abc", &[7; 5000]]);
        let zip = zip_of(&some);
        atomic::write(&path, &zip).unwrap();
        assert_eq!(read(&path).unwrap(), some);
        assert!(zip.len() < 1000, "{} bytes", zip.len());
        let reversed = some
            .iter()
            .rev()
            .map(|(name, content)| (name.as_str(), &content[..]));
        assert_eq!(zipped(reversed, |_| String::new()).unwrap(), zip);
    }

    #[test]
    fn a_zip_of_known_inputs_has_known_bytes() {
        let zip = zip_of(&inputs(&[b"abc", &[7; 300]]));
        let name = content_name(&zip);
        assert_eq!(
            &name[..8],
            "8e3e66c3",
            "the format of shipped corpora changed"
        );
    }

    #[test]
    fn each_input_has_its_comment() {
        let comment = |content: &[u8]| format!("{} bytes", content.len());
        let zip = zipped([("a", &b"x"[..]), ("b", b"yz")], comment).unwrap();
        let mut zip = ZipArchive::new(Cursor::new(zip)).unwrap();
        assert_eq!(zip.by_name("a").unwrap().comment(), "1 bytes");
        assert_eq!(zip.by_name("b").unwrap().comment(), "2 bytes");
    }

    #[test]
    fn nothing_is_neither_packed_nor_read() {
        assert!(zipped([], |_| String::new()).is_err());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("empty.zip");
        let empty = ZipWriter::new(Cursor::new(Vec::new())).finish().unwrap();
        atomic::write(&path, empty.get_ref()).unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.ends_with("has no inputs"), "{error}");
        atomic::write(&path, b"PK nonsense").unwrap();
        assert!(read(&path).unwrap_err().to_string().ends_with("is no zip"));
    }
}
