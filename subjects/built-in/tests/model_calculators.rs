//! The reference calculators against the built-in ones: the same answers and the same errors, on a fixed stream of
//! inputs of `fuzz_measure_calc` that reaches every kind of answer of every format.

use std::collections::BTreeMap;

use built_in::{BuiltIn, fuzz_measure_calc};
use fastrand::Rng;
use harness_core::calc::{CalcCase, MAX_INPUT};
use harness_core::check;
use harness_core::subject::Calculators as _;
use model::calculators::measure;
use types::{AllocationSummary, Options, VhdOpts, VhdSubformat};

const INPUTS: u64 = 8_000_000;

#[test]
fn the_same_answers_and_the_same_errors() {
    let mut random = Rng::with_seed(2026);
    let mut seen: BTreeMap<_, u64> = BTreeMap::new();
    for nth in 0..INPUTS {
        let mut bytes = [0; MAX_INPUT];
        random.fill(&mut bytes);
        if nth % 4 != 0 {
            // Mostly sizes and options that formats have, and a second question close to the first.
            bytes[42] |= 15;
            bytes[63..].fill(0);
        }
        if nth % 3 == 0 {
            // Not one of the sizes at which answers change, but one of any magnitude.
            bytes[42] &= !2;
            let size = random.u64(..) >> random.u32(..64);
            bytes[6..14].copy_from_slice(&size.to_le_bytes());
        }
        if nth % 64 == 0 {
            // Counted in units of no bytes.
            bytes[42] |= 0x30;
            bytes[51..59].fill(0);
        }
        // Compares the answers, and relates them to the second question's.
        fuzz_measure_calc(&bytes);
        let case = CalcCase::decode(&bytes).expect("an input of the full length is a case");
        let answer = measure(&case.summary, &case.options);
        assert_eq!(answer, BuiltIn.measure(&case.summary, &case.options));
        let subformat = match case.options {
            Options::Vmdk(opts) => opts.subformat as usize,
            Options::Vhd(opts) => opts.subformat as usize,
            _ => 0,
        };
        let kind = answer.err().map(|error| format!("{error:?}"));
        *seen
            .entry((case.options.name(), subformat, kind))
            .or_default() += 1;
    }
    let checks = check::ALL
        .iter()
        .filter(|check| check.id.starts_with("calc."));
    for check in checks {
        let times = check.evaluations();
        assert!(times > 1000, "{} was evaluated {times} times", check.id);
    }
    for (kind, count) in &seen {
        println!("{kind:?}: {count}");
    }
    assert!(seen.values().all(|&count| count >= 500));
    // Of eight formats and subformats each answers, and refuses options and sizes. Numbers do not fit with raw, qcow2
    // and flat VMDK; the limits of the others are far below that. Raw refuses no options but the unit 0.
    assert_eq!(seen.len(), 8 * 3 + 3, "{seen:#?}");
}

/// All sizes and all units, sector by sector, where the answers of a small format change most often; and sizes near
/// whole cylinders of any geometry.
#[test]
fn the_same_answers_around_every_cylinder() {
    let options = Options::Vhd(VhdOpts {
        subformat: VhdSubformat::Fixed,
        ..VhdOpts::default()
    });
    let mut random = Rng::with_seed(1);
    let near_cylinders = (0..500_000).map(|_| {
        let cylinder = random
            .choice([68, 85, 187, 272, 496, 1008, 4080])
            .expect("one");
        let most = 65_537 >> random.u32(..16);
        let sectors = cylinder * random.u64(..most);
        (sectors + random.u64(..9)).saturating_sub(4)
    });
    for sectors in (0..520_000).chain(near_cylinders) {
        let summary = AllocationSummary::new(sectors * 512, 0);
        let answer = measure(&summary, &options);
        assert_eq!(
            answer,
            BuiltIn.measure(&summary, &options),
            "{sectors} sectors"
        );
    }
}
