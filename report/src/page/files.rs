//! The files of the code under test as one target reached them, and the places of the page that show
//! their lines.

use std::collections::{BTreeMap, BTreeSet};

use super::engines::counting;
use super::{SourceFile, markup};
use crate::{RegionReach, TargetResult};

/// A file of the code under test.
pub(super) struct File<'a> {
    /// From the project's root.
    pub(super) path: &'a str,
    pub(super) regions: Vec<&'a RegionReach>,
    /// Its text, when it is at hand.
    pub(super) text: Option<&'a str>,
    /// The lines that the page can lead to.
    marks: BTreeSet<usize>,
}

/// A function.
pub(super) struct Function<'a> {
    /// Its name, as the comparison has it, or else as its source does.
    pub(super) name: String,
    /// The line of its first region.
    pub(super) line: usize,
    pub(super) regions: Vec<&'a RegionReach>,
}

/// All files of a target.
pub(super) struct Files<'a> {
    /// The target's number on the page.
    target: usize,
    /// For each engine, how many of its trials count.
    pub(super) trials: Vec<usize>,
    pub(super) files: Vec<File<'a>>,
}

impl<'a> Files<'a> {
    pub(super) fn of(target: &'a TargetResult, number: usize, sources: &'a [SourceFile]) -> Self {
        let mut files: BTreeMap<&str, File<'_>> = BTreeMap::new();
        for region in &target.regions {
            let file = files.entry(&region.file).or_insert_with(|| File {
                path: &region.file,
                regions: Vec::new(),
                text: text_of(sources, &region.file),
                marks: BTreeSet::new(),
            });
            file.regions.push(region);
        }
        let mut files: Vec<File<'_>> = files.into_values().collect();
        for file in &mut files {
            let functions = file.functions().into_iter().map(|function| function.line);
            let single = file.regions.iter().filter(|region| {
                is_unreached(region) || region.by.iter().filter(|trials| **trials > 0).count() == 1
            });
            let single = single.map(|region| region.start_line);
            file.marks = functions.chain(single).collect();
        }
        Self {
            target: number,
            trials: target.engines.iter().map(counting).collect(),
            files,
        }
    }

    /// Those of which anything was reached, with their numbers.
    pub(super) fn reached(&self) -> impl Iterator<Item = (usize, &File<'a>)> {
        let files = self.files.iter().enumerate();
        files.filter(|(_, file)| !file.is_unreached())
    }

    /// Those of which nothing was reached.
    pub(super) fn unreached(&self) -> impl Iterator<Item = &File<'a>> {
        self.files.iter().filter(|file| file.is_unreached())
    }

    /// The id of a file's listing.
    pub(super) fn anchor(&self, file: usize) -> String {
        format!("t{}f{file}", self.target)
    }

    /// The id of a line in a file's listing, when that line can be led to.
    pub(super) fn anchor_of_line(&self, file: usize, line: usize) -> Option<String> {
        let is_there = self.files[file].marks.contains(&line);
        is_there.then(|| format!("{}l{line}", self.anchor(file)))
    }

    /// The file's name as markup, with a link to its listing when there is one.
    pub(super) fn link(&self, number: usize) -> String {
        let file = &self.files[number];
        let name = format!("<code>{}</code>", markup::escape(file.path));
        if file.text.is_none() || file.is_unreached() {
            return name;
        }
        format!("<a href=\"#{}\">{name}</a>", self.anchor(number))
    }

    /// `text` as markup, with a link to that line of a file when the page shows it.
    pub(super) fn link_to_line(&self, path: &str, line: usize, text: &str) -> String {
        let text = markup::escape(text);
        let number = self.files.iter().position(|file| file.path == path);
        let anchor = number
            .filter(|&number| self.files[number].shows(line))
            .and_then(|number| self.anchor_of_line(number, line));
        match anchor {
            Some(anchor) => format!("<a href=\"#{anchor}\">{text}</a>"),
            None => text,
        }
    }

    /// The mean share of these regions that a trial of each engine reached, 0 to 1; none for an engine
    /// without a trial that counts.
    pub(super) fn shares(&self, regions: &[&RegionReach]) -> Vec<Option<f64>> {
        let share = |(engine, &trials): (usize, &usize)| {
            if trials == 0 || regions.is_empty() {
                return None;
            }
            let reached = regions.iter().map(|region| reached_by(region, engine));
            Some(reached.sum::<usize>() as f64 / (trials * regions.len()) as f64)
        };
        self.trials.iter().enumerate().map(share).collect()
    }
}

