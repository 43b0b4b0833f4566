//! Running QEMU's tools. A test without them fails: nothing is skipped.

use std::path::Path;
use std::process::{Command, Output};

fn run(tool: &str, arguments: &[&str]) -> Output {
    match Command::new(tool).args(arguments).output() {
        Ok(output) => output,
        Err(error) => panic!("cannot run {tool} ({error}): install qemu-utils"),
    }
}

/// What `tool` prints; it must succeed.
pub(crate) fn qemu(tool: &str, arguments: &[&str]) -> Vec<u8> {
    let output = run(tool, arguments);
    assert!(
        output.status.success(),
        "{tool} {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

/// Whether qemu-img opens the image.
pub(crate) fn accepts(path: &Path, format: &str) -> bool {
    let path = path.to_str().expect("the path is UTF-8");
    run("qemu-img", &["info", "-f", format, path])
        .status
        .success()
}
