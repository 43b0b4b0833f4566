//! Sizes as qemu-img reads them.
//!
//! The language is that of `qemu_strtosz` (`util/cutils.c`), as observed: an optional `+`, decimal
//! digits, optionally a fraction, optionally one suffix; or hexadecimal digits after `0x` and nothing
//! else. A fraction needs a suffix other than `b`, and is cut to whole bytes.

use std::fmt;

/// Why a text is no size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuantityError {
    /// It does not follow the language above.
    Malformed,
    /// It does, but is negative or does not fit 64 bits.
    OutOfRange,
}

impl fmt::Display for QuantityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => {
                "expected a number of bytes such as 1048576, 64k or 1.5G (suffixes b, k, M, G, T, P, E)"
            }
            Self::OutOfRange => "expected a number from 0 to 2^64 - 1",
        })
    }
}

impl std::error::Error for QuantityError {}

/// Reads a size in bytes. Suffixes, of either case, are binary: `b`, `k`, `M`, `G`, `T`, `P`, `E`.
///
/// # Errors
/// [`QuantityError`]; a number that is too large is `OutOfRange` only when the text is well-formed.
pub fn parse(text: &str) -> Result<u64, QuantityError> {
    let text = text.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '\x0b');
    if let Some(magnitude) = text.strip_prefix('-') {
        return match parse_magnitude(magnitude) {
            Err(QuantityError::Malformed) => Err(QuantityError::Malformed),
            _ => Err(QuantityError::OutOfRange),
        };
    }
    parse_magnitude(text.strip_prefix('+').unwrap_or(text))
}

fn parse_magnitude(text: &str) -> Result<u64, QuantityError> {
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(QuantityError::Malformed);
        }
        return u64::from_str_radix(digits, 16).map_err(|_| QuantityError::OutOfRange);
    }
    let (whole, rest) = split_digits(text);
    let (fraction, suffix) = match rest.strip_prefix('.') {
        Some(rest) => split_digits(rest),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return Err(QuantityError::Malformed);
    }
    let shift = shift_of(suffix)?;
    // 0 <= fraction <= 1: it is rounded to 1 when it has very many nines.
    let fraction: f64 = format!("0.{fraction}0")
        .parse()
        .map_err(|_| QuantityError::Malformed)?;
    if shift == 0 && fraction > 0.0 {
        return Err(QuantityError::Malformed);
    }
    let whole: u64 = if whole.is_empty() {
        0
    } else {
        whole.parse().map_err(|_| QuantityError::OutOfRange)?
    };
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from 0 to 2^60, and to be cut"
    )]
    let part = (fraction * (1_u64 << shift) as f64) as u64;
    whole
        .checked_mul(1 << shift)
        .and_then(|bytes| bytes.checked_add(part))
        .ok_or(QuantityError::OutOfRange)
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().take_while(u8::is_ascii_digit).count())
}

fn shift_of(suffix: &str) -> Result<u32, QuantityError> {
    match suffix {
        "" | "b" | "B" => Ok(0),
        "k" | "K" => Ok(10),
        "m" | "M" => Ok(20),
        "g" | "G" => Ok(30),
        "t" | "T" => Ok(40),
        "p" | "P" => Ok(50),
        "e" | "E" => Ok(60),
        _ => Err(QuantityError::Malformed),
    }
}
