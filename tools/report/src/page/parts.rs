//! What the sections share: the engines' looks, tables, figures.

use maud::{Markup, html};

use super::chart::STYLES;
use crate::Comparison;

/// What the lines and marks of an engine look like, the same on the whole page.
pub(super) fn style(comparison: &Comparison, title: &str) -> usize {
    let titles = comparison.titles();
    let place = titles.iter().position(|one| one == title);
    place.unwrap_or(0) % STYLES
}

/// A figure; an interval in brackets stands below it.
fn cell(text: &str) -> Markup {
    match text.split_once(" [") {
        None => html! { (text) },
        Some((figure, interval)) => html! { (figure) span.interval { " [" (interval) } },
    }
}

/// A table that scrolls by itself. The first column names the rows; the columns in `words` are aligned left.
pub(super) fn table(label: &str, headings: &str, words: &[usize], rows: &[Vec<String>]) -> Markup {
    let is_word = |column: usize| words.contains(&column);
    html! {
        // The Tab key reaches it.
        div.scroll tabindex="0" role="region" aria-label=(label) {
            table {
                thead {
                    tr {
                        @for (column, heading) in headings.split(" | ").enumerate() {
                            th.figure[column > 0 && !is_word(column)] scope="col" { (heading) }
                        }
                    }
                }
                tbody {
                    @for row in rows {
                        tr {
                            th scope="row" { (row[0]) }
                            @for (column, content) in row.iter().enumerate().skip(1) {
                                td.word[is_word(column)] { (cell(content)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Content that is closed at first.
pub(super) fn details(summary: &str, content: &Markup) -> Markup {
    html! { details { summary { (summary) } (content) } }
}
