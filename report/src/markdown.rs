//! Rows as a Markdown table whose columns also line up on a terminal.

use std::fmt::Write as _;

/// The table: the first row is the heading, and every row has as many cells. The first `names` columns stand
/// to the left, figures to the right.
#[must_use]
pub fn table(rows: &[Vec<String>], names: usize) -> String {
    let Some((heading, body)) = rows.split_first() else {
        return String::new();
    };
    let cells = |row: &[String]| -> Vec<String> {
        row.iter()
            .map(|cell| cell.replace('|', "\\|").replace('\n', " "))
            .collect()
    };
    let (heading, body) = (cells(heading), body.iter().map(|row| cells(row)));
    let body: Vec<Vec<String>> = body.collect();
    let mut widths: Vec<usize> = heading.iter().map(|cell| cell.chars().count()).collect();
    for row in &body {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |row: &[String]| {
        let mut text = String::new();
        for (column, (cell, &width)) in row.iter().zip(&widths).enumerate() {
            let _ = if column < names {
                write!(text, "| {cell:<width$} ")
            } else {
                write!(text, "| {cell:>width$} ")
            };
        }
        text + "|\n"
    };
    let mut text = line(&heading);
    for (column, width) in widths.iter().enumerate() {
        let _ = if column < names {
            write!(text, "|{}", "-".repeat(width + 2))
        } else {
            write!(text, "|{}:", "-".repeat(width + 1))
        };
    }
    text += "|\n";
    for row in &body {
        text += &line(row);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_bars_do_not_break_them() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let rows = [row(["what", "n", "p"]), row(["a|b", "1 000", "0.5"])];
        assert_eq!(
            table(&rows, 1),
            "| what |     n |   p |\n|------|------:|----:|\n| a\\|b | 1 000 | 0.5 |\n"
        );
        assert_eq!(table(&[], 1), "");
    }
}
