//! Zips of inputs: entries named by content, in order of their names, with the earliest date that zip knows.
//!
//! The compressor is `miniz_oxide`, which makes the same bytes on every machine. Others depend on the processor.

use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::path::Path;

use anyhow::{Error, Result, ensure};
use cli::inputs;
use worker::batch;
use zip::write::{FullFileOptions, SimpleFileOptions};
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::corpus::content_name;
use crate::replay::Replayer;

/// How many characters name an input in a zip: 64 bits, and every name is in there twice.
const NAME_LENGTH: usize = 16;

/// Inputs by the name that they have in a zip: the beginning of their [`content_name`].
pub type Inputs = BTreeMap<String, Vec<u8>>;

/// Adds an input under its name.
pub(crate) fn insert(inputs: &mut Inputs, content: Vec<u8>) -> Result<()> {
    let mut name = content_name(&content);
    name.truncate(NAME_LENGTH);
    if let Some(other) = inputs.get(&name) {
        ensure!(*other == content, "two inputs are called {name}");
    }
    inputs.insert(name, content);
    Ok(())
}

/// The zip of a target's inputs. The comment of each is its fingerprint, which `worker` knows.
pub(crate) fn with_fingerprints(inputs: &Inputs, worker: &Path, target: &str) -> Result<Vec<u8>> {
    let mut batch = batch::Inputs::default();
    for content in inputs.values() {
        let append = |bytes: &mut Vec<u8>| {
            bytes.extend_from_slice(content);
            Ok(())
        };
        batch.append(append).map_err(Error::msg)?;
    }
    let mut replayer = Replayer::new(worker.to_owned());
    pack(inputs, &replayer.fingerprints(target, &batch)?)
}

/// A zip of inputs with their comments, which was read back. The same inputs and comments make the same bytes.
pub(crate) fn pack(inputs: &Inputs, comments: &[String]) -> Result<Vec<u8>> {
    ensure!(!inputs.is_empty(), "a corpus without inputs is not packed");
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(9))
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644);
    for ((name, content), comment) in inputs.iter().zip(comments) {
        let options: FullFileOptions<'_, '_> = options.into_full_options();
        zip.start_file(name, options.with_file_comment(comment.as_str()))?;
        zip.write_all(content)?;
    }
    let zip = zip.finish()?;
    ensure!(
        by_content(inputs::unpack_from(Cursor::new(zip.get_ref()))?)? == *inputs,
        "a zip has other inputs than were packed"
    );
    Ok(zip.into_inner())
}

/// The inputs in a zip; its own names do not matter. Fails as [`inputs::unpack`].
pub fn read(path: &Path) -> Result<Inputs> {
    by_content(inputs::unpack(path)?)
}

fn by_content(unpacked: Vec<(String, Vec<u8>)>) -> Result<Inputs> {
    let mut inputs = Inputs::new();
    for (_, content) in unpacked {
        insert(&mut inputs, content)?;
    }
    Ok(inputs)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use zip::ZipArchive;

    use super::*;

    #[test]
    fn nothing_is_neither_packed_nor_read() {
        assert!(pack(&Inputs::new(), &[]).is_err());
        let path = tempfile::NamedTempFile::new().unwrap();
        let reason = || format!("{:#}", read(path.path()).unwrap_err());
        ZipWriter::new(path.reopen().unwrap()).finish().unwrap();
        assert!(reason().contains("it has no inputs"), "{}", reason());
        fs::write(&path, "PK nonsense").unwrap();
        assert!(reason().contains("it is no zip"), "{}", reason());
        let mut large = ZipWriter::new(path.reopen().unwrap());
        large.start_file("x", SimpleFileOptions::default()).unwrap();
        large
            .write_all(&vec![0; inputs::MAX_ENTRY as usize + 1])
            .unwrap();
        large.finish().unwrap();
        assert!(reason().contains("too large"), "{}", reason());
    }

    #[test]
    fn a_shipped_corpus_is_packed_to_the_same_bytes_and_is_refused_when_damaged() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let shipped = root.join("corpus/shipped/fuzz_measure_calc_seed_corpus.zip");
        let mut bytes = fs::read(&shipped).unwrap();
        let mut zip = ZipArchive::new(Cursor::new(&bytes)).unwrap();
        let comment = |place| zip.by_index(place).unwrap().comment().to_owned();
        let inputs = read(&shipped).unwrap();
        let comments: Vec<String> = (0..inputs.len()).map(comment).collect();
        assert!(pack(&inputs, &comments).unwrap() == bytes);
        // In the first entry's data: behind the 30 bytes of its header and the 16 of its name.
        bytes[47] ^= 0x55;
        let damaged = tempfile::NamedTempFile::new().unwrap();
        fs::write(&damaged, bytes).unwrap();
        let reason = read(damaged.path()).unwrap_err().to_string();
        assert!(reason.contains("cannot be unpacked"), "{reason}");
    }
}
