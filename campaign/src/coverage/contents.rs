//! Where replayed inputs come from: files, or memory.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Inputs that can be read one after the other, by their place.
pub trait Contents {
    /// How many there are.
    fn count(&self) -> usize;

    /// Appends the content of the input at `place`, which is below [`count`](Self::count), to `buffer`.
    ///
    /// # Errors
    /// Why it cannot be read, in words; what was appended then does not count.
    fn append(&self, place: usize, buffer: &mut Vec<u8>) -> Result<(), String>;
}

fn append_file(path: &Path, buffer: &mut Vec<u8>) -> Result<(), String> {
    File::open(path)
        .and_then(|mut file| file.read_to_end(buffer))
        .map_or_else(|why| Err(format!("{}: {why}", path.display())), |_| Ok(()))
}

impl Contents for &[&Path] {
    fn count(&self) -> usize {
        self.len()
    }

    fn append(&self, place: usize, buffer: &mut Vec<u8>) -> Result<(), String> {
        append_file(self[place], buffer)
    }
}

impl Contents for &[PathBuf] {
    fn count(&self) -> usize {
        self.len()
    }

    fn append(&self, place: usize, buffer: &mut Vec<u8>) -> Result<(), String> {
        append_file(&self[place], buffer)
    }
}

impl Contents for &[&[u8]] {
    fn count(&self) -> usize {
        self.len()
    }

    fn append(&self, place: usize, buffer: &mut Vec<u8>) -> Result<(), String> {
        buffer.extend_from_slice(self[place]);
        Ok(())
    }
}
