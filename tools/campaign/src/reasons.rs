//! Allowlists: places in the source that are as they are for a reason, such as regions that no input can reach and
//! mutants that no input detects.
//!
//! An entry names a place by its file, by what it is (for a region its function, for a mutant what was changed),
//! and by its text, so that it survives when lines move. It does not survive when the code changes. Then somebody
//! has to look again.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use fs_err as fs;
use serde::{Deserialize, Serialize};

/// A piece of source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// The file, from the project's root.
    pub file: String,
    /// The function that it is in; empty when it is in none.
    pub function: String,
    /// What was changed there; empty for a place that is as it is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub change: String,
    /// Its text, as far as it is on its first line.
    pub text: String,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let change = match &*self.change {
            "" => String::new(),
            change => format!("{change} "),
        };
        write!(
            f,
            "{}, {}: {change}`{}`",
            self.file, self.function, self.text
        )
    }
}

/// An entry of a list. Without a text and a change it stands for everything in the function.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    file: String,
    function: String,
    change: Option<String>,
    text: Option<String>,
    /// How many places are called so.
    #[serde(default = "one")]
    times: usize,
    reason: String,
}

const fn one() -> usize {
    1
}

impl Entry {
    fn is_of(&self, place: &Place) -> bool {
        let fits = |wanted: &Option<String>, is: &String| wanted.as_ref().is_none_or(|w| w == is);
        self.file == place.file
            && self.function == place.function
            && fits(&self.change, &place.change)
            && fits(&self.text, &place.text)
    }
}

impl std::fmt::Display for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, {}", self.file, self.function)?;
        for part in self.change.iter().chain(&self.text) {
            write!(f, ", `{part}`")?;
        }
        Ok(())
    }
}

/// The file's form.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    place: Vec<Entry>,
}

/// A list.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct List(Vec<Entry>);

impl List {
    /// Reads a list; one that is missing is empty. Fails when it cannot be read, or has an entry without a reason.
    pub fn read(path: &Path) -> Result<Self> {
        if !path.exists() {
            return Ok(Self::default());
        }
        let text = fs::read_to_string(path)?;
        Self::parse(&text).with_context(|| path.display().to_string())
    }

    fn parse(text: &str) -> Result<Self> {
        let File { place: entries } = toml::from_str(text)?;
        for entry in &entries {
            ensure!(!entry.reason.trim().is_empty(), "{entry}: no reason");
            ensure!(entry.times > 0, "{entry}: 0 times");
        }
        Ok(Self(entries))
    }

    /// The reason that the list gives for a place.
    pub fn reason(&self, place: &Place) -> Option<&str> {
        let entry = self.0.iter().find(|entry| entry.is_of(place))?;
        Some(&entry.reason)
    }

    /// The entries that do not fit, in words, when `places` are all there are.
    pub fn stale(&self, places: &[Place]) -> Vec<String> {
        let stale = self.0.iter().filter_map(|entry| {
            let found = places.iter().filter(|place| entry.is_of(place)).count();
            let is_function = entry.change.is_none() && entry.text.is_none();
            let fits = found == entry.times || is_function && found > 0;
            (!fits).then(|| format!("{entry}: listed {} times, found {found} times", entry.times))
        });
        stale.collect()
    }
}

/// The text of a line of `source` from a column to another, or to its end; lines and columns from 1, in bytes.
pub fn text_at(source: &str, line: usize, column: usize, end: Option<usize>) -> Option<&str> {
    let line = source.lines().nth(line.checked_sub(1)?)?;
    let end = end.map_or(line.len(), |end| end.saturating_sub(1).min(line.len()));
    Some(line.get(column.checked_sub(1)?..end)?.trim())
}

/// The name of the function that a line of `source` is in, by the last line with `fn` until then.
pub(crate) fn function_at(source: &str, line: usize) -> Option<&str> {
    let lines: Vec<&str> = source.lines().take(line).collect();
    lines.iter().rev().find_map(|line| function_name(line))
}

/// The name of the function that begins on this line.
fn function_name(line: &str) -> Option<&str> {
    if line.trim_start().starts_with("//") {
        return None;
    }
    let mut words = line.split_whitespace();
    words.find(|&word| word == "fn")?;
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    words.next()?.split(|c| !is_name(c)).next()
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

    fn place(function: &str, text: &str) -> Place {
        Place {
            file: "f.rs".into(),
            function: function.into(),
            change: String::new(),
            text: text.into(),
        }
    }

    #[test]
    fn a_place_is_named_by_its_function_and_text() {
        assert_eq!(function_at(SOURCE, 4), Some("half"));
        assert_eq!(function_at(SOURCE, 1), None);
        assert_eq!(text_at(SOURCE, 4, 9, Some(20)), Some("return None"));
        assert_eq!(text_at(SOURCE, 3, 19, None), Some("{"));
        assert_eq!(text_at(SOURCE, 40, 9, None), None);
        assert_eq!(text_at(SOURCE, 3, 99, None), None);
    }

    #[test]
    fn an_entry_gives_a_reason_and_is_stale_when_its_places_differ() {
        let list = List::parse(
            "[[place]]\nfile = 'f.rs'\nfunction = 'half'\nchange = 'a to b'\ntext = 'a'\nreason = 'because'\n\
             [[place]]\nfile = 'f.rs'\nfunction = 'half'\ntext = 'b'\ntimes = 2\nreason = 'so'\n\
             [[place]]\nfile = 'f.rs'\nfunction = 'whole'\nreason = 'all of it'",
        )
        .unwrap();
        let mut changed = place("half", "a");
        assert_eq!(list.reason(&changed), None);
        changed.change = "a to b".into();
        assert_eq!(list.reason(&changed), Some("because"));
        assert_eq!(changed.to_string(), "f.rs, half: a to b `a`");
        assert_eq!(list.reason(&place("half", "c")), None);
        assert_eq!(list.reason(&place("whole", "c")), Some("all of it"));
        let rest = [("half", "b"), ("half", "b"), ("whole", "x"), ("whole", "y")];
        let rest = rest.map(|(function, text)| place(function, text));
        assert!(list.stale(&[&[changed][..], &rest].concat()).is_empty());
        assert_eq!(
            list.stale(&rest[..1]),
            [
                "f.rs, half, `a to b`, `a`: listed 1 times, found 0 times",
                "f.rs, half, `b`: listed 2 times, found 1 times",
                "f.rs, whole: listed 1 times, found 0 times",
            ]
        );
    }

    #[test]
    fn every_entry_has_a_reason() {
        let entry = "[[place]]\nfile = 'f'\nfunction = 'g'\ntext = 't'\n";
        for (text, why) in [
            (format!("{entry}reason = ' '"), "no reason"),
            (format!("{entry}reason = 'r'\ntimes = 0"), "0 times"),
            (format!("{entry}reason = 'r'\nline = 3"), "line"),
            (entry.to_owned(), "reason"),
        ] {
            let error = format!("{:#}", List::parse(&text).unwrap_err());
            assert!(error.contains(why), "{error}");
        }
    }
}
