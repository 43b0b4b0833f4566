//! Sizes as qemu-img reads them.
//!
//! The language is that of `qemu_strtosz` (`util/cutils.c`), as observed: an optional `+`, decimal
//! digits, optionally a fraction, optionally one suffix; or hexadecimal digits after `0x` and nothing
//! else. A fraction needs a suffix other than `b`, and is cut to whole bytes.

use anyhow::{Context as _, Result, bail, ensure};

const MALFORMED: &str =
    "expected a number of bytes such as 1048576, 64k or 1.5G (suffixes b, k, M, G, T, P, E)";
const OUT_OF_RANGE: &str = "expected a number from 0 to 2^64 - 1";

/// Reads a size in bytes. Suffixes, of either case, are binary: `b`, `k`, `M`, `G`, `T`, `P`, `E`. Fails when the text
/// does not follow the language above, or the size is negative or does not fit 64 bits.
pub(crate) fn parse(text: &str) -> Result<u64> {
    let text = text.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '\x0b');
    if let Some(magnitude) = text.strip_prefix('-') {
        parse_magnitude(magnitude)?;
        bail!(OUT_OF_RANGE);
    }
    parse_magnitude(text.strip_prefix('+').unwrap_or(text))
}

fn parse_magnitude(text: &str) -> Result<u64> {
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        let is_hexadecimal = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        ensure!(is_hexadecimal && !digits.is_empty(), MALFORMED);
        return u64::from_str_radix(digits, 16).context(OUT_OF_RANGE);
    }
    let (whole, rest) = split_digits(text);
    let (fraction, suffix) = match rest.strip_prefix('.') {
        Some(rest) => split_digits(rest),
        None => ("", rest),
    };
    ensure!(!whole.is_empty() || !fraction.is_empty(), MALFORMED);
    let shift = match suffix {
        "" | "b" | "B" => 0,
        "k" | "K" => 10,
        "m" | "M" => 20,
        "g" | "G" => 30,
        "t" | "T" => 40,
        "p" | "P" => 50,
        "e" | "E" => 60,
        _ => bail!(MALFORMED),
    };
    // 0 <= fraction <= 1: it is rounded to 1 when it has very many nines.
    let fraction: f64 = format!("0.{fraction}0").parse().context(MALFORMED)?;
    ensure!(shift != 0 || fraction == 0.0, MALFORMED);
    let whole: u64 = format!("0{whole}").parse().context(OUT_OF_RANGE)?;
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from 0 to 2^60, and to be cut"
    )]
    let part = (fraction * (1_u64 << shift) as f64) as u64;
    let bytes = whole.checked_mul(1 << shift);
    let bytes = bytes.and_then(|bytes| bytes.checked_add(part));
    bytes.context(OUT_OF_RANGE)
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().take_while(u8::is_ascii_digit).count())
}
