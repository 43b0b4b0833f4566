//! Sums of counters that show whether something was executed.
//!
//! Counters alone would not do: the compiler leaves out those that follow from others. An `else` is often
//! counted as "entered, less those who took the `if`".

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use anyhow::{Context, Result, ensure};
use llvm_profparser::coverage::{Counter, CounterType, ExprKind, FunctionRecordV3};

/// Counters by index, each with its factor, which is not 0.
pub(super) type Sum = BTreeMap<usize, i32>;

/// Numbered sums. Each is positive exactly when something was executed, and is how often.
#[derive(Debug, Default)]
pub(super) struct Probes {
    sums: Vec<Vec<(usize, i32)>>,
    /// For each counter the probes whose sum grows with it. No other probe can be positive.
    growing_with: Vec<Vec<usize>>,
}

impl FromIterator<Sum> for Probes {
    fn from_iter<I: IntoIterator<Item = Sum>>(sums: I) -> Self {
        let sums: Vec<Vec<_>> = sums.into_iter().map(Vec::from_iter).collect();
        let counters = sums.iter().flatten().map(|&(counter, _)| counter + 1).max();
        let mut growing_with = vec![Vec::new(); counters.unwrap_or(0)];
        for (probe, sum) in sums.iter().enumerate() {
            for &(counter, _) in sum.iter().filter(|&&(_, factor)| factor > 0) {
                growing_with[counter].push(probe);
            }
        }
        Self { sums, growing_with }
    }
}

impl Probes {
    /// The counters that the sums use, as ranges: ascending, and as few as possible.
    pub(super) fn counters(&self) -> Vec<Range<usize>> {
        let counters: BTreeSet<usize> = self.sums.iter().flatten().map(|term| term.0).collect();
        let mut ranges: Vec<Range<usize>> = Vec::new();
        for counter in counters {
            match ranges.last_mut() {
                Some(range) if range.end == counter => range.end += 1,
                _ => ranges.push(counter..counter + 1),
            }
        }
        ranges
    }
}

/// Finds the probes that an input reached. Made once and used for many inputs.
#[derive(Debug)]
pub(super) struct Evaluation<'a> {
    probes: &'a Probes,
    /// What each counter grew by in this input.
    growth: Vec<u64>,
    /// For each probe, the number of the input for which it was last evaluated.
    evaluated: Vec<u64>,
    inputs: u64,
    reached: Vec<(usize, u64)>,
}

impl<'a> Evaluation<'a> {
    pub(super) fn new(probes: &'a Probes) -> Self {
        Self {
            probes,
            growth: vec![0; probes.growing_with.len()],
            evaluated: vec![0; probes.sums.len()],
            inputs: 0,
            reached: Vec::new(),
        }
    }

    /// The probes that are positive when these counters grew so much, each with how often it was executed.
    /// Counters that no probe uses do not matter.
    ///
    /// With `returned` every function that was entered was left in the ordinary way. Otherwise only sums
    /// without a difference count: a function that was entered and not left looks as if it had taken the
    /// branch that has no counter of its own.
    pub(super) fn reached(&mut self, grown: &[(usize, u64)], returned: bool) -> &[(usize, u64)] {
        self.reached.clear();
        self.inputs += 1;
        let counters = self.growth.len();
        let known = grown.iter().filter(|grown| grown.0 < counters);
        for &(counter, by) in known.clone() {
            self.growth[counter] = by;
        }
        for &(counter, _) in known.clone() {
            for &probe in &self.probes.growing_with[counter] {
                if std::mem::replace(&mut self.evaluated[probe], self.inputs) == self.inputs {
                    continue;
                }
                let sum = &self.probes.sums[probe];
                // Counts of one input are far below 2^63: a sum that wraps would need 10^18 steps.
                let times = sum.iter().fold(0_i64, |times, &(counter, factor)| {
                    let growth = self.growth[counter] as i64;
                    growth.wrapping_mul(factor.into()).wrapping_add(times)
                });
                if times > 0 && (returned || sum.iter().all(|term| term.1 > 0)) {
                    self.reached.push((probe, times.unsigned_abs()));
                }
            }
        }
        for &(counter, _) in known {
            self.growth[counter] = 0;
        }
        &self.reached
    }
}

/// The sum for one counter of a function's map, over the function's own counters. `depth` is how many expressions
/// contain it.
pub(super) fn sum(function: &FunctionRecordV3, counter: Counter, depth: usize) -> Result<Sum> {
    match counter.kind {
        CounterType::Zero => return Ok(Sum::new()),
        CounterType::ProfileInstrumentation => {
            return Ok(Sum::from([(usize::try_from(counter.id)?, 1)]));
        }
        CounterType::Expression(_) => {}
    }
    let expressions = &function.expressions;
    ensure!(
        depth <= expressions.len(),
        "the coverage map has an expression that contains itself"
    );
    let expression = expressions
        .get(usize::try_from(counter.id)?)
        .context("the coverage map refers to an expression that it does not have")?;
    let sign = match expression.kind {
        ExprKind::Add => 1,
        ExprKind::Subtract => -1,
    };
    let mut result = sum(function, expression.lhs, depth + 1)?;
    for (counter, factor) in sum(function, expression.rhs, depth + 1)? {
        *result.entry(counter).or_default() += sign * factor;
    }
    result.retain(|_, factor| *factor != 0);
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An `if` in a function that counter 0 counts, which counter 2 counts, and its `else`.
    fn probes() -> Probes {
        let sums: [&[(usize, i32)]; 3] = [&[(0, 1)], &[(2, 1)], &[(0, 1), (2, -1)]];
        sums.map(|sum| sum.iter().copied().collect())
            .into_iter()
            .collect()
    }

    #[test]
    fn a_difference_is_reached_when_it_is_positive_and_the_input_came_to_its_end() {
        let probes = probes();
        let mut evaluation = Evaluation::new(&probes);
        let mut of = |grown: &[(usize, u64)]| evaluation.reached(grown, true).to_vec();
        assert_eq!(of(&[]), []);
        assert_eq!(of(&[(0, 1), (2, 1)]), [(0, 1), (1, 1)]);
        assert_eq!(of(&[(0, 9), (2, 5)]), [(0, 9), (2, 4), (1, 5)]);
        // Nothing is left of the input before, and other counters do no harm.
        assert_eq!(of(&[(0, 2), (1, 1), (700, 1)]), [(0, 2), (2, 2)]);
        assert_eq!(of(&[(2, 3)]), [(1, 3)]);
        assert_eq!(evaluation.reached(&[(0, 1)], false), [(0, 1)]);
        assert_eq!(evaluation.reached(&[(0, 1)], true), [(0, 1), (2, 1)]);
    }

    #[test]
    fn watched_counters_are_few_ranges() {
        assert_eq!(probes().counters(), [0..1, 2..3]);
        let sums = [[(4, 1), (5, -1)], [(3, 1), (9, 1)]];
        let probes: Probes = sums.map(Sum::from).into_iter().collect();
        assert_eq!(probes.counters(), [3..6, 9..10]);
        assert!(Probes::default().counters().is_empty());
    }
}
