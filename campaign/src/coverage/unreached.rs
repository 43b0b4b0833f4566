//! The list of regions that no input can reach, each with the reason, and how it compares with what is.
//!
//! An entry names a region by its file, the function it is in, and its text, so that it survives when lines
//! move; it does not survive when the code changes, and then somebody is to look again.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::regions::{Region, RegionSet};

/// What names a region, wherever its lines move.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Anchor {
    /// The file, from the project's root.
    pub file: String,
    /// The name of the function that it is in; empty when it is in none.
    pub function: String,
    /// The region's own text on its first line.
    pub text: String,
}

/// An entry of the list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    file: String,
    function: String,
    text: String,
    /// How many regions are called so.
    #[serde(default = "one")]
    times: usize,
    reason: String,
}

const fn one() -> usize {
    1
}

/// The file's form.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    region: Vec<Entry>,
}

/// The list: for each anchor, how many regions, and the reason.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct List(BTreeMap<Anchor, (usize, String)>);

/// A region that is not reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unreached {
    /// The region.
    pub region: Region,
    /// What names it in the list.
    #[serde(flatten)]
    pub anchor: Anchor,
    /// Why no input can reach it, by the list; `None` when it is not listed.
    pub reason: Option<String>,
}

impl List {
    /// Reads the list; one that is missing is empty.
    ///
    /// # Errors
    /// When it cannot be read, has two entries for one thing, or one without a reason.
    pub fn read(path: &Path) -> Result<Self> {
        if !path.exists() {
            return Ok(Self::default());
        }
        let shown = path.display();
        let text = fs::read_to_string(path).with_context(|| format!("{shown} cannot be read"))?;
        Self::parse(&text).with_context(|| format!("{shown}"))
    }

    fn parse(text: &str) -> Result<Self> {
        let file: File = toml::from_str(text)?;
        let mut list = BTreeMap::new();
        for entry in file.region {
            let Entry {
                file,
                function,
                text,
                times,
                reason,
            } = entry;
            ensure!(!reason.trim().is_empty(), "`{text}` has no reason");
            ensure!(times > 0, "`{text}` is there 0 times");
            let anchor = Anchor {
                file,
                function,
                text,
            };
            let shown = anchor.text.clone();
            let before = list.insert(anchor, (times, reason));
            ensure!(
                before.is_none(),
                "`{shown}` is there twice: say `times = 2`"
            );
        }
        Ok(Self(list))
    }

    /// Compares the list with the regions that are not reached: says the reason of each, and what is listed
    /// and not so, in words.
    #[must_use]
    pub fn compare(&self, regions: Vec<(Region, Anchor)>) -> (Vec<Unreached>, Vec<String>) {
        let mut found: BTreeMap<&Anchor, usize> = BTreeMap::new();
        for (_, anchor) in &regions {
            *found.entry(anchor).or_default() += 1;
        }
        let wrong = self.0.iter().filter_map(|(anchor, (times, _))| {
            let found = found.get(anchor).copied().unwrap_or(0);
            let Anchor {
                file,
                function,
                text,
            } = anchor;
            let listed = format!("{file}, {function}: `{text}` is listed as unreached");
            match found {
                0 => Some(format!("{listed}, and is reached, or not there any more")),
                _ if found != *times => Some(format!("{listed} {times} times, and {found} are")),
                _ => None,
            }
        });
        let wrong = wrong.collect();
        let unreached = regions
            .into_iter()
            .map(|(region, anchor)| Unreached {
                reason: self.0.get(&anchor).map(|(_, reason)| reason.clone()),
                region,
                anchor,
            })
            .collect();
        (unreached, wrong)
    }
}

/// What names each of `regions`, whose files are below `root`.
///
/// # Errors
/// When a file cannot be read, or is not the one that was built.
pub fn anchors(root: &Path, regions: &RegionSet) -> Result<Vec<(Region, Anchor)>> {
    let mut texts: BTreeMap<&str, String> = BTreeMap::new();
    let mut anchored = Vec::new();
    for region in regions.iter() {
        if !texts.contains_key(region.file.as_str()) {
            let path = root.join(&region.file);
            let text = fs::read_to_string(&path)
                .with_context(|| format!("{} cannot be read", path.display()))?;
            texts.insert(&region.file, text);
        }
        let anchor = anchor(&texts[region.file.as_str()], region).with_context(|| {
            format!("{region} is not in the source: it changed since the build")
        })?;
        anchored.push((region.clone(), anchor));
    }
    Ok(anchored)
}

