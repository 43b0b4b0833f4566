//! Where replayed inputs come from: files, or memory.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Inputs that can be read by their place.
pub trait Contents {
    /// The number of inputs.
    fn count(&self) -> usize;

    /// Appends the content of the input at `place`, which is below [`count`](Self::count), to `buffer`.
    ///
    /// # Errors
    /// Why it cannot be read, in words. The caller then discards what was appended.
    fn append(&self, place: usize, buffer: &mut Vec<u8>) -> Result<(), String>;
}

impl<P: AsRef<Path>> Contents for &[P] {
    fn count(&self) -> usize {
        self.len()
    }

    fn append(&self, place: usize, buffer: &mut Vec<u8>) -> Result<(), String> {
        let path = self[place].as_ref();
        File::open(path)
            .and_then(|mut file| file.read_to_end(buffer))
            .map(|_| ())
            .map_err(|why| format!("{}: {why}", path.display()))
    }
}

/// Inputs in memory.
#[derive(Debug)]
pub struct InMemory<'a>(pub Vec<&'a [u8]>);

impl Contents for InMemory<'_> {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn append(&self, place: usize, buffer: &mut Vec<u8>) -> Result<(), String> {
        buffer.extend_from_slice(self.0[place]);
        Ok(())
    }
}
