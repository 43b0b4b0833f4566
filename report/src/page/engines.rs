//! The engines of a comparison: their order and their looks, the same on the whole page.

use super::svg::STYLES;
use crate::{Comparison, EngineResult, Estimate, TargetResult};

/// The engines, in the order in which they first appear.
pub(super) struct Engines<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Engines<'a> {
    pub(super) fn of(comparison: &'a Comparison) -> Self {
        let mut engines: Vec<(&str, &str)> = Vec::new();
        for engine in comparison.targets.iter().flat_map(|target| &target.engines) {
            if !engines.iter().any(|(name, _)| *name == engine.engine) {
                engines.push((&engine.engine, &engine.title));
            }
        }
        Self(engines)
    }

    pub(super) fn titles(&self) -> Vec<String> {
        let titles = self.0.iter().map(|(_, title)| (*title).to_owned());
        titles.collect()
    }

    /// Names, as on the command line, and titles.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.iter().copied()
    }

    /// What the engine's lines and marks look like.
    pub(super) fn style(&self, engine: &str) -> usize {
        let place = self.0.iter().position(|(name, _)| *name == engine);
        place.unwrap_or(0) % STYLES
    }

    /// The engine's name as its authors write it.
    pub(super) fn title(&self, engine: &'a str) -> &'a str {
        let named = self.0.iter().find(|(name, _)| *name == engine);
        named.map_or(engine, |(_, title)| title)
    }
}

/// How many trials of `engine` count.
pub(super) fn counting(engine: &EngineResult) -> usize {
    engine.counting().count()
}

/// The engines of `target` of which a trial counts, with the estimate of the regions that a trial reached.
pub(super) fn sound(target: &TargetResult) -> Vec<(&EngineResult, Estimate)> {
    let engines = target.engines.iter();
    engines
        .filter(|engine| counting(engine) > 0)
        .filter_map(|engine| Some((engine, engine.regions?)))
        .collect()
}
