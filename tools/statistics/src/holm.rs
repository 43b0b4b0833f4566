//! Several tests at once.

use super::float;

/// The p-values adjusted by Holm's step-down method (A simple sequentially rejective multiple test
/// procedure, 1979), in the order given: each is at most 1, and below α only when its test is significant
/// at α among all of them.
#[must_use]
pub fn adjust(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let mut adjusted = vec![0.0; p_values.len()];
    let mut least = 0.0_f64;
    for (before, &at) in order.iter().enumerate() {
        least = least
            .max(p_values[at] * float(p_values.len() - before))
            .min(1.0);
        adjusted[at] = least;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_is_multiplied_by_all_and_none_falls_below_one_before() {
        assert_eq!(adjust(&[0.5, 0.01, 0.02]), [0.5, 0.03, 0.04]);
        assert_eq!(adjust(&[0.03, 0.02, 0.9]), [0.06, 0.06, 0.9]);
        assert_eq!(adjust(&[0.6, 0.7]), [1.0, 1.0]);
        assert_eq!(adjust(&[0.2]), [0.2]);
        assert_eq!(adjust(&[]), [0.0; 0]);
    }
}
