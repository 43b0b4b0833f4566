//! Ten seeds of each target under Valgrind: every part of the harness has its share, and nothing is lost.

use std::path::Path;

use campaign::corpus::files_in;
use campaign::instructions::areas::Area;
use campaign::instructions::count;
use campaign::project::Project;
use campaign::replay::build_worker;
use harness_core::TARGETS;

#[test]
fn every_part_has_its_share_of_the_instructions() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let project = Project::open(Some(&root)).unwrap();
    let worker = build_worker(&project).unwrap();
    for target in TARGETS.iter().filter(|target| !target.is_baseline) {
        let seeds = files_in(&project.seeds(target)).unwrap();
        let tenth = seeds.len() / 10;
        let some: Vec<_> = seeds.into_iter().step_by(tenth.max(1)).take(10).collect();
        assert_eq!(some.len(), 10, "{}", target.name);
        let counted = count(&worker, target.name, &some).unwrap();

        assert_eq!(counted.inputs, 10);
        #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
        let total = counted.total as f64;
        let sum: f64 = counted.by_area.iter().sum();
        assert!((sum - total).abs() < 1.0, "{sum} of {total}");
        assert!(
            total > 10.0 * 100.0,
            "{total} for ten inputs of {}",
            target.name
        );
        for area in Area::ALL {
            let share = counted.by_area[area.index()] / total;
            // The calculators read no device.
            let is_used = area != Area::Device || target.name != "fuzz_measure_calc";
            assert_eq!(
                share > 0.001,
                is_used,
                "{area:?} of {}: {share}",
                target.name
            );
        }
    }
}

#[test]
fn an_input_that_does_not_exist_is_no_count() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let worker = build_worker(&Project::open(Some(&root)).unwrap()).unwrap();
    let error = count(&worker, "fuzz_measure_calc", &["nowhere".into()]).unwrap_err();
    assert!(error.to_string().starts_with("nowhere: "), "{error:#}");
    assert!(count(&worker, "fuzz_measure_calc", &[]).is_err());
}
