//! A name for files by their names and contents: the same as long as none is added, changed or taken away.

use sha2::{Digest as _, Sha256};

/// Files so far.
#[derive(Debug, Default)]
pub(crate) struct Digest(Sha256);

impl Digest {
    /// Adds a file.
    pub(crate) fn add(&mut self, name: &[u8], content: &[u8]) {
        for part in [name, content] {
            self.0.update((part.len() as u64).to_le_bytes());
            self.0.update(part);
        }
    }

    /// 32 hexadecimal digits.
    pub(crate) fn name(self) -> String {
        let bytes = self.0.finalize();
        bytes[..16]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}
