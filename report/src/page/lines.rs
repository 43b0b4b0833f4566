//! What was reached of each line of a file.
//!
//! Regions lie inside one another, as blocks do; what a character belongs to is the innermost region
//! around it. A line is reached as its regions are, without regard for the blanks before and after it.

use super::files::{is_unreached, reached_by};
use crate::RegionReach;

/// What an engine reached of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reached {
    /// All of it, in every trial that counts.
    Always,
    /// A part of it, or not in every trial.
    Partly,
    /// Nothing, in no trial.
    Never,
    /// The engine has no trial that counts.
    Unknown,
}

/// What all engines and the seeds reached of a piece of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shade {
    /// Not part of any region.
    Plain,
    /// Every engine reached it, in every trial that counts.
    Always,
    /// Some trial reached it, or the seeds.
    Partly,
    /// Nothing ever reached it.
    Never,
}

/// A line of source.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// For each engine; empty when the line has no region.
    pub(super) reached: Vec<Reached>,
    /// The line's text in pieces.
    pub(super) pieces: Vec<(Shade, &'a str)>,
}

impl Line<'_> {
    /// Whether any of it is code that nothing reached.
    pub(super) fn has_unreached(&self) -> bool {
        self.pieces.iter().any(|(shade, _)| *shade == Shade::Never)
    }
}

/// The lines of `text`, of which `trials` of each engine that count reached these regions.
pub(super) fn lines<'a>(
    text: &'a str,
    regions: &[&RegionReach],
    trials: &[usize],
) -> Vec<Line<'a>> {
    let texts: Vec<&str> = text.lines().collect();
    // For every byte the innermost region around it.
    let mut owner: Vec<Vec<Option<usize>>> =
        texts.iter().map(|line| vec![None; line.len()]).collect();
    let mut order: Vec<usize> = (0..regions.len()).collect();
    // What lies inside another begins later or ends earlier, and is painted over it.
    order.sort_by_key(|&at| {
        let region = regions[at];
        let end = (region.end_line, region.end_column);
        (
            region.start_line,
            region.start_column,
            std::cmp::Reverse(end),
        )
    });
    for at in order {
        let region = regions[at];
        for line in region.start_line.max(1)..=region.end_line.min(texts.len()) {
            let row = &mut owner[line - 1];
            let from = if line == region.start_line {
                region.start_column.saturating_sub(1)
            } else {
                0
            };
            let to = if line == region.end_line {
                region.end_column.saturating_sub(1)
            } else {
                row.len()
            };
            if let Some(part) = row.get_mut(from..to.min(texts[line - 1].len())) {
                part.fill(Some(at));
            }
        }
    }
    texts
        .into_iter()
        .zip(owner)
        .map(|(text, owner)| line(text, &owner, regions, trials))
        .collect()
}

fn line<'a>(
    text: &'a str,
    owner: &[Option<usize>],
    regions: &[&RegionReach],
    trials: &[usize],
) -> Line<'a> {
    let mut here: Vec<usize> = text
        .bytes()
        .zip(owner)
        .filter(|(byte, _)| !byte.is_ascii_whitespace())
        .filter_map(|(_, region)| *region)
        .collect();
    here.sort_unstable();
    here.dedup();
    let reached = |(engine, &trials): (usize, &usize)| {
        let by = || here.iter().map(|&at| reached_by(regions[at], engine));
        if trials == 0 {
            Reached::Unknown
        } else if by().all(|reached| reached >= trials) {
            Reached::Always
        } else if by().all(|reached| reached == 0) {
            Reached::Never
        } else {
            Reached::Partly
        }
    };
    let reached = if here.is_empty() {
        Vec::new()
    } else {
        trials.iter().enumerate().map(reached).collect()
    };
    Line {
        reached,
        pieces: pieces(text, owner, regions, trials),
    }
}

/// The text cut where its shade changes.
fn pieces<'a>(
    text: &'a str,
    owner: &[Option<usize>],
    regions: &[&RegionReach],
    trials: &[usize],
) -> Vec<(Shade, &'a str)> {
    let blank = text.len() - text.trim_start().len();
    let shade = |at: usize| match owner[at] {
        Some(region) if at >= blank => shade(regions[region], trials),
        _ => Shade::Plain,
    };
    let mut pieces = Vec::new();
    let mut start = 0;
    for (at, _) in text.char_indices() {
        if shade(at) != shade(start) {
            pieces.push((shade(start), &text[start..at]));
            start = at;
        }
    }
    if start < text.len() {
        pieces.push((shade(start), &text[start..]));
    }
    pieces
}

fn shade(region: &RegionReach, trials: &[usize]) -> Shade {
    let is_always = |(engine, &trials): (usize, &usize)| reached_by(region, engine) >= trials;
    if is_unreached(region) {
        Shade::Never
    } else if trials.iter().enumerate().all(is_always) {
        Shade::Always
    } else {
        Shade::Partly
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    const TEXT: &str = "// ä\nfn f(x: u8) {\n    if x > 1 { g() }\n    h();\n}\n";

    fn region(from: (usize, usize), to: (usize, usize), by: &[usize]) -> RegionReach {
        RegionReach {
            start_line: from.0,
            start_column: from.1,
            end_line: to.0,
            end_column: to.1,
            ..samples::region("f.rs", 0, false, by)
        }
    }

    #[test]
    fn a_character_belongs_to_the_innermost_region() {
        let whole = region((2, 1), (5, 2), &[3, 2]);
        let condition = region((3, 8), (3, 13), &[3, 2]);
        let block = region((3, 14), (3, 21), &[0, 0]);
        // The order in which they come does not matter.
        for regions in [[&whole, &condition, &block], [&block, &condition, &whole]] {
            let lines = lines(TEXT, &regions, &[3, 2]);
            assert_eq!(lines[0].reached, []);
            assert_eq!(lines[0].pieces, [(Shade::Plain, "// ä")]);
            assert_eq!(lines[1].reached, [Reached::Always; 2]);
            assert_eq!(lines[2].reached, [Reached::Partly; 2]);
            assert_eq!(
                lines[2].pieces,
                [
                    (Shade::Plain, "    "),
                    (Shade::Always, "if x > 1 "),
                    (Shade::Never, "{ g() }")
                ]
            );
            assert!(lines[2].has_unreached() && !lines[3].has_unreached());
            assert_eq!(lines[4].pieces, [(Shade::Always, "}")]);
        }
    }

    #[test]
    fn engines_are_told_apart() {
        let whole = region((2, 1), (5, 2), &[3, 1, 0, 0]);
        let lines = lines(TEXT, &[&whole], &[3, 2, 2, 0]);
        let expected = [
            Reached::Always,
            Reached::Partly,
            Reached::Never,
            Reached::Unknown,
        ];
        assert_eq!(lines[3].reached, expected);
        assert_eq!(lines[3].pieces[1], (Shade::Partly, "h();"));
    }

    #[test]
    fn regions_that_do_not_fit_the_text_do_no_harm() {
        let odd = [
            region((1, 5), (1, 6), &[1]), // in the middle of ä
            region((3, 90), (3, 99), &[1]),
            region((4, 9), (4, 2), &[1]),
            region((0, 0), (99, 99), &[1]),
        ];
        let odd: Vec<&RegionReach> = odd.iter().collect();
        let lines = lines(TEXT, &odd, &[1]);
        let joined: Vec<String> = lines
            .iter()
            .map(|line| line.pieces.iter().map(|(_, text)| *text).collect())
            .collect();
        assert_eq!(joined.join("\n") + "\n", TEXT);
    }
}
