//! From values to places on a chart: scales, and the round values at which an axis is marked.

use crate::format::{measured, short, span};

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
    pub(super) const fn linear(from: f64, to: f64, start: f64, end: f64) -> Self {
        Self {
            spacing: Spacing::Linear,
            from,
            to,
            start,
            end,
        }
    }

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

/// Marks at the multiples of 1, 2 or 5 times a power of ten: as many as can be without exceeding `at_most`. With
/// `whole`, only whole numbers.
pub(super) fn round_values(from: f64, to: f64, at_most: usize, whole: bool) -> Vec<f64> {
    let span = to - from;
    if !span.is_finite() || span <= 0.0 || at_most == 0 {
        return Vec::new();
    }
    let mut exponent = (span / at_most as f64).log10().floor() as i32;
    loop {
        for factor in [1.0, 2.0, 5.0] {
            let step = factor * 10f64.powi(exponent);
            // A little slack, so that an end that is itself round is marked.
            let first = (from / step - 1e-9).ceil();
            let count = ((to / step + 1e-9).floor() - first + 1.0).max(0.0) as usize;
            if count <= at_most && (step >= 1.0 || !whole) {
                let value = |at| (first + at as f64) * step;
                return (0..count).map(value).collect();
            }
        }
        exponent += 1;
    }
}

/// The power of ten at or below `value`, which is above 0.
pub(super) fn power_of_ten_below(value: f64) -> f64 {
    10f64.powi((value.log10() + 1e-9).floor() as i32)
}

/// Marks of an axis of counts from `scale.from` to `scale.to`.
pub(super) fn count_ticks(scale: &Scale, at_most: usize) -> Vec<Tick> {
    let values = match scale.spacing {
        Spacing::Linear => round_values(scale.from, scale.to, at_most, true),
        Spacing::Logarithmic => {
            let powers = (0..).map(|power| scale.from * 10f64.powi(power));
            powers
                .take_while(|value| *value <= scale.to * 1.001)
                .collect()
        }
    };
    let tick = |value| Tick {
        value,
        label: short(value),
    };
    values.into_iter().map(tick).collect()
}

/// The values at which a logarithmic time axis is marked, in seconds: powers of ten of the unit in which people give
/// such a time.
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

/// Marks of an axis of seconds, and the unit of their labels.
pub(super) fn time_ticks(scale: &Scale, at_most: usize) -> (Vec<Tick>, &'static str) {
    if scale.spacing == Spacing::Logarithmic {
        let is_shown = |time: &f64| (scale.from * 0.999..=scale.to * 1.001).contains(time);
        let tick = |value| Tick {
            value,
            label: if value < 1.0 {
                measured(value)
            } else {
                span(value as u64)
            },
        };
        let ticks = TIMES.into_iter().filter(is_shown).map(tick);
        return (ticks.collect(), "logarithmic");
    }
    let (unit, name) = match scale.to {
        ..0.2 => (0.001, "milliseconds"),
        ..150.0 => (1.0, "seconds"),
        ..9000.0 => (60.0, "minutes"),
        _ => (3600.0, "hours"),
    };
    let ticks = round_values(0.0, scale.to / unit, at_most, false);
    let tick = |value: f64| Tick {
        value: value * unit,
        label: short(value),
    };
    (ticks.into_iter().map(tick).collect(), name)
}

/// Removes labels evenly, from the last one back, until at most `at_most` are left. The marks themselves stay.
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

    fn logarithmic(from: f64, to: f64) -> Scale {
        Scale {
            spacing: Spacing::Logarithmic,
            ..Scale::linear(from, to, 0.0, 200.0)
        }
    }

    fn labels(ticks: &[Tick]) -> String {
        let labels: Vec<&str> = ticks.iter().map(|tick| tick.label.as_str()).collect();
        labels.join("|").replace('\u{a0}', " ")
    }

    #[test]
    fn scales_keep_order_ends_and_ratios() {
        let linear = Scale::linear(400.0, 600.0, 300.0, 0.0);
        let places = [0.0, 400.0, 500.0, 600.0].map(|value| linear.place(value));
        assert_eq!(places, [300.0, 300.0, 150.0, 0.0]);
        let ratios = logarithmic(10.0, 1000.0);
        let places = [0.0, 10.0, 100.0, 1000.0, 1e9].map(|value| ratios.place(value).round());
        assert_eq!(places, [0.0, 0.0, 100.0, 200.0, 200.0]);
    }

    #[test]
    fn marks_are_round_and_never_more_than_fit() {
        assert_eq!(round_values(0.0, 8.9, 6, false), [0.0, 2.0, 4.0, 6.0, 8.0]);
        assert_eq!(round_values(4.6, 7.3, 8, true), [5.0, 6.0, 7.0]);
        assert_eq!(round_values(0.0, 60.0, 7, false).last(), Some(&60.0));
        assert!(round_values(5.0, 5.0, 4, false).is_empty());
        for at_most in 1..12 {
            for to in [1.0, 7.0, 99.0, 1234.5, 4_488_590.0, 1e12] {
                let marks = round_values(0.0, to, at_most, false);
                assert!(marks.len() <= at_most && marks.iter().all(|mark| *mark <= to));
                assert!(at_most < 4 || marks.len() * 3 >= at_most, "{marks:?}");
            }
        }
    }

    #[test]
    fn labels_are_in_units_that_people_use() {
        let linear = |to| {
            let (ticks, unit) = time_ticks(&Scale::linear(0.0, to, 0.0, 1.0), 7);
            format!("{} {unit}", labels(&ticks))
        };
        assert_eq!(linear(8.9), "0|2|4|6|8 seconds");
        assert_eq!(linear(3600.0), "0|10|20|30|40|50|60 minutes");
        assert_eq!(linear(86_400.0), "0|5|10|15|20 hours");
        let (mut ticks, _) = time_ticks(&logarithmic(0.01, 3650.0), 7);
        assert_eq!(labels(&ticks), "10 ms|100 ms|1 s|10 s|1 min|10 min|1 h");
        thin_out(&mut ticks, 4);
        assert_eq!(labels(&ticks), "10 ms||1 s||1 min||1 h");
        let counts = count_ticks(&logarithmic(10.0, 4e6), 7);
        assert_eq!(labels(&counts), "10|100|1k|10k|100k|1M");
        assert_eq!(power_of_ten_below(0.058), 0.01);
        assert_eq!(power_of_ten_below(1000.0), 1000.0);
    }
}
