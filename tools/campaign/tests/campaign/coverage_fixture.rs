//! The small program of `tests/coverage.rs`, built for coverage, whose regions are known by hand.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use crate::tool::shared_builds;
use campaign::atomic;
use campaign::coverage::{Code, Input, Replay, SourceMap, build_worker};

pub(crate) const FILE: &str = "crates/code/src/lib.rs";

/// The small program, written and built once for all tests of a file.
pub(crate) struct Fixture {
    pub(crate) root: PathBuf,
    pub(crate) binary: PathBuf,
    pub(crate) map: SourceMap,
}

pub(crate) fn fixture() -> &'static Fixture {
    static FIXTURE: OnceLock<Fixture> = OnceLock::new();
    FIXTURE.get_or_init(|| {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("coverage_fixture");
        // The crate that a project's worker is made with, at the versions of this workspace.
        let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let worker = project.join("worker").canonicalize().unwrap();
        let manifest = include_str!("coverage_fixture/worker.toml")
            .replace("WORKER", worker.to_str().unwrap());
        let lock = fs::read_to_string(project.join("Cargo.lock")).unwrap();
        let config = format!("build.build-dir = {:?}", shared_builds());
        let files = [
            ("Cargo.toml", manifest.as_str()),
            ("Cargo.lock", lock.as_str()),
            (".cargo/config.toml", config.as_str()),
            ("src/main.rs", include_str!("coverage_fixture/worker.rs")),
            (
                "crates/code/Cargo.toml",
                include_str!("coverage_fixture/code.toml"),
            ),
            (FILE, include_str!("coverage_fixture/code.rs")),
        ];
        for (name, text) in files {
            let path = root.join(name);
            // A test may start itself again, and then a build may be reading it.
            if fs::read_to_string(&path).ok().as_deref() != Some(text) {
                atomic::write(&path, text.as_bytes()).unwrap();
            }
        }
        let binary = build_worker(&root, &root.join("target")).unwrap();
        let code = vec![Code::folder(&root, "crates/")];
        let map = SourceMap::of_worker(&binary, code).unwrap();
        Fixture { root, binary, map }
    })
}

impl Fixture {
    pub(crate) fn replay(&self) -> Replay<'_> {
        Replay {
            binary: &self.binary,
            map: &self.map,
            target: "fixture",
            timeout: Duration::from_secs(2),
        }
    }

    /// Inputs in a folder of this test's own, 10 ms and 100 executions apart.
    pub(crate) fn inputs(&self, test: &str, inputs: &[&[u8]]) -> Vec<Input> {
        let folder = self.root.join("inputs").join(test);
        fs::create_dir_all(&folder).unwrap();
        let write = |(index, bytes): (usize, &&[u8])| {
            let path = folder.join(index.to_string());
            fs::write(&path, bytes).unwrap();
            Input {
                path,
                time_ms: index as u64 * 10,
                executions: index as u64 * 100,
            }
        };
        inputs.iter().enumerate().map(write).collect()
    }
}
