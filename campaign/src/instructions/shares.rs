//! Every instruction to its area, those of libraries by who calls them.

use std::collections::HashMap;

use anyhow::Result;

use super::areas::Area;
use super::profile::{Function, Profile};

/// How often shares are passed on: more than calls are deep in any profile, so that what is left over is
/// from cycles that are hardly ever entered.
const PASSES: usize = 200;

/// Instructions by area, in order of [`Area::ALL`].
pub type ByArea = [f64; Area::ALL.len()];

/// How many instructions each area executed.
///
/// `area_of` tells the area of an address in an object. A function's instructions without an area go to
/// the areas of the places that it was called from, in proportion to what those calls did in all. That is
/// exact for a function that calls nothing (copying memory, allocating it), and an estimate for the few
/// that call back. What nobody calls goes to the checks and the rest.
///
/// # Errors
/// What `area_of` answers.
pub fn shares(
    profile: &Profile,
    mut area_of: impl FnMut(&Function, u64) -> Result<Option<Area>>,
) -> Result<ByArea> {
    let mut by_area = ByArea::default();
    let mut unclaimed = vec![0_u64; profile.functions.len()];
    for cost in &profile.costs {
        match area_of(&profile.functions[cost.function], cost.address)? {
            Some(area) => by_area[area.index()] += float(cost.instructions),
            None => unclaimed[cost.function] += cost.instructions,
        }
    }
    let uses = Uses::of(profile, &mut area_of)?;
    for (share, unclaimed) in uses.shares().iter().zip(unclaimed) {
        for (sum, part) in by_area.iter_mut().zip(share) {
            *sum += part * float(unclaimed);
        }
    }
    Ok(by_area)
}

/// Who uses each function.
struct Uses {
    /// By function: the weight of each area that calls it.
    by_areas: Vec<ByArea>,
    /// By function: the functions without an area that call it, with their weights.
    by_functions: Vec<HashMap<usize, f64>>,
}

impl Uses {
    fn of(
        profile: &Profile,
        area_of: &mut impl FnMut(&Function, u64) -> Result<Option<Area>>,
    ) -> Result<Self> {
        let mut uses = Self {
            by_areas: vec![ByArea::default(); profile.functions.len()],
            by_functions: vec![HashMap::new(); profile.functions.len()],
        };
        for call in &profile.calls {
            let weight = float(call.instructions);
            match area_of(&profile.functions[call.caller], call.address)? {
                Some(area) => uses.by_areas[call.callee][area.index()] += weight,
                // A function that calls itself says nothing of who uses it.
                None if call.caller == call.callee => {}
                None => {
                    *uses.by_functions[call.callee]
                        .entry(call.caller)
                        .or_default() += weight;
                }
            }
        }
        Ok(uses)
    }

    /// By function: the part of it that each area uses, which add up to 1.
    fn shares(&self) -> Vec<ByArea> {
        let mut nobody = ByArea::default();
        nobody[Area::Checks.index()] = 1.0;
        let mut shares = vec![nobody; self.by_areas.len()];
        for _ in 0..PASSES {
            shares = (0..shares.len())
                .map(|function| self.share(function, &shares).unwrap_or(nobody))
                .collect();
        }
        shares
    }

    /// The share of one function by those of its callers; `None` when it has none.
    fn share(&self, function: usize, shares: &[ByArea]) -> Option<ByArea> {
        let mut share = self.by_areas[function];
        for (&caller, weight) in &self.by_functions[function] {
            for (sum, part) in share.iter_mut().zip(shares[caller]) {
                *sum += weight * part;
            }
        }
        let sum: f64 = share.iter().sum();
        (sum > 0.0).then(|| share.map(|part| part / sum))
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "a count of instructions, far below 2^53"
)]
fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instructions::profile::parse;

    /// Functions by name; addresses 0x100 and up are the model's, 0x200 and up those of the code under
    /// test, others nobody's.
    fn shares_of(lines: &str) -> ByArea {
        let profile = parse(&format!(
            "positions: instr line\nevents: Ir\nob=worker\n{lines}"
        ))
        .unwrap();
        let area_of = |_: &Function, address: u64| {
            Ok(match address >> 8 {
                1 => Some(Area::Model),
                2 => Some(Area::CodeUnderTest),
                _ => None,
            })
        };
        shares(&profile, area_of).unwrap()
    }

    #[test]
    fn what_has_an_area_counts_there_whichever_function_it_is_in() {
        let by_area = shares_of("fn=a\n0x100 1 30\n0x200 1 12\ntotals: 42\n");
        assert_eq!(by_area, [0.0, 30.0, 12.0, 0.0, 0.0]);
    }

    #[test]
    fn a_library_counts_for_those_who_call_it() {
        // `memcpy` is called by the model and by the code under test, by the latter through `to_vec`.
        let by_area = shares_of(
            "fn=model\n0x100 1 5\ncfn=memcpy\ncalls=1 0x10 1\n0x101 1 60\n\
             fn=scanner\n0x200 1 7\ncfn=to_vec\ncalls=1 0x20 1\n0x201 1 28\n\
             fn=to_vec\n0x20 1 8\ncfn=memcpy\ncalls=1 0x10 1\n0x21 1 20\n\
             fn=memcpy\n0x10 1 80\ntotals: 100\n",
        );
        assert_eq!(by_area, [0.0, 65.0, 35.0, 0.0, 0.0]);
    }

    #[test]
    fn calls_in_a_circle_come_from_outside_of_it() {
        let by_area = shares_of(
            "fn=model\n0x100 1 1\ncfn=sort\ncalls=1 0x10 1\n0x101 1 50\n\
             fn=sort\n0x10 1 30\ncfn=sort\ncalls=1 0x10 1\n0x11 1 25\ncfn=heap\ncalls=1 0x20 1\n0x12 1 20\n\
             fn=heap\n0x20 1 20\ncfn=sort\ncalls=1 0x10 1\n0x21 1 10\ntotals: 51\n",
        );
        assert!(
            (by_area[Area::Model.index()] - 51.0).abs() < 1e-6,
            "{by_area:?}"
        );
    }

    #[test]
    fn what_nobody_calls_is_the_rest() {
        let by_area = shares_of("fn=start\n0x10 1 9\ntotals: 9\n");
        assert_eq!(by_area, [0.0, 0.0, 0.0, 0.0, 9.0]);
    }
}
