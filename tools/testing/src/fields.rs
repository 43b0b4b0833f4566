//! Images with changed fields: tables of changes, each with what a scan answers then.
//!
//! ```text
//! version=1,2,3 => 64K
//! version=0,4
//! version=2^32-1 grain=8
//!     => unsupported: a VMDK version other than 1 to 3
//! ```
//! A line has fields with their values. Every combination of values is an image. Behind one or more lines comes the
//! answer: bytes of data, or the error's text. `length` is the file's length. Numbers may be hexadecimal, powers of two as
//! `2^9`, with `K` or `M` behind, sums and differences modulo 2^64.

use types::{AllocationSummary, ScanError, ScanFormat};

use crate::scan::{SECTOR_SIZES, answer};

/// The fields of a format's images.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// The format.
    pub format: ScanFormat,
    /// Where the fields of a name are, and how many bytes each has, at most 8.
    pub places: fn(&str) -> Vec<(usize, usize)>,
    /// Puts checksums right.
    pub seal: fn(&mut [u8]),
}

impl Layout {
    /// Fields of images without checksums.
    #[must_use]
    pub const fn new(format: ScanFormat, places: fn(&str) -> Vec<(usize, usize)>) -> Self {
        Self {
            format,
            places,
            seal: |_| {},
        }
    }

    /// The image with these changes, one value a field.
    #[must_use]
    pub fn with(&self, sound: &[u8], changes: &str) -> Vec<u8> {
        let combinations = combinations(changes);
        assert_eq!(combinations.len(), 1, "more than one image: {changes}");
        self.changed(sound, &combinations[0])
    }

    /// Every image of the table is answered as it has it.
    pub fn check(&self, sound: &[u8], table: &str) {
        let mut lines = Vec::new();
        for line in table.lines() {
            let (changes, expected) = match line.split_once("=> ") {
                Some((changes, expected)) => (changes.trim(), Some(expected)),
                None => (line.trim(), None),
            };
            lines.extend((!changes.is_empty()).then_some(changes));
            if let Some(expected) = expected {
                for changes in lines.drain(..).flat_map(combinations) {
                    let answer = self.answer(&self.changed(sound, &changes));
                    let is_expected = is_answer(answer, expected);
                    assert!(is_expected, "{changes:?} => {expected}\n{answer:?}");
                }
            }
        }
        assert!(lines.is_empty(), "no answer behind {lines:?}");
    }

    /// What a scan of an image answers, with sectors of every size.
    pub fn answer(&self, bytes: &[u8]) -> Result<AllocationSummary, ScanError> {
        answer(self.format, bytes, None, &SECTOR_SIZES)
    }

    /// How many bytes of data it finds.
    pub fn data_of(&self, bytes: &[u8]) -> Result<u64, ScanError> {
        self.answer(bytes).map(|summary| summary.allocated_bytes)
    }

    fn changed(&self, sound: &[u8], changes: &[(&str, u64)]) -> Vec<u8> {
        let mut bytes = sound.to_vec();
        for (name, value) in changes {
            self.put(&mut bytes, name, *value);
        }
        (self.seal)(&mut bytes);
        bytes
    }

    fn put(&self, bytes: &mut Vec<u8>, name: &str, value: u64) {
        if name == "length" {
            bytes.resize(value as usize, 0);
            return;
        }
        let places = (self.places)(name);
        assert!(!places.is_empty(), "no field {name}");
        for (at, width) in places {
            let mut field = value.to_le_bytes();
            if matches!(self.format, ScanFormat::Qcow2 | ScanFormat::Vhd) {
                field[..width].reverse();
            }
            bytes[at..at + width].copy_from_slice(&field[..width]);
        }
    }
}

/// The places of the fields of that name, in a list of names, places and numbers of bytes.
#[must_use]
pub fn named(fields: &[(&str, usize, usize)], name: &str) -> Vec<(usize, usize)> {
    let fields = fields.iter().filter(|field| field.0 == name);
    fields.map(|&(_, at, width)| (at, width)).collect()
}

/// Every combination of the values on a line.
fn combinations(line: &str) -> Vec<Vec<(&str, u64)>> {
    let mut combinations = vec![Vec::new()];
    for change in line.split_whitespace() {
        let (name, values) = change.split_once('=').expect("a field and its values");
        let values: Vec<u64> = values.split(',').map(number).collect();
        let with = |others: &Vec<_>, value| [&others[..], &[(name, value)]].concat();
        combinations = combinations
            .iter()
            .flat_map(|others| values.iter().map(move |&value| with(others, value)))
            .collect();
    }
    combinations
}

fn is_answer(answer: Result<AllocationSummary, ScanError>, expected: &str) -> bool {
    match answer {
        Ok(summary) => {
            expected.starts_with(|c: char| c.is_ascii_digit())
                && summary.allocated_bytes == number(expected)
        }
        Err(error) => error.to_string() == expected,
    }
}

fn number(text: &str) -> u64 {
    if let Some(at) = text.rfind(['+', '-']) {
        let (left, right) = (number(&text[..at]), number(&text[at + 1..]));
        return match text.as_bytes()[at] {
            b'+' => left.wrapping_add(right),
            _ => left.wrapping_sub(right),
        };
    }
    for (suffix, shift) in [("K", 10), ("M", 20)] {
        if let Some(count) = text.strip_suffix(suffix) {
            return number(count) << shift;
        }
    }
    let parsed = if let Some(exponent) = text.strip_prefix("2^") {
        // 2^64 is 0.
        exponent
            .parse()
            .map(|by| 1_u64.checked_shl(by).unwrap_or(0))
    } else if let Some(hexadecimal) = text.strip_prefix("0x") {
        u64::from_str_radix(hexadecimal, 16)
    } else {
        text.parse()
    };
    parsed.unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_number_or_the_text_of_an_error() {
        let summary = Ok(AllocationSummary::new(4096, 512));
        for (answer, expected, is_same) in [
            (summary, "512", true),
            (summary, "4096", false),
            (summary, "corrupt: x", false),
            (Err(ScanError::Corrupt("x")), "corrupt: x", true),
            (Err(ScanError::Corrupt("y")), "corrupt: x", false),
            (Err(ScanError::Corrupt("x")), "512", false),
        ] {
            assert_eq!(
                is_answer(answer, expected),
                is_same,
                "{answer:?} {expected}"
            );
        }
    }
}
