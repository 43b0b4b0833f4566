//! What a subject is held to.
//!
//! A subject states it. The environment may replace it: [`JUDGE_VARIABLE`](worker::protocol::JUDGE_VARIABLE) has names
//! of [`Judgement::ASPECTS`] with commas between them, or `all`. Values are always judged. A check that is not judged is
//! not evaluated, and a worker does not list it.

use worker::target::{SOUND_REFUSED, UNSOUND_TAKEN};
use worker::{Check, Layer, Outcome};

use crate::check;

/// A set of aspects. A panic, an abort and a hang are findings under every judgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judgement(u8);

impl Judgement {
    /// Answers that are given are right.
    pub const VALUES: Self = Self(1);
    /// What is sound is not refused.
    pub const REFUSALS: Self = Self(2);
    /// What is unsound is refused.
    pub const ACCEPTS: Self = Self(4);
    /// The work is bounded.
    pub const WORK: Self = Self(8);
    /// An error is of the right kind.
    pub const KINDS: Self = Self(16);
    /// What only the deeper traits answer is right: states, caches, sectors, counters, facts and units.
    pub const DETAILS: Self = Self(32);
    /// The memory is bounded, where it is [counted](worker::count_memory).
    pub const MEMORY: Self = Self(64);
    /// What is read is right, where a library [reads](crate::Library::with_read).
    pub const CONTENT: Self = Self(128);
    /// Everything.
    pub const ALL: Self = Self(255);

    /// Each aspect with its name, in the order in which a new subject takes them on.
    pub const ASPECTS: [(&str, Self); 8] = [
        ("values", Self::VALUES),
        ("refusals", Self::REFUSALS),
        ("accepts", Self::ACCEPTS),
        ("work", Self::WORK),
        ("memory", Self::MEMORY),
        ("content", Self::CONTENT),
        ("kinds", Self::KINDS),
        ("details", Self::DETAILS),
    ];

    /// Whether it has one of the aspects of `other`.
    #[inline(always)]
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The aspects of either.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The aspects that are in both.
    #[must_use]
    pub const fn within(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The aspects that are not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Reads names with commas between them, or `all`. Values are among them in any case.
    ///
    /// # Errors
    /// Which name is unknown, and which there are.
    pub fn parse(names: &str) -> Result<Self, String> {
        if names.trim() == "all" {
            return Ok(Self::ALL);
        }
        names.split(',').try_fold(Self::VALUES, |all, name| {
            let known = Self::ASPECTS.iter();
            let aspect = known.clone().find(|(known, _)| *known == name.trim());
            aspect.map(|&(_, aspect)| all.and(aspect)).ok_or_else(|| {
                let names: Vec<&str> = known.map(|(name, _)| *name).collect();
                format!("{name:?} is nothing to judge: all, {}", names.join(", "))
            })
        })
    }

    /// The names of its aspects.
    pub(crate) fn names(self) -> Vec<&'static str> {
        let aspects = Self::ASPECTS.into_iter();
        let aspects = aspects.filter(|(_, aspect)| self.has(*aspect));
        aspects.map(|(name, _)| name).collect()
    }

    /// Whether a pair of answers is judged: is there an answer, and is one due?
    #[inline(always)]
    pub(crate) const fn judges(self, is_given: bool, is_due: bool) -> bool {
        self.has(match (is_given, is_due) {
            (true, true) => Self::VALUES,
            (true, false) => Self::ACCEPTS,
            (false, true) => Self::REFUSALS,
            (false, false) => Self::KINDS,
        })
    }

    /// What became of an input whose answer is judged, or is not: nothing was shown by an answer to what is unsound,
    /// nor by none to what is sound.
    #[inline(always)]
    pub(crate) fn outcome(self, is_given: bool, is_due: bool) -> Outcome {
        if is_given == is_due || self.judges(is_given, is_due) {
            return Outcome::Checked;
        }
        let feature = if is_given {
            UNSOUND_TAKEN
        } else {
            SOUND_REFUSED
        };
        Outcome::NotJudged(feature.to_owned())
    }

    /// Whether a check is ever evaluated.
    pub(crate) fn evaluates(self, check: &Check) -> bool {
        self.has(aspects_of(check))
    }
}

/// The aspects under each of which a check is evaluated.
fn aspects_of(check: &Check) -> Judgement {
    const ANSWERS: Judgement = Judgement::ALL
        .without(Judgement::WORK)
        .without(Judgement::MEMORY)
        .without(Judgement::CONTENT)
        .without(Judgement::DETAILS);
    let is_one_of = |checks: &[&Check]| checks.iter().any(|one| one.id == check.id);
    let apart: [(&[&Check], Judgement); 4] = [
        (&check::DETAILS, Judgement::DETAILS),
        (&check::IMPOSSIBLE, Judgement::ACCEPTS),
        (&[&check::MEMORY], Judgement::MEMORY),
        (&[&check::CONTENT, &check::CIPHERTEXT], Judgement::CONTENT),
    ];
    if let Some((_, aspect)) = apart.iter().find(|(checks, _)| is_one_of(checks)) {
        return *aspect;
    }
    match check.layer {
        Layer::Work => Judgement::WORK,
        Layer::Exact | Layer::Truth => ANSWERS,
        Layer::Composition => Judgement::VALUES.and(Judgement::REFUSALS),
        Layer::NoCrash | Layer::Invariant | Layer::Metamorphic | Layer::Fault => Judgement::VALUES,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_unknown_ones_are_listed() {
        let all = Judgement::ASPECTS.map(|(name, _)| name).join(", ");
        assert_eq!(Judgement::parse(&all), Ok(Judgement::ALL));
        assert_eq!(Judgement::parse("all"), Ok(Judgement::ALL));
        assert_eq!(Judgement::ALL.names().join(", "), all);
        let work = Judgement::parse("work").unwrap();
        assert_eq!(work, Judgement::WORK.and(Judgement::VALUES));
        let why = Judgement::parse("values,speed").unwrap_err();
        assert!(why.contains("\"speed\"") && why.contains(&all), "{why}");
    }

    #[test]
    fn each_aspect_has_checks_of_its_own() {
        let count = |judgement: Judgement| {
            let apart = [&check::MEMORY, &check::CONTENT, &check::CIPHERTEXT];
            let checks = check::ALL.iter().copied().chain(apart);
            checks.filter(|check| judgement.evaluates(check)).count()
        };
        assert_eq!(count(Judgement::ALL), check::ALL.len() + 3);
        for (name, aspect) in Judgement::ASPECTS {
            assert!((1..check::ALL.len()).contains(&count(aspect)), "{name}");
        }
        assert_eq!(count(Judgement::WORK), 3);
        assert_eq!(count(Judgement::DETAILS), check::DETAILS.len());
    }
}
