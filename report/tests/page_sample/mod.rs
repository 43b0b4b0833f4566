//! A full comparison for the tests of the page: three targets, three engines, ten trials, of which some
//! failed; finds, planted faults, and names as hostile as can be.
#![allow(dead_code, reason = "each test that includes this uses a part of it")]

mod trials;

use report::page::SourceFile;
use report::{
    Comparison, CrateTotals, FindGroup, FirstFind, Machine, Reach, RegionReach, SeedsResult,
    Subject, Survival, SurvivalStep, TargetResult, VERSION, analysis,
};

pub(crate) use trials::engine;

/// Markup, quotes, an entity, a control character and a mark that turns the direction of writing.
pub(crate) const NASTY: &str = "a \"b\" 'c' </code><script>alert(1)</script> &amp; \u{1} \u{202e}";

/// The seconds of each trial.
pub(crate) const SECONDS: u64 = 60;

pub(crate) fn reach(regions: usize) -> Reach {
    Reach {
        regions,
        lines: regions / 2,
        functions: regions / 20,
    }
}

/// Source with branches, documentation, hostile text and a long stretch without code.
pub(crate) fn sources() -> Vec<SourceFile> {
    let footer = "//! What `a < b && c > d` means: <script>alert(1)</script>.\n\n\
        /// Reads a field.\npub fn field(bytes: &[u8]) -> Option<u32> {\n    \
        if bytes.len() < 4 {\n        return None;\n    }\n    \
        let value = u32::from(bytes[0]) << 24 | u32::from(bytes[3]); // a line that is rather long, so that it has to scroll where there is little room\n    \
        if value > 10 { Some(value) } else { None }\n}\n";
    let unreached = "pub fn unreached() {\n    loop {}\n}\n".to_owned();
    let file = |path: &str, text: String| SourceFile {
        path: path.to_owned(),
        text,
    };
    vec![
        file(
            "crates/vhd/src/footer.rs",
            footer.to_owned() + &"// words\n".repeat(60) + &unreached,
        ),
        file("crates/qcow2/src/entry.rs", unreached.repeat(12)),
        file(&format!("crates/{NASTY}.rs"), unreached.clone()),
        file("crates/raw/src/lib.rs", unreached),
    ]
}

fn region(file: &str, from: (usize, usize), to: (usize, usize), by: &[usize]) -> RegionReach {
    RegionReach {
        file: file.to_owned(),
        start_line: from.0,
        start_column: from.1,
        end_line: to.0,
        end_column: to.1,
        seeds: false,
        by: by.to_vec(),
    }
}

/// Who reached what of [`sources`]; `trials` of each engine count.
fn regions(trials: &[usize]) -> Vec<RegionReach> {
    let all = trials.to_vec();
    let none = vec![0; trials.len()];
    let first: Vec<usize> = trials
        .iter()
        .enumerate()
        .map(|(at, &all)| if at == 0 { all } else { 0 })
        .collect();
    let most: Vec<usize> = trials
        .iter()
        .enumerate()
        .map(|(at, &all)| if at == 0 { 0 } else { all.div_ceil(2) })
        .collect();
    let footer = "crates/vhd/src/footer.rs";
    let mut regions = vec![
        region(footer, (4, 1), (11, 2), &all),
        region(footer, (5, 8), (5, 23), &all),
        region(footer, (5, 24), (7, 6), &most),
        region(footer, (9, 19), (9, 34), &first),
        region(footer, (9, 40), (9, 48), &none),
        region(footer, (71, 1), (73, 2), &none),
    ];
    regions[0].seeds = true;
    let entry = "crates/qcow2/src/entry.rs";
    for function in 0..12 {
        let by = [&all, &most, &first, &none][function % 4];
        regions.push(region(
            entry,
            (function * 3 + 1, 1),
            (function * 3 + 3, 2),
            by,
        ));
    }
    regions.push(region(&format!("crates/{NASTY}.rs"), (1, 1), (3, 2), &most));
    regions.push(region("crates/no_text_at_hand.rs", (1, 1), (3, 2), &all));
    regions.push(region("crates/raw/src/lib.rs", (1, 1), (3, 2), &none));
    regions.sort_by(|a, b| {
        (&a.file, a.start_line, a.start_column).cmp(&(&b.file, b.start_line, b.start_column))
    });
    regions
}

