//! From values to places on a chart: scales, and the round values at which an axis is marked.

use super::markup;

/// How values are laid out along an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spacing {
    /// Equal steps are equally long.
    Linear,
    /// Equal ratios are equally long.
    Logarithmic,
}

/// An axis: the values from `from` to `to`, drawn from `start` to `end` in SVG units.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    pub(super) spacing: Spacing,
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) start: f64,
    pub(super) end: f64,
}

impl Scale {
    /// Where `value` is drawn. What lies outside is drawn at the nearer end.
    pub(super) fn place(&self, value: f64) -> f64 {
        let value = value.clamp(self.from, self.to);
        let part = match self.spacing {
            Spacing::Linear => (value - self.from) / (self.to - self.from),
            Spacing::Logarithmic => (value / self.from).ln() / (self.to / self.from).ln(),
        };
        self.start + part * (self.end - self.start)
    }
}

/// A marked value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tick {
    pub(super) value: f64,
    pub(super) label: String,
}

/// The multiples of 1, 2 or 5 times a power of ten from `from` to `to`: as many as can be without
/// exceeding `at_most`. With `whole`, only whole numbers.
pub(super) fn round_values(from: f64, to: f64, at_most: usize, whole: bool) -> Vec<f64> {
    let span = to - from;
    if !span.is_finite() || span <= 0.0 || at_most == 0 {
        return Vec::new();
    }
    let mut exponent = (span / at_most as f64).log10().floor() as i32;
    loop {
        for factor in [1.0, 2.0, 5.0] {
            let step = factor * 10f64.powi(exponent);
            if whole && step < 1.0 {
                continue;
            }
            // A little slack, so that an end that is itself round is marked.
            let first = (from / step - 1e-9).ceil();
            let last = (to / step + 1e-9).floor();
            if last - first + 1.0 <= at_most as f64 {
                let count = (last - first + 1.0).max(0.0) as usize;
                // Adding 0 makes a negative zero positive.
                return (0..count)
                    .map(|at| (first + at as f64) * step + 0.0)
                    .collect();
            }
        }
        exponent += 1;
    }
}

/// The powers of ten from `from` to `to`, both above 0.
pub(super) fn powers_of_ten(from: f64, to: f64) -> Vec<f64> {
    let first = (from.log10() - 1e-9).ceil() as i32;
    let last = (to.log10() + 1e-9).floor() as i32;
    (first..=last).map(|power| 10f64.powi(power)).collect()
}

/// The power of ten at or below `value`, which is above 0.
pub(super) fn power_of_ten_below(value: f64) -> f64 {
    10f64.powi((value.log10() + 1e-9).floor() as i32)
}

/// A count in a few characters: `500`, `20k`, `1.5M`.
pub(super) fn short_count(value: f64) -> String {
    for (unit, name) in [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")] {
        if value >= unit {
            return format!("{}{name}", round_off(value / unit));
        }
    }
    round_off(value).to_string()
}

