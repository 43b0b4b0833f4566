//! Values that were seen, by what they are of.

use std::collections::BTreeMap;
use std::fmt::Debug;

/// Values that were seen, and how many different ones there must be.
#[derive(Default)]
pub(crate) struct Reach {
    seen: BTreeMap<&'static str, BTreeMap<String, u64>>,
    expected: BTreeMap<&'static str, usize>,
}

impl Reach {
    /// Notes a value.
    pub(crate) fn note(&mut self, knob: &'static str, value: impl Debug) {
        let values = self.seen.entry(knob).or_default();
        *values.entry(format!("{value:?}")).or_default() += 1;
    }

    /// Notes a value of a knob, which must have had `values` different ones in the end.
    pub(crate) fn knob(&mut self, knob: &'static str, value: impl Debug, values: usize) {
        self.note(knob, value);
        self.expected.insert(knob, values);
    }

    /// Every knob must have had as many values as it has.
    pub(crate) fn conclude(&self) {
        for (knob, &values) in &self.expected {
            let seen = self.values(knob);
            assert_eq!(seen, values, "values of {knob}: {:?}", self.seen.get(knob));
        }
    }

    /// How many different values were seen.
    pub(crate) fn values(&self, knob: &str) -> usize {
        self.seen.get(knob).map_or(0, BTreeMap::len)
    }

    /// How often a value was seen.
    pub(crate) fn count(&self, knob: &str, value: impl Debug) -> u64 {
        let value = format!("{value:?}");
        let seen = self.seen.get(knob).and_then(|values| values.get(&value));
        seen.copied().unwrap_or(0)
    }

    /// These values must have been seen, among others.
    #[track_caller]
    pub(crate) fn assert_all(&self, knob: &str, values: impl IntoIterator<Item = impl Debug>) {
        for value in values {
            assert!(self.count(knob, &value) > 0, "{knob} was never {value:?}");
        }
    }
}

/// Notes fields of a struct under their names, each with how many values it has.
macro_rules! knobs {
    ($reach:expr, $of:expr, $($field:ident: $values:expr),+ $(,)?) => {
        $($reach.knob(stringify!($field), &$of.$field, $values);)+
    };
}
pub(crate) use knobs;
