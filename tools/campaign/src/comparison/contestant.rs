//! Who takes part in a comparison: an engine alone, or several together.

use std::collections::BTreeSet;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::engine::Engine;

/// The name of several engines together.
const ENSEMBLE: &str = "ensemble";

/// An engine, or the ensemble: several engines at once, which take turns on one core and give each other what
/// they find.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "&'static str", try_from = "String")]
pub enum Contestant {
    /// One engine alone.
    Alone(Engine),
    /// Those named beside it, when they are two or more; else all.
    Ensemble,
}

impl Contestant {
    /// Each engine alone.
    pub const ENGINES: [Self; 3] = [
        Self::Alone(Engine::Afl),
        Self::Alone(Engine::Libfuzzer),
        Self::Alone(Engine::Honggfuzz),
    ];

    /// The name on the command line, in folders and in JSON.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Alone(engine) => engine.name(),
            Self::Ensemble => ENSEMBLE,
        }
    }

    /// The name in reports.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Alone(engine) => engine.title(),
            Self::Ensemble => ENSEMBLE,
        }
    }

    /// Its engines, where it takes part beside `all`.
    pub fn engines(self, all: &[Self]) -> BTreeSet<Engine> {
        match self {
            Self::Alone(engine) => [engine].into(),
            Self::Ensemble => {
                let engines = all.iter().filter_map(|one| match one {
                    Self::Alone(engine) => Some(*engine),
                    Self::Ensemble => None,
                });
                let alone: BTreeSet<Engine> = engines.collect();
                if alone.len() < 2 {
                    return Engine::ALL.into();
                }
                alone
            }
        }
    }
}

/// The engines of `all` contestants.
pub fn engines(all: &[Contestant]) -> BTreeSet<Engine> {
    all.iter().flat_map(|one| one.engines(all)).collect()
}

impl std::fmt::Display for Contestant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl From<Contestant> for &'static str {
    fn from(contestant: Contestant) -> Self {
        contestant.name()
    }
}

impl TryFrom<String> for Contestant {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let mut all = Self::ENGINES.into_iter().chain([Self::Ensemble]);
        all.find(|one| one.name() == name)
            .ok_or_else(|| format!("no engine is called {name:?}"))
    }
}

/// Several contestants, as a command line names them, each once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contestants(pub BTreeSet<Contestant>);

impl FromStr for Contestants {
    type Err = String;

    /// Names with commas between them. `all` stands for each engine alone.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut all = BTreeSet::new();
        for name in text.split(',') {
            if name == "all" {
                all.extend(Contestant::ENGINES);
                continue;
            }
            all.insert(Contestant::try_from(name.to_owned()).map_err(|error| {
                let names = Engine::ALL.map(Engine::name).join(", ");
                format!("{error}; there are {names}, {ENSEMBLE}, and `all` for each engine alone")
            })?);
        }
        Ok(Self(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Vec<Contestant> {
        let set: Contestants = text.parse().unwrap();
        set.0.into_iter().collect()
    }

    #[test]
    fn the_ensemble_has_the_engines_named_beside_it() {
        assert_eq!(parse("all"), Contestant::ENGINES);
        let two = parse("ensemble,honggfuzz,afl,afl");
        assert_eq!(two.len(), 3);
        let engines = [Engine::Afl, Engine::Honggfuzz].into();
        assert_eq!(Contestant::Ensemble.engines(&two), engines);
        assert_eq!(super::engines(&two), engines);
        for text in ["ensemble", "afl,ensemble", "all,ensemble"] {
            let engines = Contestant::Ensemble.engines(&parse(text));
            assert_eq!(engines, Engine::ALL.into(), "{text}");
        }
    }

    #[test]
    fn contestants_are_their_names_and_there_are_no_others() {
        let all = parse("libfuzzer,ensemble");
        let text = serde_json::to_string(&all).unwrap();
        assert_eq!(text, "[\"libfuzzer\",\"ensemble\"]");
        assert_eq!(serde_json::from_str::<Vec<Contestant>>(&text).unwrap(), all);
        assert!(serde_json::from_str::<Contestant>("\"klee\"").is_err());
        let error = "afl,klee".parse::<Contestants>().unwrap_err();
        assert!(
            error.contains("klee") && error.contains("ensemble"),
            "{error}"
        );
        assert!("".parse::<Contestants>().is_err());
    }
}
