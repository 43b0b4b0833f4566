//! Coverage as an lcov tracefile, which genhtml, editors and code-review services read (the format is described
//! under "TRACEFILE FORMAT" in geninfo's manual).
//!
//! Where lcov has how often a line was executed, this has how many inputs executed it. Paths are from the
//! project's root, so that the file is the same on every machine: genhtml is started there.

use super::counted::CountedFile;
use std::fmt::Write;

/// The tracefile of `files`.
#[must_use]
pub fn tracefile(files: &[CountedFile<'_>]) -> String {
    let mut text = String::new();
    for file in files {
        put(&mut text, file);
    }
    text
}

fn put(text: &mut String, file: &CountedFile<'_>) {
    // Writing to a string does not fail.
    let mut line = |line: std::fmt::Arguments<'_>| {
        let _ = writeln!(text, "{line}");
    };
    line(format_args!("TN:"));
    line(format_args!("SF:{}", file.name));
    for function in &file.functions {
        line(format_args!("FN:{},{}", function.line, function.name));
    }
    for function in &file.functions {
        line(format_args!("FNDA:{},{}", function.count, function.name));
    }
    let functions = file.functions_covered();
    line(format_args!("FNF:{}", functions.total));
    line(format_args!("FNH:{}", functions.covered));
    for (number, count) in &file.lines {
        line(format_args!("DA:{number},{count}"));
    }
    let lines = file.lines_covered();
    line(format_args!("LF:{}", lines.total));
    line(format_args!("LH:{}", lines.covered));
    line(format_args!("end_of_record"));
}