pub(crate) fn target(name: &str, engines: Vec<report::EngineResult>) -> TargetResult {
    let trials: Vec<usize> = engines
        .iter()
        .map(|engine| engine.counting().count())
        .collect();
    let most = engines.iter().map(|engine| engine.reach.regions).max();
    TargetResult {
        target: name.to_owned(),
        drives: "the scanners".to_owned(),
        max_input: 65_536,
        dictionary: true,
        total: reach(2873),
        union: reach(most.unwrap_or(1006) + 8),
        seeds: SeedsResult {
            inputs: 3,
            reach: reach(1006),
        },
        engines,
        pairs: Vec::new(),
        regions: regions(&trials),
        survivals: Vec::new(),
        never_evaluated: Vec::new(),
    }
}

fn survival(of: &str, kind: Subject, engine: &str, caught: &[u64]) -> Survival {
    let trials = 10;
    Survival {
        of: of.to_owned(),
        kind,
        engine: engine.to_owned(),
        trials,
        caught: caught.len(),
        median_ms: caught.get(4).copied(),
        steps: caught
            .iter()
            .enumerate()
            .map(|(at, &time_ms)| {
                let surviving = 1.0 - (at + 1) as f64 / trials as f64;
                SurvivalStep {
                    time_ms,
                    surviving,
                    low: (surviving - 0.2).max(0.0),
                    high: (surviving + 0.15).min(1.0),
                    at_risk: trials - at,
                }
            })
            .collect(),
    }
}

/// Three targets: two on which all is well, and one on which nearly everything is not.
pub(crate) fn comparison() -> Comparison {
    let well = target(
        "fuzz_well",
        vec![
            engine("afl", "AFL++", 1340, 26_000.0, 10),
            engine("libfuzzer", "libFuzzer", 1382, 180_000.0, 10),
            engine("honggfuzz", "honggfuzz", 1408, 46_000.0, 10),
        ],
    );
    let sound = target(
        "fuzz_sound",
        vec![
            engine("afl", "AFL++", 1100, 9000.0, 10),
            engine("libfuzzer", "libFuzzer", 1101, 8000.0, 10),
            engine("honggfuzz", "honggfuzz", 1180, 7000.0, 10),
        ],
    );
    let mut afl = engine("afl", "AFL++", 1010, 118.0, 7);
    afl.trials[2].failure = Some(format!("it died: {NASTY}"));
    afl.finds = vec![
        FindGroup {
            check: "scan.reads_bounded".into(),
            inputs: 1234,
            example: format!("results/{NASTY}"),
            trials: vec![
                FirstFind {
                    trial: 1,
                    time_ms: 2345,
                },
                FirstFind {
                    trial: 4,
                    time_ms: 0,
                },
            ],
        },
        FindGroup {
            check: "unreproduced".into(),
            inputs: 1,
            example: "results/plain".into(),
            trials: Vec::new(),
        },
    ];
    let mut honggfuzz = engine("honggfuzz", "honggfuzz", 0, 0.0, 2);
    for trial in &mut honggfuzz.trials {
        trial.failure = Some(format!("it died too: {NASTY}"));
    }
    let mut ill = target("fuzz_ill", vec![afl, honggfuzz]);
    ill.drives = NASTY.into();
    ill.never_evaluated = vec![NASTY.into()];
    ill.survivals = vec![survival(
        NASTY,
        Subject::Fault,
        "afl",
        &[
            900, 2000, 2100, 9000, 12_000, 30_000, 31_000, 44_000, 50_000, 59_000,
        ],
    )];

    let mut comparison = Comparison {
        version: VERSION,
        started: "2026-11-22T15:54:30Z".into(),
        time_seconds: SECONDS,
        snapshot_seconds: 5,
        trials: 10,
        order_seed: 42,
        interrupted: false,
        machine: Machine {
            processor: format!("processor {NASTY}"),
            cores: 2,
            jobs: 2,
            system: NASTY.into(),
            tools: vec![("rustc".into(), NASTY.into())],
        },
        code: vec![
            CrateTotals {
                name: "qcow2".into(),
                total: reach(700),
            },
            CrateTotals {
                name: "vhd".into(),
                total: reach(400),
            },
        ],
        targets: vec![well, sound, ill],
        across_targets: None,
        notes: vec![format!("A note: {NASTY}")],
    };
    analysis::analyse(&mut comparison);
    comparison
}
