//! What an input did beside what it covered.

use built_in::SUBJECT;
use harness_core::project::trace;
use harness_core::targets;

fn events(target: &str, data: &[u8]) -> Vec<String> {
    trace(&SUBJECT, targets::find(target).unwrap(), data).1
}

#[test]
fn an_input_evaluates_checks_and_gets_an_answer_or_states_why_not() {
    let raw = events("fuzz_measure_calc", &[0; 42]);
    assert!(raw.contains(&"raw: full".to_owned()), "{raw:?}");
    let check = "evaluates calc.raw_covers_virtual_size".to_owned();
    assert!(raw.contains(&check), "{raw:?}");
    assert!(raw.is_sorted());
    let qcow2 = events("fuzz_measure_scan", &[0; 2000]);
    let refused = "a scan of qcow2: NotThisFormat".to_owned();
    assert!(qcow2.contains(&refused), "{qcow2:?}");

    // An input that is no case. In the same test, since evaluations are counted for the whole process.
    let short = events("fuzz_measure_calc", &[0; 41]);
    assert_eq!(short, ["rejected: shorter than 42 bytes"]);
}
