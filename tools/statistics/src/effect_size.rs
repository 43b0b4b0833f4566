//! How much two groups differ: Vargha and Delaney's A12.

use serde::{Deserialize, Serialize};

use super::float;

/// Vargha and Delaney's words for how far A12 is from one half (A critique and improvement of the CL
/// common language effect size statistics, 2000): 0.56, 0.64 and 0.71, and the same below one half.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Magnitude {
    /// Nearer to one half than 0.56.
    Negligible,
    /// From 0.56.
    Small,
    /// From 0.64.
    Medium,
    /// From 0.71.
    Large,
}

impl Magnitude {
    /// The word for an A12 of 0 to 1.
    #[must_use]
    pub fn of(a12: f64) -> Self {
        // A12 is a fraction: one that is a limit must not fall below it by rounding.
        let far = a12.max(1.0 - a12) + 1e-12;
        if far >= 0.71 {
            Self::Large
        } else if far >= 0.64 {
            Self::Medium
        } else if far >= 0.56 {
            Self::Small
        } else {
            Self::Negligible
        }
    }

    /// The word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Negligible => "negligible",
            Self::Small => "small",
            Self::Medium => "medium",
            Self::Large => "large",
        }
    }
}

/// How often a value of the first group is larger than one of the second, where equal ones count one half:
/// 0 to 1, and one half when neither tends to be larger. None when a group is empty.
#[must_use]
pub fn a12(first: &[f64], second: &[f64]) -> Option<f64> {
    if first.is_empty() || second.is_empty() {
        return None;
    }
    let (mut larger, mut equal) = (0, 0);
    for one in first {
        larger += second.iter().filter(|other| one > other).count();
        equal += second.iter().filter(|other| one == *other).count();
    }
    Some((float(larger) + float(equal) / 2.0) / float(first.len() * second.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a12_counts_larger_and_half_of_the_equal() {
        assert_eq!(a12(&[2.0, 3.0], &[1.0]), Some(1.0));
        assert_eq!(a12(&[1.0], &[2.0, 3.0]), Some(0.0));
        assert_eq!(a12(&[1.0, 2.0], &[1.0, 2.0]), Some(0.5));
        assert_eq!(a12(&[5.0; 4], &[5.0; 3]), Some(0.5));
        assert_eq!(a12(&[1.0, 2.0, 3.0, 4.0], &[2.5]), Some(0.5));
        assert_eq!(a12(&[], &[1.0]), None);
        assert_eq!(a12(&[1.0], &[]), None);
    }

    #[test]
    fn words_begin_at_their_limits_on_both_sides() {
        for (a12, magnitude) in [
            (0.5, Magnitude::Negligible),
            (0.559, Magnitude::Negligible),
            (0.56, Magnitude::Small),
            (0.639, Magnitude::Small),
            (0.64, Magnitude::Medium),
            (0.709, Magnitude::Medium),
            (0.71, Magnitude::Large),
            (1.0, Magnitude::Large),
        ] {
            assert_eq!(Magnitude::of(a12), magnitude, "{a12}");
            assert_eq!(Magnitude::of(1.0 - a12), magnitude, "1 - {a12}");
        }
        assert_eq!(Magnitude::of(0.44), Magnitude::Small);
        assert_eq!(Magnitude::of(0.29).word(), "large");
    }
}
