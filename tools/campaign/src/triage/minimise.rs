//! Making a failing input smaller and simpler while it fails in the same way.
//!
//! Delta debugging (Zeller and Hildebrandt, 2002), in passes: parts are removed, from the end on, parts are set to
//! zero, single bytes are brought nearer to zero. The passes are repeated until a whole round changes nothing.
//! Removing parts alone is not enough: in an input of fixed places it changes the meaning of every later byte.
//!
//! It is deterministic as long as the time does not end it: the same input, the same verdicts and the
//! same number of tries give the same result.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::Result;

/// The values of a byte that are tried one by one: what picks a format or an option is that small.
const SMALLEST: u8 = 7;

/// How much a minimisation may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// The most candidates that are tried.
    pub tries: usize,
    /// The longest that it may take; the candidate that is being tried is waited for.
    pub time: Duration,
}

/// What came of a minimisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Minimised {
    /// The smallest input that still fails.
    pub content: Vec<u8>,
    /// How many candidates were tried.
    pub tries: usize,
    /// Whether nothing more could be done; else the budget was used up, or it was interrupted.
    pub complete: bool,
}

/// Makes `start` smaller. `fails` returns whether a candidate fails in the way in which `start` does, or `None` to
/// stop here, with what was reached.
pub(crate) fn minimise(
    start: &[u8],
    budget: Budget,
    fails: &mut dyn FnMut(&[u8]) -> Result<Option<bool>>,
) -> Result<Minimised> {
    let mut search = Search {
        best: Minimised {
            content: start.to_vec(),
            tries: 0,
            complete: true,
        },
        most_tries: budget.tries,
        until: Instant::now() + budget.time,
        fails,
    };
    loop {
        let before = search.best.content.clone();
        search.in_parts(|best, at, end| Some([&best[..at], &best[end..]].concat()))?;
        search.in_parts(set_to_zero)?;
        search.simplify_bytes()?;
        if !search.best.complete || search.best.content == before {
            return Ok(search.best);
        }
    }
}

struct Search<'a> {
    best: Minimised,
    most_tries: usize,
    until: Instant,
    fails: &'a mut dyn FnMut(&[u8]) -> Result<Option<bool>>,
}

impl Search<'_> {
    /// Takes `candidate` for the best when it fails. It has to be simpler than the best, which is what
    /// ends the search.
    fn try_this(&mut self, candidate: Vec<u8>) -> Result<bool> {
        let best = &mut self.best;
        best.complete &= best.tries < self.most_tries && Instant::now() < self.until;
        if !best.complete {
            return Ok(false);
        }
        best.tries += 1;
        let fails = (self.fails)(&candidate)?;
        best.complete = fails.is_some();
        let is_simpler = fails == Some(true);
        if is_simpler {
            best.content = candidate;
        }
        Ok(is_simpler)
    }

    /// Tries `change` on every part, in halves first and in single bytes at last. From the end, so that
    /// what is before a part taken out keeps its place.
    fn in_parts(&mut self, change: fn(&[u8], usize, usize) -> Option<Vec<u8>>) -> Result<()> {
        let mut part = self.best.content.len().div_ceil(2).next_power_of_two();
        while part > 0 && self.best.complete {
            let mut end = self.best.content.len();
            while end > 0 && self.best.complete {
                let at = end.saturating_sub(part);
                if let Some(candidate) = change(&self.best.content, at, end) {
                    self.try_this(candidate)?;
                }
                end = at;
            }
            part /= 2;
        }
        Ok(())
    }

    /// Brings bytes nearer to zero: the smallest, which pick from lists, then a bit less, or one less.
    fn simplify_bytes(&mut self) -> Result<()> {
        for at in 0..self.best.content.len() {
            while self.simplify_byte(at)? {}
        }
        Ok(())
    }

    fn simplify_byte(&mut self, at: usize) -> Result<bool> {
        let byte = self.best.content[at];
        let fewer_bits = (0..8).rev().map(|bit| byte & !(1 << bit));
        let simpler = (1..=SMALLEST).chain(fewer_bits).chain(byte.checked_sub(1));
        let mut tried = BTreeSet::new();
        for other in simpler.filter(|&other| other < byte && tried.insert(other)) {
            let mut candidate = self.best.content.clone();
            candidate[at] = other;
            if self.try_this(candidate)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn set_to_zero(best: &[u8], at: usize, end: usize) -> Option<Vec<u8>> {
    let mut zeroed = best.to_vec();
    zeroed[at..end].fill(0);
    (zeroed != best).then_some(zeroed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLENTY: Budget = Budget {
        tries: 100_000,
        time: Duration::from_secs(60),
    };

    fn to_the_end(start: &[u8], fails: impl Fn(&[u8]) -> bool) -> Minimised {
        let minimised = minimise(start, PLENTY, &mut |input| Ok(Some(fails(input)))).unwrap();
        assert!(minimised.complete && fails(&minimised.content));
        minimised
    }

    #[test]
    fn bytes_that_do_not_matter_are_removed() {
        let start: Vec<u8> = (0..=255).cycle().take(5000).collect();
        let both = |input: &[u8]| input.contains(&77) && input.contains(&200);
        let minimised = to_the_end(&start, both);
        assert_eq!(minimised.content.len(), 2);
        assert!(minimised.tries < 2000, "{}", minimised.tries);
        assert_eq!(minimised, to_the_end(&start, both), "it is deterministic");
        for start in [&b"anything"[..], b""] {
            assert!(to_the_end(start, |_| true).content.is_empty());
        }
    }

    #[test]
    fn an_input_of_fixed_places_keeps_its_places() {
        let start: Vec<u8> = (1..=80).collect();
        // 42 bytes at least; byte 0 picks what to do, bytes 6 to 13 are a number that must be large.
        let fails = |input: &[u8]| {
            input.len() >= 42
                && input[0] % 5 == 3
                && u64::from_le_bytes(input[6..14].try_into().unwrap()) >= 0x1_0000
        };
        let start = [&[8], &start[1..]].concat();
        let content = to_the_end(&start, fails).content;
        assert_eq!(content.len(), 42);
        assert_eq!(content[0], 3);
        assert_eq!(content[6..14].iter().max(), Some(&1));
        let others = content.iter().filter(|&&byte| byte != 0).count();
        assert_eq!(others, 2, "{content:?}");
    }

    #[test]
    fn it_costs_no_more_than_it_may_and_can_be_stopped() {
        let start = vec![9; 1000];
        let few = Budget { tries: 5, ..PLENTY };
        let minimised = minimise(&start, few, &mut |input| Ok(Some(input.len() > 400))).unwrap();
        assert_eq!((minimised.tries, minimised.complete), (5, false));
        assert!(minimised.content.len() > 400 && minimised.content.len() < 1000);

        let no_time = Budget {
            time: Duration::ZERO,
            ..PLENTY
        };
        for (budget, tries) in [(no_time, 0), (PLENTY, 1)] {
            let minimised = minimise(&start, budget, &mut |_| Ok(None)).unwrap();
            assert_eq!((minimised.tries, minimised.complete), (tries, false));
            assert_eq!(minimised.content, start);
        }
        let broken = minimise(&start, PLENTY, &mut |_| anyhow::bail!("no worker"));
        assert_eq!(broken.unwrap_err().to_string(), "no worker");
    }
}