fn anchor(source: &str, region: &Region) -> Option<Anchor> {
    let lines: Vec<&str> = source.lines().collect();
    let line = lines.get(region.start_line.checked_sub(1)?)?;
    let end = if region.end_line == region.start_line {
        (region.end_column.checked_sub(1)?).min(line.len())
    } else {
        line.len()
    };
    let text = line.get(region.start_column.checked_sub(1)?..end)?.trim();
    let function = lines[..region.start_line]
        .iter()
        .rev()
        .find_map(|line| function_name(line));
    Some(Anchor {
        file: region.file.clone(),
        function: function.unwrap_or_default().to_owned(),
        text: text.to_owned(),
    })
}

/// The name of the function that begins on this line.
fn function_name(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace();
    words.find(|&word| word == "fn")?;
    let rest = words.next()?;
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    if line.trim_start().starts_with("//") {
        return None;
    }
    Some(rest.split(|c| !is_name(c)).next().unwrap_or(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "\
// fn nothing() is only spoken of
pub(crate) const fn half(n: u32) -> Option<u32> {
    if n % 2 == 1 {
        return None;
    }
    Some(n / 2)
}
";

    fn region(
        start_line: usize,
        start_column: usize,
        end_line: usize,
        end_column: usize,
    ) -> Region {
        Region {
            file: "crates/x/src/lib.rs".into(),
            start_line,
            start_column,
            end_line,
            end_column,
        }
    }

    fn anchored(text: &str) -> (Region, Anchor) {
        let anchor = Anchor {
            file: "f.rs".into(),
            function: "half".into(),
            text: text.into(),
        };
        (region(1, 1, 1, 2), anchor)
    }

    #[test]
    fn a_region_is_named_by_its_function_and_text() {
        let of = |region| anchor(SOURCE, &region).unwrap();
        let inner = of(region(4, 9, 4, 20));
        assert_eq!(
            (inner.function.as_str(), inner.text.as_str()),
            ("half", "return None")
        );
        let over_lines = of(region(3, 19, 5, 6));
        assert_eq!(over_lines.text, "{");
        assert_eq!(anchor(SOURCE, &region(40, 9, 40, 20)), None);
        let before = format!("// one line more\n{SOURCE}");
        assert_eq!(anchor(&before, &region(5, 9, 5, 20)), Some(inner));
    }

    #[test]
    fn what_is_unreached_and_listed_or_not_is_told() {
        let list = List::parse(
            "[[region]]\nfile = 'f.rs'\nfunction = 'half'\ntext = 'a'\nreason = 'because'\n\
             [[region]]\nfile = 'f.rs'\nfunction = 'half'\ntext = 'b'\ntimes = 2\nreason = 'so'",
        )
        .unwrap();
        let (unreached, wrong) = list.compare(["a", "b", "b", "c"].map(anchored).into());
        let reasons: Vec<Option<&str>> = unreached.iter().map(|u| u.reason.as_deref()).collect();
        assert_eq!(reasons, [Some("because"), Some("so"), Some("so"), None]);
        assert!(wrong.is_empty());
        let (_, wrong) = list.compare(["b"].map(anchored).into());
        assert_eq!(wrong.len(), 2);
        assert!(
            wrong[0].ends_with("`a` is listed as unreached, and is reached, or not there any more")
        );
        assert!(wrong[1].ends_with("2 times, and 1 are"));
    }

    #[test]
    fn a_list_says_each_thing_once_and_why() {
        let entry = "[[region]]\nfile = 'f'\nfunction = 'g'\ntext = 't'\n";
        for (text, why) in [
            (format!("{entry}reason = ' '"), "no reason"),
            (format!("{entry}reason = 'r'\ntimes = 0"), "0 times"),
            (format!("{entry}reason = 'r'\n{entry}reason = 'r'"), "twice"),
            (format!("{entry}reason = 'r'\nline = 3"), "line"),
            (entry.to_owned(), "reason"),
        ] {
            let error = format!("{:#}", List::parse(&text).unwrap_err());
            assert!(error.contains(why), "{error}");
        }
    }
}
