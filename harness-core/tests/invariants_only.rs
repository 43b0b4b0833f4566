//! With only the invariants switched on, no other check fails. A process of its own: the switch is one
//! way.

use harness_core::calc::CalcCase;
use harness_core::check;
use worker::serve::mute_all_but_invariants;
use worker::{Check, Checks, Layer};

#[test]
fn an_invariant_fails_and_no_other_check_does() {
    let case = CalcCase::decode(&[0; 42]).unwrap();
    let fails = |check: &'static Check| {
        std::panic::catch_unwind(|| {
            let mut checks = Checks::default();
            checks.evaluate(check, false);
            checks.conclude(&case, |violation| violation);
        })
        .is_err()
    };
    assert!(check::ALL.iter().all(|check| fails(check)));
    mute_all_but_invariants(check::ALL);
    for check in check::ALL {
        let before = check.evaluations();
        let invariant = matches!(check.layer, Layer::Invariant | Layer::Work);
        assert_eq!(fails(check), invariant, "{}", check.id);
        assert_eq!(check.evaluations(), before + 1);
    }
}
