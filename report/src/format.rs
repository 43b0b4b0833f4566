//! Numbers as text: one way for each kind of number, in reports and in what the tool prints.

/// A count or a rate, to the nearest whole number, as [`grouped`] shows it.
#[must_use]
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count or a rate, rounded to be printed"
)]
pub fn rounded(number: f64) -> String {
    grouped(number.round() as u64)
}

/// A number with its thousands apart: `1 234 567`, with narrow no-break spaces.
#[must_use]
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

/// `1 trial`, `2 trials`.
#[must_use]
pub fn counted(number: usize, one: &str, many: &str) -> String {
    let noun = if number == 1 { one } else { many };
    format!("{} {noun}", grouped(number as u64))
}

/// A time to a find with two decimals: `0.46 s`; or that fewer than half of the trials had it.
#[must_use]
pub fn median_time(median_ms: Option<u64>) -> String {
    median_ms.map_or_else(
        || "not in half".to_owned(),
        |ms| {
            format!(
                "{:.2} s",
                std::time::Duration::from_millis(ms).as_secs_f64()
            )
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        let plain: Vec<String> = [0, 999, 1000, 1_234_567]
            .map(|number| grouped(number).replace('\u{202f}', " "))
            .into();
        assert_eq!(plain, ["0", "999", "1 000", "1 234 567"]);
    }
}
