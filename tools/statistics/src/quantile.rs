//! Quantiles of a sample.

use super::float;

/// The quartiles and the median.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quartiles {
    /// A quarter of the values is below.
    pub lower: f64,
    /// The value in the middle.
    pub median: f64,
    /// A quarter of the values is above.
    pub upper: f64,
}

/// The quantile at `part` (0 to 1) of values in ascending order: in proportion between the two values next
/// to it, which is type 7 of Hyndman and Fan (Sample quantiles in statistical packages, 1996) and the
/// default of numpy and R. None without values.
#[must_use]
pub fn quantile(sorted: &[f64], part: f64) -> Option<f64> {
    let place = float(sorted.len().checked_sub(1)?) * part.clamp(0.0, 1.0);
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and the number of values"
    )]
    let before = place.floor() as usize;
    let low = sorted[before];
    let high = sorted.get(before + 1).copied().unwrap_or(low);
    Some(low + (high - low) * place.fract())
}

/// The values in ascending order.
#[must_use]
pub fn sorted(values: &[f64]) -> Vec<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values
}

/// The median of values in any order. None without values.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    quantile(&sorted(values), 0.5)
}

/// The quartiles and the median of values in any order. None without values.
#[must_use]
pub fn quartiles(values: &[f64]) -> Option<Quartiles> {
    let sorted = sorted(values);
    Some(Quartiles {
        lower: quantile(&sorted, 0.25)?,
        median: quantile(&sorted, 0.5)?,
        upper: quantile(&sorted, 0.75)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_lies_between_two_values_when_their_number_is_even() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[7.0]), Some(7.0));
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), Some(2.5));
    }
}
