//! A zip whose inputs have their fingerprints as comments, which a replay worker is asked for in batches.

use std::path::Path;

use anyhow::{Error, Result};
use worker::batch::Inputs;

use super::pack::{Packed, Packer};
use crate::replay::Replayer;

/// The worker is asked about so many bytes of inputs at a time.
const BATCH_BYTES: usize = 1 << 20;

/// Packs the inputs of one target.
#[derive(Debug)]
pub struct WithFingerprints<'a> {
    packer: Packer,
    replayer: Replayer,
    target: &'a str,
    /// Names and contents that wait for their fingerprints.
    waiting: Vec<(String, Vec<u8>)>,
    waiting_bytes: usize,
}

impl<'a> WithFingerprints<'a> {
    /// An empty zip of `target`, to be put in `place`; `worker` knows the fingerprints.
    ///
    /// # Errors
    /// As [`Packer::create`].
    pub fn create(place: &Path, worker: &Path, target: &'a str) -> Result<Self> {
        Ok(Self {
            packer: Packer::create(place)?,
            replayer: Replayer::new(worker.to_owned()),
            target,
            waiting: Vec::new(),
            waiting_bytes: 0,
        })
    }

    /// Adds an input; names must come in their order.
    ///
    /// # Errors
    /// When it cannot be written, or the worker cannot be asked.
    pub fn add(&mut self, name: &str, content: Vec<u8>) -> Result<()> {
        self.waiting_bytes += content.len();
        self.waiting.push((name.to_owned(), content));
        if self.waiting_bytes < BATCH_BYTES {
            return Ok(());
        }
        self.pack_waiting()
    }

    /// Ends the zip.
    ///
    /// # Errors
    /// As [`add`](Self::add) and [`Packer::finish`].
    pub fn finish(mut self) -> Result<Packed> {
        self.pack_waiting()?;
        self.packer.finish()
    }

    fn pack_waiting(&mut self) -> Result<()> {
        let mut inputs = Inputs::default();
        for (_, content) in &self.waiting {
            let append = |bytes: &mut Vec<u8>| {
                bytes.extend_from_slice(content);
                Ok(())
            };
            inputs.append(append).map_err(Error::msg)?;
        }
        let fingerprints = self.replayer.fingerprints(self.target, &inputs)?;
        for ((name, content), fingerprint) in self.waiting.drain(..).zip(fingerprints) {
            self.packer.add(&name, &content, &fingerprint)?;
        }
        self.waiting_bytes = 0;
        Ok(())
    }
}
