//! Completion scripts and man pages of `images`: made of the real command line.

mod qemu;

use std::fs;

use qemu::Bench;

#[test]
fn every_command_has_a_page_with_exit_codes_and_examples_and_is_completed() {
    let bench = Bench::new();
    bench.tool_ok("manual man");
    let whole = fs::read_to_string(bench.path("man/cargo-images.1")).unwrap();
    assert!(
        whole.contains("SH \"START HERE\"") || whole.contains("SH START HERE"),
        "{whole}"
    );
    let bash = bench.tool("completions bash").stdout;
    let commands = "measure scan recipe export seeds differential completions manual";
    for command in commands.split(' ') {
        let page = bench.path(&format!("man/cargo-images-{command}.1"));
        let page = fs::read_to_string(page).unwrap();
        for part in ["EXIT STATUS", "EXAMPLES", &format!("images {command}")] {
            assert!(page.contains(part), "{command} lacks {part}: {page}");
        }
        assert!(bash.contains(command), "{command}");
    }
    assert!(bash.contains("complete -F _images_after_cargo"), "{bash}");
    assert!(!bash.contains("TOOL"), "{bash}");
}
