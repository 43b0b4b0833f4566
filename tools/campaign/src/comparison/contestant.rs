//! Who takes part in a comparison: an engine alone, as usual or in another configuration, or several together.

use std::collections::BTreeSet;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use worker::TargetInfo;

use crate::engine::session::Setup;
use crate::engine::{Engine, Sanitizer};

/// The name of several engines together.
const ENSEMBLE: &str = "ensemble";

/// An engine, or the ensemble: several engines at once, which take turns on one core and give each other what
/// they find.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "&'static str", try_from = "String")]
pub enum Contestant {
    /// One engine alone.
    Alone(Engine),
    /// AFL++ without CmpLog.
    NoCmplog,
    /// libFuzzer, guided by how close compared values are, too.
    ValueProfile,
    /// libFuzzer in a build with AddressSanitizer.
    Address,
    /// Those named beside it, when they are two or more; else all.
    Ensemble,
}

impl Contestant {
    /// All that there are.
    pub const ALL: [Self; 7] = [
        Self::Alone(Engine::Afl),
        Self::Alone(Engine::Libfuzzer),
        Self::Alone(Engine::Honggfuzz),
        Self::NoCmplog,
        Self::ValueProfile,
        Self::Address,
        Self::Ensemble,
    ];

    /// Each engine alone.
    pub const ENGINES: [Self; 3] = [Self::ALL[0], Self::ALL[1], Self::ALL[2]];

    /// The name on the command line, in folders and in JSON.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Alone(engine) => engine.name(),
            Self::NoCmplog => "afl+no-cmplog",
            Self::ValueProfile => "libfuzzer+value-profile",
            Self::Address => "libfuzzer+asan",
            Self::Ensemble => ENSEMBLE,
        }
    }

    /// The name in reports.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Alone(engine) => engine.title(),
            Self::NoCmplog => "AFL++ without CmpLog",
            Self::ValueProfile => "libFuzzer with value profile",
            Self::Address => "libFuzzer with AddressSanitizer",
            Self::Ensemble => ENSEMBLE,
        }
    }

    /// What differs from the engine as it usually runs; empty when nothing does.
    pub(crate) const fn configuration(self) -> &'static str {
        match self {
            Self::NoCmplog => {
                "-c -, on targets with compare tracing; elsewhere AFL++ has it anyway"
            }
            Self::ValueProfile => {
                "-use_value_profile=1, on targets with compare tracing; elsewhere it has nothing to profile"
            }
            Self::Address => "a build of nightly Rust with AddressSanitizer",
            Self::Alone(_) | Self::Ensemble => "",
        }
    }

    /// Whether it takes part on a target, or would be there what its engine is.
    pub fn takes_part(self, target: &TargetInfo) -> bool {
        target.compare_tracing || !matches!(self, Self::NoCmplog | Self::ValueProfile)
    }

    /// The sanitizer that its engines are built with.
    pub const fn sanitizer(self) -> Sanitizer {
        match self {
            Self::Address => Sanitizer::Address,
            _ => Sanitizer::None,
        }
    }

    /// The folder of its build for an engine: that of the engine, or one of its own.
    pub(crate) const fn build(self, engine: Engine) -> &'static str {
        match self {
            Self::Address => self.name(),
            _ => engine.name(),
        }
    }

    /// The setup with its configuration.
    pub fn configured(self, mut setup: Setup<'_>) -> Setup<'_> {
        setup.compare_tracing &= self != Self::NoCmplog;
        setup.value_profile = self == Self::ValueProfile;
        setup
    }

    /// Its engines, where it takes part beside `all`.
    pub fn engines(self, all: &[Self]) -> BTreeSet<Engine> {
        match self {
            Self::Alone(engine) => [engine].into(),
            Self::NoCmplog => [Engine::Afl].into(),
            Self::ValueProfile | Self::Address => [Engine::Libfuzzer].into(),
            Self::Ensemble => {
                let engines = all.iter().filter_map(|one| match one {
                    Self::Alone(engine) => Some(*engine),
                    _ => None,
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
        let mut all = Self::ALL.into_iter();
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
                let names = Contestant::ALL.map(Contestant::name).join(", ");
                format!("{error}; there are {names}, and `all` for each engine alone")
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
        // It has engines as they usually run.
        let more = parse("ensemble,honggfuzz,afl,afl+no-cmplog,libfuzzer+asan");
        assert_eq!(Contestant::Ensemble.engines(&more), engines);
        assert_eq!(super::engines(&two), engines);
        for text in ["ensemble", "afl,ensemble", "all,ensemble"] {
            let engines = Contestant::Ensemble.engines(&parse(text));
            assert_eq!(engines, Engine::ALL.into(), "{text}");
        }
    }

    #[test]
    fn contestants_are_their_names_and_there_are_no_others() {
        let all = parse("libfuzzer,libfuzzer+asan,ensemble");
        let text = serde_json::to_string(&all).unwrap();
        assert_eq!(text, "[\"libfuzzer\",\"libfuzzer+asan\",\"ensemble\"]");
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
