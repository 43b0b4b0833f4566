//! Coverage as an lcov tracefile, which genhtml, editors and code-review services read (the format is described
//! under "TRACEFILE FORMAT" in geninfo's manual).
//!
//! Where lcov has how often a line was executed, this has how many inputs executed it. Paths are from the
//! project's root, so that the file is the same on every machine: genhtml is started there.

use std::fmt::{self, Write};

use super::counted::CountedFile;

/// The tracefile of `files`.
#[must_use]
pub fn tracefile(files: &[CountedFile<'_>]) -> String {
    let mut text = String::new();
    for file in files {
        put(&mut text, file).expect("writing to a string does not fail");
    }
    text
}

fn put(text: &mut String, file: &CountedFile<'_>) -> fmt::Result {
    writeln!(text, "TN:\nSF:{}", file.name)?;
    for function in &file.functions {
        writeln!(text, "FN:{},{}", function.line, function.name)?;
    }
    for function in &file.functions {
        writeln!(text, "FNDA:{},{}", function.count, function.name)?;
    }
    let (functions, lines) = (file.summary.functions, file.summary.lines);
    writeln!(text, "FNF:{}\nFNH:{}", functions.total, functions.covered)?;
    for (number, count) in &file.lines {
        writeln!(text, "DA:{number},{count}")?;
    }
    writeln!(
        text,
        "LF:{}\nLH:{}\nend_of_record",
        lines.total, lines.covered
    )
}
