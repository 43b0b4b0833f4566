//! Many inputs in one request.
//!
//! A request for each input costs several times what a small input takes to run: a line to read, a file to
//! open, an answer to send, each with a change from one process to the other. A batch brings its inputs along,
//! and its answers go back together. [`Inputs`] is the client's side, [`Batch`] the worker's.

use std::io::{self, BufRead, Read, Write};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// Answers are sent when there are so many bytes of them.
const SEND_BYTES: usize = 32 << 10;
/// No answer waits longer than this for those after it, but for the input that is being run. So a client can
/// distinguish a hang from many slow inputs.
pub const SEND_AFTER: Duration = Duration::from_millis(50);

/// How many inputs follow a request's line, and in how many bytes: of each input its length, as 4 bytes,
/// little-endian, and its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// How many inputs there are.
    pub inputs: usize,
    /// How many bytes they take with their lengths.
    pub bytes: u64,
}

/// The inputs of a batch that is to be sent.
#[derive(Debug, Clone, Default)]
pub struct Inputs {
    count: usize,
    bytes: Vec<u8>,
}

impl Inputs {
    /// Appends the input that `read` appends to the bytes that it is given. Returns its length in bytes.
    ///
    /// # Errors
    /// Those of `read`, and when the input has 4 GiB or more; the batch is then as it was.
    pub fn append(
        &mut self,
        read: impl FnOnce(&mut Vec<u8>) -> Result<(), String>,
    ) -> Result<usize, String> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        let bytes = &mut self.bytes;
        let length = read(bytes).and_then(|()| {
            let length = bytes.len() - start - 4;
            let prefix =
                u32::try_from(length).map_err(|_| format!("{length} bytes are too many"))?;
            bytes[start..start + 4].copy_from_slice(&prefix.to_le_bytes());
            Ok(length)
        });
        match length {
            Ok(_) => self.count += 1,
            Err(_) => self.bytes.truncate(start),
        }
        length
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// How many bytes they take with their lengths.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// What follows a request's line.
    pub(crate) fn content(&self) -> &[u8] {
        &self.bytes
    }
}

impl Batch {
    /// Reads the inputs and sends the line that `answer` appends for each.
    ///
    /// # Errors
    /// When reading or writing fails, and those of `answer`; [`io::ErrorKind::InvalidData`] when the bytes are
    /// not that many inputs, after which nothing that is read can be understood.
    pub fn answer_all(
        self,
        from: &mut impl BufRead,
        to: &mut impl Write,
        mut answer: impl FnMut(&[u8], &mut Vec<u8>) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut inputs = Vec::new();
        from.take(self.bytes).read_to_end(&mut inputs)?;
        let mut rest = inputs.as_slice();
        let mut lines = Vec::with_capacity(2 * SEND_BYTES);
        let mut sent = Instant::now();
        for _ in 0..self.inputs {
            let input = take_input(&mut rest).ok_or_else(|| not_so_many(self))?;
            answer(input, &mut lines)?;
            if lines.len() >= SEND_BYTES || sent.elapsed() >= SEND_AFTER {
                to.write_all(&lines)?;
                to.flush()?;
                lines.clear();
                sent = Instant::now();
            }
        }
        if !rest.is_empty() {
            return Err(not_so_many(self));
        }
        to.write_all(&lines)?;
        to.flush()
    }
}

fn take_input<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let (input, after) = after.split_at_checked(length)?;
    *rest = after;
    Some(input)
}

fn not_so_many(batch: Batch) -> io::Error {
    let Batch { inputs, bytes } = batch;
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("a batch whose {bytes} bytes are not {inputs} inputs"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Command, Request};

    #[test]
    fn what_is_sent_is_read_and_what_follows_is_the_next_request() {
        let mut inputs = Inputs::default();
        let append = |content: &'static [u8]| {
            move |bytes: &mut Vec<u8>| {
                bytes.extend_from_slice(content);
                Ok(())
            }
        };
        assert_eq!(inputs.append(append(b"ab")), Ok(2));
        let unreadable = inputs.append(|bytes| {
            bytes.push(9);
            Err("gone".to_owned())
        });
        assert_eq!(unreadable.unwrap_err(), "gone");
        assert_eq!(inputs.append(append(b"")), Ok(0));
        assert_eq!(inputs.bytes(), 10);
        let mut request = inputs.request(Command::Run, "t");
        request.extend_from_slice(&Request::Hello.to_line());

        let mut from = request.as_slice();
        let mut line = Vec::new();
        from.read_until(b'\n', &mut line).unwrap();
        let Request::Batch { target, batch, .. } = serde_json::from_slice(&line).unwrap() else {
            panic!("no batch");
        };
        assert_eq!(target, "t");
        let answer = |input: &[u8], line: &mut Vec<u8>| writeln!(line, "{input:?}");
        let mut answers = Vec::new();
        batch.answer_all(&mut from, &mut answers, answer).unwrap();
        assert_eq!(answers, b"[97, 98]\n[]\n");
        assert_eq!(from, b"\"hello\"\n");
    }

    #[test]
    fn bytes_that_are_not_so_many_inputs_are_an_error() {
        let bytes = b"\x02\0\0\0ab";
        for (inputs, bytes) in [(2, &bytes[..]), (0, bytes), (1, &bytes[..5]), (1, b"\0\0")] {
            let (mut from, length) = (bytes, bytes.len() as u64);
            let batch = Batch {
                inputs,
                bytes: length,
            };
            let answered = batch.answer_all(&mut from, &mut Vec::new(), |_, _| Ok(()));
            let error = answered.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{bytes:?}");
        }
    }
}
