//! Numbers as text: one way for each kind of number, in reports and in what the tool prints.
//!
//! A number and its unit are joined by a no-break space, thousands by a narrow one. `–` stands for no number.

use std::time::Duration;

use crate::Estimate;

/// Stands where there is no number.
pub const NONE: &str = "–";

/// A number with its thousands apart: `1 234 567`, with narrow no-break spaces.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A count, as [`grouped`] shows it.
pub fn count(number: usize) -> String {
    grouped(number as u64)
}

/// A count with its noun: `1 trial`, `2 trials`.
pub fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// A count or a rate to the nearest whole number, as [`grouped`] shows it.
pub fn rounded(number: f64) -> String {
    if number.is_finite() && number >= 0.0 {
        grouped(number.round() as u64)
    } else {
        NONE.to_owned()
    }
}

/// A median of counts, which may lie between two: `1 343`, `12.5`.
pub(crate) fn median(value: f64) -> String {
    if (0.0..1000.0).contains(&value) && value.fract() != 0.0 {
        format!("{value:.1}")
    } else {
        rounded(value)
    }
}

/// A median with its interval: `410 [405, 412]`. An interval without a width is left out.
pub(crate) fn estimate(estimate: Option<Estimate>, show: impl Fn(f64) -> String) -> String {
    let Some(Estimate { median, low, high }) = estimate else {
        return NONE.to_owned();
    };
    let (median, low, high) = (show(median), show(low), show(high));
    if low == high {
        return median;
    }
    format!("{median} [{low}, {high}]")
}

/// A few characters for a count on an axis: `500`, `20k`, `1.5M`.
pub(crate) fn short(value: f64) -> String {
    // Binary fractions leave noise behind the sixth digit.
    let round_off = |value: f64| (value * 1e6).round() / 1e6;
    for (unit, name) in [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")] {
        if value >= unit {
            return format!("{}{name}", round_off(value / unit));
        }
    }
    round_off(value).to_string()
}

/// `part` of `whole` in percent, with one decimal: `33.3 %`.
pub fn percent(part: usize, whole: usize) -> String {
    if whole == 0 {
        return NONE.to_owned();
    }
    format!("{:.1}\u{a0}%", part as f64 * 100.0 / whole as f64)
}

/// A time in whole seconds: `8 s`, `1 min`, `1 h 30 min`.
pub fn span(seconds: u64) -> String {
    let parts = [
        (seconds / 3600, "h"),
        (seconds / 60 % 60, "min"),
        (seconds % 60, "s"),
    ];
    let parts: Vec<String> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count}\u{a0}{unit}"))
        .collect();
    if parts.is_empty() {
        return "0\u{a0}s".to_owned();
    }
    parts.join(" ")
}

/// A time as measured, in seconds: `58 ms`, `8.5 s`, `10 min 3 s`.
pub(crate) fn measured(seconds: f64) -> String {
    let Ok(time) = Duration::try_from_secs_f64(seconds) else {
        return NONE.to_owned();
    };
    match seconds {
        ..1.0 => format!(
            "{}\u{a0}ms",
            (time + Duration::from_micros(500)).as_millis()
        ),
        ..99.95 => format!("{seconds:.1}\u{a0}s"),
        _ => span((time + Duration::from_millis(500)).as_secs()),
    }
}

/// Milliseconds since the start, as [`measured`]; `0` for what the seeds have.
pub(crate) fn milliseconds(time_ms: u64) -> String {
    match time_ms {
        0 => "0".to_owned(),
        _ => measured(time_ms as f64 / 1000.0),
    }
}

/// When half of the trials had something, in milliseconds; or that fewer than half had it.
pub fn median_time(median_ms: Option<u64>) -> String {
    median_ms.map_or_else(|| "not in half".to_owned(), milliseconds)
}

/// A moment in UTC, from RFC 3339: `2026-11-22 15:54:30 UTC`.
pub(crate) fn moment(rfc3339: &str) -> String {
    rfc3339.replacen('T', " ", 1).replace('Z', " UTC")
}

/// A p-value with two significant digits: `1`, `0.33`, `0.0079`, `4.1e-5`.
pub(crate) fn p_value(p: f64) -> String {
    if p >= 0.995 {
        return "1".to_owned();
    }
    match p {
        0.1.. => format!("{p:.2}"),
        0.01.. => format!("{p:.3}"),
        0.001.. => format!("{p:.4}"),
        0.0001.. => format!("{p:.5}"),
        _ => format!("{p:.1e}"),
    }
}

/// `a`, `a and b`, `a, b and c`.
pub(crate) fn listed(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [only] => only.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_texts_of_one_kind_each() {
        let interval = |low, high| {
            let median = 410.4;
            estimate(Some(Estimate { low, median, high }), rounded)
        };
        let listed =
            |items: &[&str]| listed(&items.iter().map(ToString::to_string).collect::<Vec<_>>());
        for (text, expected) in [
            (grouped(0), "0"),
            (grouped(999), "999"),
            (grouped(1_234_567), "1 234 567"),
            (counted(1, "input", "inputs"), "1 input"),
            (counted(1000, "input", "inputs"), "1 000 inputs"),
            (median(12.0), "12"),
            (median(12.5), "12.5"),
            (median(1342.5), "1 343"),
            (median(f64::NAN), "–"),
            (median(-1.0), "–"),
            (estimate(None, rounded), "–"),
            (interval(410.0, 410.0), "410"),
            (interval(405.0, 412.0), "410 [405, 412]"),
            (short(500.0), "500"),
            (short(20_000.0), "20k"),
            (short(1.5e6), "1.5M"),
            (short(0.1 * 6.0), "0.6"),
            (percent(1, 3), "33.3 %"),
            (percent(0, 0), "–"),
            (span(0), "0 s"),
            (span(90), "1 min 30 s"),
            (span(5400), "1 h 30 min"),
            (span(86_400), "24 h"),
            (measured(0.058), "58 ms"),
            (measured(8.49), "8.5 s"),
            (measured(99.96), "1 min 40 s"),
            (measured(603.2), "10 min 3 s"),
            (measured(f64::NAN), "–"),
            (milliseconds(0), "0"),
            (median_time(Some(1500)), "1.5 s"),
            (p_value(0.999), "1"),
            (p_value(0.99), "0.99"),
            (p_value(1.0 / 3.0), "0.33"),
            (p_value(2.0 / 252.0), "0.0079"),
            (p_value(0.000_149), "0.00015"),
            (p_value(4.113e-5), "4.1e-5"),
            (listed(&["a"]), "a"),
            (listed(&["a", "b", "c"]), "a, b and c"),
        ] {
            let text = text.replace(['\u{a0}', '\u{202f}'], " ");
            assert_eq!(text, expected);
        }
    }
}