impl<'a> File<'a> {
    pub(super) fn is_unreached(&self) -> bool {
        self.regions.iter().all(|region| is_unreached(region))
    }

    /// Whether the page shows this line's text.
    fn shows(&self, line: usize) -> bool {
        !self.is_unreached()
            && line > 0
            && self.text.is_some_and(|text| text.lines().count() >= line)
    }

    /// Its functions in the order of their lines; regions before the first are left out.
    pub(super) fn functions(&self) -> Vec<Function<'a>> {
        let named = self.text.map(declarations).unwrap_or_default();
        // By the line of the declaration too, for a file may have many functions of one name.
        let mut functions: BTreeMap<(usize, &str), Function<'a>> = BTreeMap::new();
        for &region in &self.regions {
            let Some(&(declared, name)) =
                named.iter().rfind(|(line, _)| *line <= region.start_line)
            else {
                continue;
            };
            let function = functions
                .entry((declared, name))
                .or_insert_with(|| Function {
                    name: name.to_owned(),
                    line: region.start_line,
                    regions: Vec::new(),
                });
            function.line = function.line.min(region.start_line);
            function.regions.push(region);
        }
        let mut functions: Vec<Function<'a>> = functions.into_values().collect();
        functions.sort_by_key(|function| function.line);
        functions
    }
}

/// The lines of a Rust text that declare a function, and its name. Good for a label, and no parser.
fn declarations(text: &str) -> Vec<(usize, &str)> {
    let name = |line: &'_ str| -> Option<(usize, usize)> {
        let code = line.trim_start();
        if code.starts_with("//") {
            return None;
        }
        let at = line.len() - code.len();
        let start = if code.starts_with("fn ") {
            at + 3
        } else {
            at + code.find(" fn ")? + 4
        };
        let is_part = |character: char| character.is_alphanumeric() || character == '_';
        let length = line[start..].find(|character| !is_part(character))?;
        (length > 0).then_some((start, start + length))
    };
    let lines = text.lines().enumerate();
    lines
        .filter_map(|(number, line)| {
            let (start, end) = name(line)?;
            Some((number + 1, &line[start..end]))
        })
        .collect()
}

/// Whether neither the seeds nor any engine reached the region.
pub(super) fn is_unreached(region: &RegionReach) -> bool {
    !region.seeds && region.by.iter().all(|trials| *trials == 0)
}

/// In how many trials the engine of this number reached the region.
pub(super) fn reached_by(region: &RegionReach, engine: usize) -> usize {
    region.by.get(engine).copied().unwrap_or(0)
}

fn text_of<'a>(sources: &'a [SourceFile], path: &str) -> Option<&'a str> {
    let source = sources.iter().find(|source| source.path == path);
    source.map(|source| source.text.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    #[test]
    fn functions_are_named_by_their_source() {
        let text = "// fn no() {}\nimpl A {\n    pub const fn one(&self) {\n\n    }\n    fn two<T>() {\n    }\n    fn one() {}\n";
        assert_eq!(declarations(text), [(3, "one"), (6, "two"), (8, "one")]);

        let mut target = samples::target(0, &[("A", &[1]), ("B", &[1])]);
        target.regions = [1, 3, 4, 6, 8]
            .map(|line| samples::region("f.rs", line, false, &[1, 1]))
            .to_vec();
        let sources = [SourceFile {
            path: "f.rs".to_owned(),
            text: text.to_owned(),
        }];
        let files = Files::of(&target, 0, &sources);
        let functions = files.files[0].functions();
        let found: Vec<(&str, usize, usize)> = functions
            .iter()
            .map(|function| {
                (
                    function.name.as_str(),
                    function.line,
                    function.regions.len(),
                )
            })
            .collect();
        assert_eq!(found, [("one", 3, 2), ("two", 6, 1), ("one", 8, 1)]);
        assert!(files.link_to_line("f.rs", 3, "there").contains("#t0f0l3"));
        assert_eq!(files.link_to_line("f.rs", 4, "<there>"), "&lt;there&gt;");
        assert_eq!(files.link_to_line("g.rs", 3, "there"), "there");
    }
}
