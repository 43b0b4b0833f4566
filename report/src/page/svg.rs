//! SVG elements in the making: what all drawings of the page share.
//!
//! Colours come from the page's style, so that they follow its theme. Whatever colour tells is told by a
//! shape, a dash pattern or a figure too. Classes are ours; texts are escaped here.

use std::fmt::Write as _;

use super::markup::escape;

/// How many engines can be told apart; after that, styles come again.
pub(super) const STYLES: usize = 6;

/// The least distance between the middles of two labels, one above the other.
pub(super) const LABEL_HEIGHT: f64 = 17.0;

/// A drawing, open until [`Svg::finish`].
pub(super) struct Svg(String);

/// What a drawing is and shows.
pub(super) struct Drawing<'a> {
    /// Unique on the page.
    pub(super) id: &'a str,
    /// Further classes.
    pub(super) class: &'a str,
    /// The size, in units that are CSS pixels at scale 1.
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) title: &'a str,
    /// The whole drawing in words, for who cannot see it.
    pub(super) words: &'a str,
}

impl Svg {
    pub(super) fn open(drawing: &Drawing<'_>) -> Self {
        let id = escape(drawing.id);
        Self(format!(
            "<svg class=\"plot {}\" width=\"{1}\" viewBox=\"0 0 {1} {2}\" role=\"img\" \
             aria-labelledby=\"{id}-title {id}-text\">\n<title id=\"{id}-title\">{3}</title>\n\
             <desc id=\"{id}-text\">{4}</desc>\n",
            drawing.class,
            px(drawing.width),
            px(drawing.height),
            escape(drawing.title),
            escape(drawing.words),
        ))
    }

    pub(super) fn finish(self) -> String {
        self.0 + "</svg>\n"
    }

    pub(super) fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let _ = writeln!(
            self.0,
            "<line class=\"{class}\" x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"/>",
            px(from.0),
            px(from.1),
            px(to.0),
            px(to.1),
        );
    }

    pub(super) fn rectangle(&mut self, class: &str, corner: (f64, f64), size: (f64, f64)) {
        let _ = writeln!(
            self.0,
            "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
            px(corner.0),
            px(corner.1),
            px(size.0),
            px(size.1),
        );
    }

    pub(super) fn path(&mut self, class: &str, path: &str) {
        let _ = writeln!(self.0, "<path class=\"{class}\" d=\"{path}\"/>");
    }

    pub(super) fn disc(&mut self, class: &str, x: f64, y: f64, radius: f64) {
        let _ = writeln!(
            self.0,
            "<circle class=\"{class}\" cx=\"{}\" cy=\"{}\" r=\"{}\"/>",
            px(x),
            px(y),
            px(radius),
        );
    }

    pub(super) fn text(&mut self, class: &str, x: f64, y: f64, anchor: &str, text: &str) {
        let _ = writeln!(
            self.0,
            "<text class=\"{class}\" x=\"{}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>",
            px(x),
            px(y),
            escape(text),
        );
    }

    /// The mark of an engine: a disc, a square, a triangle, and so on.
    pub(super) fn mark(&mut self, style: usize, x: f64, y: f64) {
        self.path(
            &format!("mark style{style}"),
            &format!("M{} {}{}", px(x), px(y), MARKS[style % STYLES]),
        );
    }
}

/// The marks, around the place that a path has moved to.
const MARKS: [&str; STYLES] = [
    "m-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0z",
    "m-4 -4h8v8h-8z",
    "m0 -5l5 8.5h-10z",
    "m0 -5.5l5.5 5.5l-5.5 5.5l-5.5 -5.5z",
    "m0 5l5 -8.5h-10z",
    "m-5 -2h3v-3h4v3h3v4h-3v3h-4v-3h-3z",
];

/// An engine's mark as a drawing of its own, to stand before its name in a text. It says nothing that the
/// name does not say.
pub(super) fn key(style: usize) -> String {
    format!(
        "<svg class=\"key plot\" viewBox=\"0 0 12 12\" aria-hidden=\"true\"><path class=\"mark \
         style{style}\" d=\"M6 6{}\"/></svg>",
        MARKS[style % STYLES]
    )
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
        assert_eq!(spread(&[10.0, 90.0], 15.0, 0.0, 100.0), [10.0, 90.0]);
        assert_eq!(
            spread(&[50.0, 50.0, 50.0], 15.0, 0.0, 100.0),
            [50.0, 65.0, 80.0]
        );
        assert_eq!(spread(&[99.0, 98.0], 15.0, 0.0, 100.0), [100.0, 85.0]);
    }

    #[test]
    fn a_drawing_says_what_it_shows_and_escapes_it() {
        let mut svg = Svg::open(&Drawing {
            id: "c",
            class: "x",
            width: 10.0,
            height: 20.04,
            title: "a & b",
            words: "<b>",
        });
        svg.text("t", 0.04, 1.25, "end", "c < d");
        assert_eq!(
            svg.finish(),
            "<svg class=\"plot x\" width=\"10\" viewBox=\"0 0 10 20\" role=\"img\" \
             aria-labelledby=\"c-title c-text\">\n<title id=\"c-title\">a &amp; b</title>\n\
             <desc id=\"c-text\">&lt;b&gt;</desc>\n\
             <text class=\"t\" x=\"0\" y=\"1.3\" text-anchor=\"end\">c &lt; d</text>\n</svg>\n"
        );
    }
}
