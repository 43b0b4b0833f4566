//! Some seeds of each target under Valgrind.

use std::fs;

use campaign::callgrind::count;
use campaign::corpus::files_in;
use campaign::project::Project;

use crate::tool::root;

#[test]
fn more_inputs_take_more_instructions_and_the_same_ones_the_same() {
    let project = Project::open(Some(&root())).unwrap();
    let worker = project.worker().unwrap();
    for target in project.fuzzed().unwrap() {
        let seeds = files_in(&project.seeds(&target.name)).unwrap();
        let tenth = seeds.len() / 10;
        let some: Vec<_> = seeds.into_iter().step_by(tenth.max(1)).take(10).collect();
        assert_eq!(some.len(), 10, "{}", target.name);
        let counts = [&some[..], &some[..], &some[..5]];
        let [all, again, half] = counts.map(|seeds| count(worker, &target.name, seeds).unwrap());
        assert!(half > 5 * 100 && all > half + 5 * 100, "{half}, {all}");
        // Addresses and the system's answers differ a little from run to run.
        assert!(all.abs_diff(again) < all / 100, "{all}, {again}");
    }
    let error = count(worker, "fuzz_measure_calc", &["nowhere".into()]).unwrap_err();
    let error = format!("{error:#}");
    assert!(error.starts_with("nowhere: "), "{error}");
    assert!(count(worker, "fuzz_measure_calc", &[]).is_err());
}

#[test]
fn an_input_that_fails_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let (worker, input) = (folder.path().join("worker"), folder.path().join("input"));
    let fails = "run() { fails calc.x invariant '\"part\":{\"name\":\"calculator\"}'; }\n";
    crate::stand_in::write_worker(&worker, fails);
    fs::write(&input, "x").unwrap();
    let error = count(&worker, "fuzz_x", &[input]).unwrap_err().to_string();
    assert!(error.contains("check failed: calc.x"), "{error}");
}
