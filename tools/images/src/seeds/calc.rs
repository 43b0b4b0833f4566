//! The inputs of `fuzz_measure_calc`: every format, every option, sizes up to the limits.
//!
//! Each has an answer; where the limits are is shown by the largest disk that has one.

use anyhow::{Result, anyhow, ensure};
use built_in::SUBJECT;
use harness_core::calc::CalcCase;

use super::Seed;
use crate::calc_input::CalcSeed;
use crate::formats;

/// Every seed of `fuzz_measure_calc`.
///
/// # Errors
/// When one of them has no answer: a fault of this list or of a calculator.
pub fn seeds() -> Result<Vec<Seed>> {
    let mut all = Vec::new();
    for format in formats::ALL {
        format.calc_seeds(&mut all);
        of_defaults(&CalcSeed::new(format.name(), format.defaults()), &mut all);
    }
    all.into_iter()
        .map(|seed| {
            let name = &seed.name;
            let fields = formats::of_options(&seed.options).fields(&seed.options);
            let input = seed.encode(&fields);
            let case = CalcCase::decode(&input).map_err(|why| anyhow!("the seed {name}: {why}"))?;
            let answer = case.ask(SUBJECT.calculators);
            ensure!(
                case.options == seed.options
                    && case.summary.virtual_size == seed.summary.virtual_size
                    && answer.is_ok(),
                "the seed {name} has no answer: {answer:?}"
            );
            Ok(Seed {
                name: seed.name,
                input,
            })
        })
        .collect()
}

/// Sizes from the decoder's tables, and a second question.
fn of_defaults(plain: &CalcSeed, all: &mut Vec<CalcSeed>) {
    let named = |what: &str| CalcSeed {
        name: format!("{}-{what}", plain.name),
        ..plain.clone()
    };
    all.push(CalcSeed {
        from_tables: true,
        ..named("sizes-from-tables").disk(1 << 40, 123 << 20)
    });
    for (what, probe) in [
        ("asked-twice", (1, 0)),
        ("and-a-larger-disk", (2, (3 << 30) + 512)),
        ("and-more-data", (3, 77 << 20)),
    ] {
        all.push(CalcSeed {
            probe,
            ..named(what)
        });
    }
}

/// Whether two inputs are the same case.
#[must_use]
pub fn same_case(one: &[u8], other: &[u8]) -> bool {
    CalcCase::decode(one).is_ok_and(|case| Ok(case) == CalcCase::decode(other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_and_cases_are_all_different_and_every_format_is_there() {
        let seeds = seeds().unwrap();
        let names: BTreeSet<_> = seeds.iter().map(|seed| &seed.name).collect();
        assert_eq!(names.len(), seeds.len());
        for format in formats::ALL {
            let is_of = |seed: &&Seed| {
                let case = CalcCase::decode(&seed.input).unwrap();
                formats::of_options(&case.options) == format
            };
            assert!(seeds.iter().filter(is_of).count() >= 5, "{format}");
        }
        for (nth, seed) in seeds.iter().enumerate() {
            let twin = seeds[..nth]
                .iter()
                .find(|other| same_case(&other.input, &seed.input));
            assert_eq!(twin, None, "{}", seed.name);
        }
    }
}
