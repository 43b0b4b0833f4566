//! Many inputs in one request.
//!
//! A request for each input costs several times what a small input takes to run: a line to read, a file to
//! open, an answer to send, each with a change from one process to the other. A batch brings its inputs along,
//! and its answers go back together.

use std::io::{self, BufRead, Read, Write};
use std::time::{Duration, Instant};

/// Answers are sent when there are so many bytes of them.
const SEND_BYTES: usize = 32 << 10;
/// No answer waits longer than this for those after it, but for the input that is being run: so whoever
/// listens can tell a hang from many slow inputs.
pub const SEND_AFTER: Duration = Duration::from_millis(50);

/// What a `batch` request says of the bytes behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// How many inputs there are.
    pub inputs: usize,
    /// How many bytes follow the request's line: of each input its length, as 4 bytes, little-endian, and its
    /// content.
    pub bytes: u64,
}

impl Batch {
    /// The two numbers of a request; `None` when they are none.
    #[must_use]
    pub fn parse(inputs: &str, bytes: &str) -> Option<Self> {
        Some(Self {
            inputs: inputs.parse().ok()?,
            bytes: bytes.parse().ok()?,
        })
    }

    /// Reads the inputs and sends what `answer` puts into a line for each.
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
            lines.push(b'\n');
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

    fn answered(inputs: usize, bytes: &[u8]) -> (io::Result<()>, String) {
        let mut from = bytes;
        let mut to = Vec::new();
        let batch = Batch {
            inputs,
            bytes: bytes.len() as u64,
        };
        let result = batch.answer_all(&mut from, &mut to, |input, line| write!(line, "{input:?}"));
        (result, String::from_utf8(to).unwrap())
    }

    #[test]
    fn every_input_has_its_line() {
        let bytes = b"\x02\0\0\0ab\0\0\0\0\x01\0\0\0\n";
        let (result, lines) = answered(3, bytes);
        result.unwrap();
        assert_eq!(lines, "[97, 98]\n[]\n[10]\n");
    }

    #[test]
    fn what_follows_a_batch_is_the_next_request() {
        let mut from = &b"\x01\0\0\0achecks\n"[..];
        let batch = Batch::parse("1", "5").unwrap();
        batch
            .answer_all(&mut from, &mut Vec::new(), |_, _| Ok(()))
            .unwrap();
        assert_eq!(from, b"checks\n");
        assert_eq!(Batch::parse("1", ""), None);
    }

    #[test]
    fn bytes_that_are_not_so_many_inputs_are_an_error() {
        let bytes = b"\x02\0\0\0ab";
        for (inputs, bytes) in [(2, &bytes[..]), (0, bytes), (1, &bytes[..5]), (1, b"\0\0")] {
            let error = answered(inputs, bytes).0.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{bytes:?}");
        }
    }
}
