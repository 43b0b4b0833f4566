//! What drawings are made of: lines, paths, texts, marks, and labels that keep apart.
//!
//! Colours come from the page's style, so that they follow its theme. A shape, a dash pattern or a figure repeats
//! whatever a colour shows.

use maud::{Markup, html};

/// How many engines have looks of their own; after that, styles come again.
pub(super) const STYLES: usize = 6;

/// The least distance between the middles of two labels, one above the other.
pub(super) const LABEL_HEIGHT: f64 = 17.0;

/// The marks of the styles, around the place that a path has moved to.
const MARKS: [&str; STYLES] = [
    "m-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0z",
    "m-4 -4h8v8h-8z",
    "m0 -5l5 8.5h-10z",
    "m0 -5.5l5.5 5.5l-5.5 5.5l-5.5 -5.5z",
    "m0 5l5 -8.5h-10z",
    "m-5 -2h3v-3h4v3h3v4h-3v3h-4v-3h-3z",
];

pub(super) fn line(class: &str, from: (f64, f64), to: (f64, f64)) -> Markup {
    html! { line class=(class) x1=(px(from.0)) y1=(px(from.1)) x2=(px(to.0)) y2=(px(to.1)) {} }
}

pub(super) fn path(class: &str, style: usize, path: &str) -> Markup {
    html! { path class=(format!("{class} style{style}")) d=(path) {} }
}

pub(super) fn text(class: &str, (x, y): (f64, f64), anchor: &str, text: &str) -> Markup {
    html! { text class=(class) x=(px(x)) y=(px(y)) text-anchor=(anchor) { (text) } }
}

/// The mark of an engine: a disc, a square, a triangle, and so on.
pub(super) fn mark(style: usize, (x, y): (f64, f64)) -> Markup {
    let shape = MARKS[style % STYLES];
    path("mark", style, &format!("M{} {}{shape}", px(x), px(y)))
}

/// An engine's mark as a drawing of its own, to stand before the engine's name in a text.
pub(super) fn key(style: usize) -> Markup {
    html! {
        svg.key.plot viewBox="0 0 12 12" aria-hidden="true" { (mark(style, (6.0, 6.0))) }
    }
}

/// The places nearest to those wanted, in the same order from top to bottom, that are `distance` apart
/// and lie between `top` and `bottom` as far as there is room.
pub(super) fn spread(wanted: &[f64], distance: f64, top: f64, bottom: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|&a, &b| wanted[a].total_cmp(&wanted[b]));
    let mut places = wanted.to_vec();
    let mut free = top;
    for &at in &order {
        places[at] = places[at].max(free);
        free = places[at] + distance;
    }
    let mut free = bottom;
    for &at in order.iter().rev() {
        places[at] = places[at].min(free);
        free = places[at] - distance;
    }
    places
}

/// A length or place with at most one decimal.
pub(super) fn px(value: f64) -> String {
    let tenths = (value * 10.0).round() / 10.0 + 0.0;
    tenths.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_do_not_lie_on_each_other() {
        let spread = |wanted: &[f64]| spread(wanted, 15.0, 0.0, 100.0);
        assert_eq!(spread(&[10.0, 90.0]), [10.0, 90.0]);
        assert_eq!(spread(&[50.0; 3]), [50.0, 65.0, 80.0]);
        assert_eq!(spread(&[99.0, 98.0]), [100.0, 85.0]);
    }
}
