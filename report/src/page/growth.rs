//! An engine's growth of coverage, as it is drawn and told: the quartiles over its trials.
//!
//! Every trial begins from the same seeds, so every curve begins at what the seeds reach.

use super::engines::{Engines, counting};
use crate::{Band, TargetResult};

/// What growth is told over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    /// Seconds since the engine's start.
    Time,
    /// Executions of the target.
    Executions,
}

/// One engine's curve: step functions of the median and the quartiles around it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Curve<'a> {
    /// The engine's name, as its authors write it.
    pub(super) name: &'a str,
    /// What the engine's line looks like: the same on every chart of a page.
    pub(super) style: usize,
    /// How many trials it is of.
    pub(super) trials: usize,
    /// What the curve begins with: the regions that the seeds reach.
    pub(super) seeds: f64,
    /// The quartiles; places rise, and are in the unit of [`Over`].
    pub(super) bands: Vec<Band>,
}

impl Curve<'_> {
    /// Where the curve ends.
    pub(super) fn end(&self) -> f64 {
        self.bands.last().map_or(0.0, |band| band.at)
    }

    /// The quartiles at `x`; none when the curve ended before.
    pub(super) fn at(&self, x: f64) -> Option<Band> {
        if x > self.end() {
            return None;
        }
        let before = self.bands.iter().take_while(|band| band.at <= x).last();
        Some(before.copied().unwrap_or(Band {
            at: x,
            low: self.seeds,
            median: self.seeds,
            high: self.seeds,
        }))
    }

    /// The quartiles in the end.
    pub(super) fn last(&self) -> Band {
        self.bands.last().copied().unwrap_or(Band {
            at: 0.0,
            low: self.seeds,
            median: self.seeds,
            high: self.seeds,
        })
    }

    /// Where the median rose above the seeds first.
    pub(super) fn first_rise(&self) -> Option<f64> {
        let above = |band: &&Band| band.at > 0.0 && band.high > self.seeds;
        self.bands.iter().find(above).map(|band| band.at)
    }

    /// Where the median rose last.
    pub(super) fn last_rise(&self) -> Option<f64> {
        let median = self.last().median;
        if median <= self.seeds {
            return None;
        }
        let there = self.bands.iter().find(|band| band.median >= median);
        there.map(|band| band.at)
    }
}

/// The curves of a target's engines that have any.
pub(super) fn curves<'a>(
    engines: &Engines<'_>,
    target: &'a TargetResult,
    over: Over,
) -> Vec<Curve<'a>> {
    let seeds = target.seeds.reach.regions as f64;
    let curves = target.engines.iter().map(|engine| {
        let (bands, unit) = match over {
            Over::Time => (&engine.over_time, 1000.0),
            Over::Executions => (&engine.over_executions, 1.0),
        };
        Curve {
            name: &engine.title,
            style: engines.style(&engine.engine),
            trials: counting(engine),
            seeds,
            bands: rising(bands, unit),
        }
    });
    curves.filter(|curve| curve.end() > 0.0).collect()
}

/// The bands with their places divided by `unit`; what is no number, or does not lie behind the one
/// before it, is left out.
fn rising(bands: &[Band], unit: f64) -> Vec<Band> {
    let mut kept: Vec<Band> = Vec::new();
    for band in bands {
        let band = Band {
            at: band.at / unit,
            ..*band
        };
        let is_number = [band.at, band.low, band.median, band.high]
            .iter()
            .all(|value| value.is_finite() && *value >= 0.0);
        if is_number && kept.last().is_none_or(|last| last.at < band.at) {
            kept.push(band);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn band(at: f64, low: f64, median: f64, high: f64) -> Band {
        Band {
            at,
            low,
            median,
            high,
        }
    }

    fn curve() -> Curve<'static> {
        Curve {
            name: "x",
            style: 0,
            trials: 3,
            seeds: 10.0,
            bands: vec![
                band(0.0, 10.0, 10.0, 10.0),
                band(1.0, 10.0, 10.0, 12.0),
                band(5.0, 12.0, 15.0, 16.0),
                band(8.0, 13.0, 15.0, 16.0),
            ],
        }
    }

    #[test]
    fn between_steps_the_last_one_counts_and_past_the_end_none() {
        let curve = curve();
        let read = [0.5, 1.0, 4.9, 5.0, 8.0].map(|x| curve.at(x).unwrap().median);
        assert_eq!(read, [10.0, 10.0, 10.0, 15.0, 15.0]);
        assert_eq!(curve.at(8.1), None);
        assert_eq!((curve.last().low, curve.last().median), (13.0, 15.0));
    }

    #[test]
    fn first_and_last_rises_are_those_of_what_is_above_the_seeds() {
        assert_eq!(curve().first_rise(), Some(1.0));
        assert_eq!(curve().last_rise(), Some(5.0));
        let flat = Curve {
            bands: vec![band(3.0, 10.0, 10.0, 10.0)],
            ..curve()
        };
        assert_eq!((flat.first_rise(), flat.last_rise()), (None, None));
        assert_eq!(flat.at(1.0).unwrap().median, 10.0);
    }

    #[test]
    fn what_is_no_number_or_goes_back_is_not_drawn() {
        let bands = [
            band(0.0, 1.0, 1.0, 1.0),
            band(1000.0, f64::NAN, 2.0, 3.0),
            band(2000.0, 2.0, 2.0, 2.0),
            band(1500.0, 3.0, 3.0, 3.0),
        ];
        let places: Vec<f64> = rising(&bands, 1000.0).iter().map(|band| band.at).collect();
        assert_eq!(places, [0.0, 2.0]);
    }
}
