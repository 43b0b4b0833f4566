//! Quantiles of a sample.

use super::float;

/// The quantile at `part` (0 to 1) of values in ascending order: in proportion between the two values next
/// to it, which is type 7 of Hyndman and Fan (Sample quantiles in statistical packages, 1996) and the
/// default of numpy and R. None without values.
pub fn quantile(sorted: &[f64], part: f64) -> Option<f64> {
    let place = float(sorted.len().checked_sub(1)?) * part.clamp(0.0, 1.0);
    let before = place.floor() as usize;
    let low = sorted[before];
    let high = sorted.get(before + 1).copied().unwrap_or(low);
    Some(low + (high - low) * place.fract())
}

/// The values in ascending order.
pub fn sorted(values: &[f64]) -> Vec<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values
}

/// The median of values in any order. None without values.
pub fn median(values: &[f64]) -> Option<f64> {
    quantile(&sorted(values), 0.5)
}

/// The lower quartile, the median and the upper quartile of values in any order. None without values.
pub fn quartiles(values: &[f64]) -> Option<[f64; 3]> {
    let sorted = sorted(values);
    let quarter = |quarters: f64| quantile(&sorted, quarters / 4.0);
    Some([quarter(1.0)?, quarter(2.0)?, quarter(3.0)?])
}