/// Without the noise that binary fractions leave behind the sixth digit.
fn round_off(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

/// Marks of a linear time axis from 0 to `to` seconds, and the unit that their labels are in.
pub(super) fn time_ticks(to: f64, at_most: usize) -> (Vec<Tick>, &'static str) {
    let (unit, name) = match to {
        ..0.2 => (0.001, "milliseconds"),
        ..150.0 => (1.0, "seconds"),
        ..9000.0 => (60.0, "minutes"),
        _ => (3600.0, "hours"),
    };
    let ticks = round_values(0.0, to / unit, at_most, false)
        .into_iter()
        .map(|value| Tick {
            value: value * unit,
            label: round_off(value).to_string(),
        })
        .collect();
    (ticks, name)
}

/// The values at which a logarithmic time axis is marked, in seconds: powers of ten, but of the unit
/// in which a person says the time.
const TIMES: [f64; 11] = [
    0.001,
    0.01,
    0.1,
    1.0,
    10.0,
    60.0,
    600.0,
    3600.0,
    36_000.0,
    360_000.0,
    3_600_000.0,
];

/// Marks of a logarithmic time axis from `from` to `to` seconds.
pub(super) fn log_time_ticks(from: f64, to: f64) -> Vec<Tick> {
    TIMES
        .into_iter()
        .filter(|time| (from * 0.999..=to * 1.001).contains(time))
        .map(|value| Tick {
            value,
            label: if value < 1.0 {
                markup::measured(value)
            } else {
                markup::span(value as u64)
            },
        })
        .collect()
}

/// Leaves so many labels away, evenly and from the last one back, that at most `at_most` are left; the
/// marks themselves stay.
pub(super) fn thin_out(ticks: &mut [Tick], at_most: usize) {
    let keep_every = ticks.len().div_ceil(at_most.max(1)).max(1);
    for (back, tick) in ticks.iter_mut().rev().enumerate() {
        if back % keep_every != 0 {
            tick.label.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_values_are_1_2_or_5_times_a_power_of_ten() {
        assert_eq!(round_values(0.0, 8.9, 6, false), [0.0, 2.0, 4.0, 6.0, 8.0]);
        assert_eq!(
            round_values(435.0, 555.0, 6, true),
            [440.0, 460.0, 480.0, 500.0, 520.0, 540.0]
        );
        assert_eq!(
            round_values(0.0, 1.0, 6, false),
            [0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]
        );
        // Ends that are round themselves are marked.
        assert_eq!(round_values(0.0, 60.0, 7, false).last(), Some(&60.0));
        assert_eq!(round_values(100.0, 500.0, 5, true).len(), 5);
    }

    #[test]
    fn counts_are_marked_at_whole_numbers() {
        assert_eq!(round_values(4.6, 7.3, 8, true), [5.0, 6.0, 7.0]);
        assert_eq!(round_values(-0.5, 2.5, 6, true), [0.0, 1.0, 2.0]);
    }

    #[test]
    fn marks_are_never_more_than_fit() {
        for at_most in 1..12 {
            for to in [1.0, 7.0, 99.0, 1234.5, 4_488_590.0, 1e12] {
                let marks = round_values(0.0, to, at_most, false);
                assert!(marks.len() <= at_most, "{at_most} {to} {marks:?}");
                assert!(marks.iter().all(|mark| (0.0..=to).contains(mark)));
                assert!(
                    at_most < 4 || marks.len() * 3 >= at_most,
                    "{at_most} {to} {marks:?}"
                );
            }
        }
        assert!(round_values(5.0, 5.0, 4, false).is_empty());
        assert!(round_values(0.0, f64::NAN, 4, false).is_empty());
    }

    #[test]
    fn a_logarithmic_axis_is_marked_at_powers_of_ten() {
        assert_eq!(
            powers_of_ten(10.0, 4_488_590.0),
            [1e1, 1e2, 1e3, 1e4, 1e5, 1e6]
        );
        assert_eq!(powers_of_ten(1.0, 1000.0), [1e0, 1e1, 1e2, 1e3]);
        assert_eq!(powers_of_ten(2.0, 9.0), [0.0; 0]);
        assert_eq!(power_of_ten_below(61.0), 10.0);
        assert_eq!(power_of_ten_below(1000.0), 1000.0);
        assert_eq!(power_of_ten_below(0.058), 0.01);
    }

    #[test]
    fn scales_keep_order_ends_and_ratios() {
        let linear = Scale {
            spacing: Spacing::Linear,
            from: 400.0,
            to: 600.0,
            start: 300.0,
            end: 0.0,
        };
        assert_eq!(
            [400.0, 500.0, 600.0].map(|value| linear.place(value)),
            [300.0, 150.0, 0.0]
        );
        assert_eq!(linear.place(0.0), 300.0, "outside is the nearer end");
        let logarithmic = Scale {
            spacing: Spacing::Logarithmic,
            from: 10.0,
            to: 1000.0,
            start: 0.0,
            end: 200.0,
        };
        let places = [0.0, 10.0, 100.0, 1000.0, 1e9].map(|value| logarithmic.place(value).round());
        assert_eq!(places, [0.0, 0.0, 100.0, 200.0, 200.0]);
    }

    #[test]
    fn labels_are_short() {
        let labels = [0.0, 1.0, 500.0, 1000.0, 20_000.0, 1.5e6, 3e9].map(short_count);
        assert_eq!(labels, ["0", "1", "500", "1k", "20k", "1.5M", "3G"]);
        assert_eq!(short_count(0.6000000000000001), "0.6");
    }

    #[test]
    fn times_are_marked_in_the_unit_that_fits() {
        let labels = |to| {
            let (ticks, unit) = time_ticks(to, 7);
            let labels: Vec<String> = ticks.into_iter().map(|tick| tick.label).collect();
            (labels.join(" "), unit)
        };
        assert_eq!(labels(8.9), ("0 2 4 6 8".into(), "seconds"));
        assert_eq!(labels(60.0), ("0 10 20 30 40 50 60".into(), "seconds"));
        assert_eq!(labels(3600.0), ("0 10 20 30 40 50 60".into(), "minutes"));
        assert_eq!(labels(86_400.0), ("0 5 10 15 20".into(), "hours"));
        let log: Vec<String> = log_time_ticks(0.01, 3650.0)
            .into_iter()
            .map(|tick| tick.label.replace('\u{a0}', " "))
            .collect();
        assert_eq!(
            log,
            ["10 ms", "100 ms", "1 s", "10 s", "1 min", "10 min", "1 h"]
        );
    }

    #[test]
    fn labels_are_left_away_evenly_and_marks_stay() {
        let mut ticks = log_time_ticks(0.001, 3600.0);
        thin_out(&mut ticks, 4);
        let labels: Vec<String> = ticks
            .iter()
            .map(|tick| tick.label.replace('\u{a0}', " "))
            .collect();
        assert_eq!(labels, ["", "10 ms", "", "1 s", "", "1 min", "", "1 h"]);
    }
}
