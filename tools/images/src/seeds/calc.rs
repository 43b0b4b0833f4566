//! The inputs of `fuzz_measure_calc`: every format, every option, sizes up to the limits.
//!
//! Each has an answer; where the limits are is shown by the largest disk that has one.

use anyhow::{Context as _, Error, Result, ensure};
use built_in::SUBJECT;
use harness_core::calc::CalcCase;
use shared::AllocationSummary;

use super::Seed;
use crate::calc_input::CalcInput;
use crate::format::FormatRef;
use crate::{formats, quantity};

/// Every seed of `fuzz_measure_calc`. Fails when one of them has no answer: a fault of a format's table or of a
/// calculator.
pub(crate) fn seeds() -> Result<Vec<Seed>> {
    let mut seeds = Vec::new();
    for format in formats::ALL {
        let lines = format.calc_seeds.lines();
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
            seeds.push(seed(format, line).with_context(|| format!("the seed {line}"))?);
        }
    }
    Ok(seeds)
}

/// The seed of a line: its name, then `field=value` for each field that is not as usual.
fn seed(format: FormatRef, line: &str) -> Result<Seed> {
    let usual = AllocationSummary::new(1 << 30, 100 << 20);
    let mut input = CalcInput::new(&format.driver.defaults(), &usual);
    let (name, fields) = line.split_once(' ').unwrap_or((line, ""));
    for field in fields.split_whitespace() {
        let set = field.split_once('=').and_then(|(field, value)| {
            let value = quantity::parse(value).ok()?;
            input.set(field, value)
        });
        set.with_context(|| format!("{field}: expected a field and its value"))?;
    }
    let input = input.bytes();
    let case = CalcCase::decode(&input).map_err(Error::msg)?;
    let answer = case.ask(SUBJECT.calculators);
    ensure!(answer.is_ok(), "it has no answer: {answer:?}");
    let name = name.to_owned();
    Ok(Seed { name, input })
}

/// Whether two inputs are the same case.
pub(crate) fn same_case(one: &[u8], other: &[u8]) -> bool {
    CalcCase::decode(one).is_ok_and(|case| Ok(case) == CalcCase::decode(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_all_different() {
        let seeds = seeds().unwrap();
        for (nth, seed) in seeds.iter().enumerate() {
            let mut before = seeds[..nth].iter();
            let twin = before.find(|other| same_case(&other.input, &seed.input));
            assert_eq!(twin, None, "{}", seed.name);
        }
    }
}
