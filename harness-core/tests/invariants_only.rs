//! With only the invariants switched on, no other check fails. A process of its own: the switch is one
//! way.

use harness_core::calc::CalcCase;
use harness_core::check::{self, Checks, Layer};

#[test]
fn an_invariant_fails_and_no_other_check_does() {
    let case = CalcCase::decode(&[0; 42]).unwrap();
    let fails = |check: &'static check::Check| {
        std::panic::catch_unwind(|| {
            let mut checks = Checks::default();
            checks.evaluate(check, false);
            checks.conclude(&case, || "a test".to_owned());
        })
        .is_err()
    };
    assert!(check::ALL.iter().all(|check| fails(check)));
    check::only_invariants();
    for check in check::ALL {
        let before = check.evaluations();
        let invariant = check.layer == Layer::Invariant;
        assert_eq!(fails(check), invariant, "{}", check.id);
        assert_eq!(check.evaluations(), before + 1);
    }
}
