//! Ctrl-C during a triage gives the groups so far. In a program of its own: the signal is the whole process's.

#[path = "campaign/stand_in.rs"]
mod stand_in;

use std::fs;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use campaign::engine::session::INTERRUPTED;
use campaign::triage::collect::collect;
use campaign::triage::group::Report;
use campaign::triage::judge::Bench;
use campaign::triage::minimise::Budget;
use campaign::triage::triage;
use worker::TargetInfo;

/// Takes a tenth of a second for an input, and lets it fail.
const WORKER: &str = r#"
run() {
    sleep 0.1
    part='"part":{"name":"scanner","format":"vhd"}'
    crash='"crash":{"panic":{"message":"no","place":{"file":"crates/vhd/src/lib.rs","line":7}}}'
    fails subject.no_panic no_crash "$part,$crash"
}
"#;

#[test]
fn ctrl_c_gives_the_groups_so_far() {
    let folder = tempfile::tempdir().unwrap();
    let worker = folder.path().join("worker");
    stand_in::write_worker(&worker, WORKER);
    let finds = folder.path().join("finds");
    fs::create_dir(&finds).unwrap();
    for nth in 0..1000 {
        fs::write(finds.join(format!("crash-{nth}")), format!("{nth:0200}")).unwrap();
    }
    let calc = &TargetInfo::new("fuzz_measure_calc", "calculators", 4096);
    let collected = collect(&[finds], &[calc], &[calc]).unwrap();
    let bench = Bench {
        time_out: Duration::from_secs(5),
        budget: Budget {
            tries: 20_000,
            time: Duration::from_secs(30),
        },
        cores: 2,
        ..stand_in::bench(worker, folder.path().to_owned())
    };
    std::thread::spawn(|| {
        std::thread::sleep(Duration::from_secs(1));
        INTERRUPTED.store(true, Ordering::SeqCst);
    });
    let started = Instant::now();
    let report = triage(&bench, collected, folder.path()).unwrap();
    let time = started.elapsed();
    assert!(time < Duration::from_secs(15), "{time:?}");
    let replayed = report.replayed;
    assert!(replayed > 0 && replayed < 500, "{replayed}");
    assert!(report.interrupted);
    assert_eq!(report.groups.len(), 1);
    assert_eq!(report.groups[0].inputs.len(), replayed);
    // An input that there was no time to make smaller is there as it was found.
    let reproducer = report.groups[0].reproducer.as_ref().unwrap();
    assert!(!reproducer.complete);
    assert_eq!(reproducer.size, 200);
    assert_eq!(Report::read(folder.path()), Some(report));
}
