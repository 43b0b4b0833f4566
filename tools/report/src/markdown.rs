//! Rows as a Markdown table whose columns also line up on a terminal.

/// The table. The first row is the heading, and every row has as many cells. The first `names` columns are aligned
/// left, all others right.
pub fn table(rows: &[Vec<String>], names: usize) -> String {
    let escaped = |cell: &String| cell.replace('|', "\\|").replace('\n', " ");
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(escaped).collect())
        .collect();
    let Some(heading) = rows.first() else {
        return String::new();
    };
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heading.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate();
        let cells = cells.map(|(column, (cell, &width))| {
            if column < names {
                format!("| {cell:<width$} ")
            } else {
                format!("| {cell:>width$} ")
            }
        });
        cells.collect::<String>() + "|\n"
    };
    let rules = widths.iter().enumerate().map(|(column, width)| {
        let end = if column < names { "-" } else { ":" };
        format!("|{}{end}", "-".repeat(width + 1))
    });
    let body: String = rows[1..].iter().map(line).collect();
    line(heading) + &rules.collect::<String>() + "|\n" + &body
}

/// A heading, as it is to look: its cells are parted by ` | `.
pub fn heading(cells: &str) -> Vec<String> {
    cells.split(" | ").map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_bars_do_not_break_them() {
        let rows = [heading("what | n | p"), heading("a|b | 1 000 | 0.5")];
        assert_eq!(
            table(&rows, 1),
            "| what |     n |   p |\n|------|------:|----:|\n| a\\|b | 1 000 | 0.5 |\n"
        );
        assert_eq!(table(&[], 1), "");
    }
}
