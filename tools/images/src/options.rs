//! `-o name=value,...` lists and their types.
//!
//! The language is QEMU's (`util/qemu-option.c`): a comma inside a value is doubled; `name` alone is
//! `name=on` and `noname` is `name=off`; every value must be of its option's type, also one that a
//! later one of the same name overrides.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};

use super::quantity;

/// The type of an option's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    /// `on` or `off`; also `yes`, `true`, `y`, `no`, `false`, `n`.
    Switch,
    /// A whole number: decimal, octal after `0`, or hexadecimal after `0x`.
    Number,
    /// Bytes, see [`quantity`].
    Size,
}

/// An option: its name, its type, and what it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spec {
    pub name: &'static str,
    /// The type of its value.
    pub kind: Kind,
    /// What it is, in one line.
    pub about: &'static str,
}

/// The options in a table: a line each, of its name, its type (`text`, `switch`, `number` or `size`) and what
/// it is.
pub(crate) fn specs(table: &'static str) -> Vec<Spec> {
    let spec = |line: &'static str| {
        let (name, rest) = line.trim_start().split_once(' ')?;
        let (kind, about) = rest.trim_start().split_once(' ')?;
        let kind = match kind {
            "text" => Kind::Text,
            "switch" => Kind::Switch,
            "number" => Kind::Number,
            "size" => Kind::Size,
            _ => return None,
        };
        let about = about.trim_start();
        Some(Spec { name, kind, about })
    };
    table.lines().filter_map(spec).collect()
}

/// The options given; each the last of its name.
#[derive(Debug, Default)]
pub(crate) struct Options {
    values: BTreeMap<&'static str, Value>,
}

#[derive(Debug)]
enum Value {
    Text(String),
    Switch(bool),
    Number(u64),
}

impl Options {
    /// Reads `lists`, one an `-o`, in their order. Fails when a list is malformed, an option is not in `known`, or a
    /// value is not of its type; the message names it.
    pub(crate) fn parse(lists: &[String], known: &[Spec]) -> Result<Self> {
        let mut options = Self::default();
        for list in lists {
            for item in items(list)? {
                let (spec, text) = identify(&item, known)?;
                let value = value(spec.kind, &text)
                    .with_context(|| format!("-o {}={text:?}", spec.name))?;
                options.values.insert(spec.name, value);
            }
        }
        Ok(options)
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        match self.values.get(name) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// Whether a switch is on; off when it was not given.
    pub(crate) fn switch(&self, name: &str) -> bool {
        matches!(self.values.get(name), Some(Value::Switch(true)))
    }

    /// The number or the bytes of an option.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        match self.values.get(name) {
            Some(Value::Number(number)) => Some(*number),
            _ => None,
        }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// The names of options given that begin with `prefix`.
    pub(crate) fn with_prefix(&self, prefix: &str) -> impl Iterator<Item = &'static str> {
        let names = self.values.keys().copied();
        names.filter(move |name| name.starts_with(prefix))
    }

    /// Whether a base image is named. Fails when its name is empty, or only its format is given.
    pub(crate) fn names_base(&self) -> Result<bool> {
        ensure!(
            self.text("backing_file") != Some(""),
            "-o backing_file: a name is missing"
        );
        ensure!(
            self.has("backing_file") || !self.has("backing_fmt"),
            "-o backing_fmt needs backing_file"
        );
        Ok(self.has("backing_file"))
    }

    /// Checks an option that must be one of the `names`. Fails as [`choice`](Self::choice).
    pub(crate) fn one_of(&self, name: &str, names: &[&str]) -> Result<()> {
        let choices: Vec<_> = names.iter().map(|&name| (name, ())).collect();
        self.choice(name, &choices)
    }

    /// The text of an option that must be one of the `choices`; the first of them when it was not given. Fails when it
    /// is none of them; the message lists them.
    pub(crate) fn choice<T: Copy>(&self, name: &str, choices: &[(&str, T)]) -> Result<T> {
        let text = self.text(name).unwrap_or(choices[0].0);
        match choices.iter().find(|(choice, _)| *choice == text) {
            Some((_, meaning)) => Ok(*meaning),
            None => {
                let names: Vec<_> = choices.iter().map(|(choice, _)| *choice).collect();
                bail!("-o {name}={text:?}: expected one of {}", names.join(", "))
            }
        }
    }
}

/// The place and the name of a value in such a list of choices; those of the first one when it is not there.
pub(crate) fn choice_of<T: PartialEq>(
    choices: &[(&'static str, T)],
    value: &T,
) -> (u64, &'static str) {
    let place = choices.iter().position(|(_, other)| other == value);
    let place = place.unwrap_or(0);
    (place as u64, choices[place].0)
}

/// Splits name and value pairs: comma-separated, a comma in a value doubled. Fails when `list` is empty, or an item of
/// it is.
pub(crate) fn items(list: &str) -> Result<Vec<String>> {
    // No argument of a program contains a zero.
    let list = list.replace(",,", "\0");
    let items = list.split(',').map(|item| item.replace('\0', ","));
    let items: Vec<_> = items.collect();
    ensure!(
        !items.iter().any(String::is_empty),
        "invalid option list {list:?}: expected name=value,..."
    );
    Ok(items)
}

fn identify(item: &str, known: &[Spec]) -> Result<(Spec, String)> {
    let find = |name: &str| known.iter().copied().find(|spec| spec.name == name);
    if let Some((name, text)) = item.split_once('=') {
        if let Some(spec) = find(name) {
            return Ok((spec, text.to_owned()));
        }
        bail!("unknown option {name:?} (-o help lists those there are)");
    }
    if let Some(spec) = find(item) {
        return Ok((spec, "on".to_owned()));
    }
    if let Some(spec) = item.strip_prefix("no").and_then(find) {
        return Ok((spec, "off".to_owned()));
    }
    bail!("unknown option {item:?} (-o help lists those there are)");
}

fn value(kind: Kind, text: &str) -> Result<Value> {
    Ok(match kind {
        Kind::Text => Value::Text(text.to_owned()),
        Kind::Switch => Value::Switch(match text {
            "on" | "yes" | "true" | "y" => true,
            "off" | "no" | "false" | "n" => false,
            _ => bail!("expected on or off"),
        }),
        Kind::Number => Value::Number(number(text).context("expected a whole number")?),
        Kind::Size => Value::Number(quantity::parse(text)?),
    })
}

fn number(text: &str) -> Option<u64> {
    let text = text
        .trim_start()
        .strip_prefix('+')
        .unwrap_or(text.trim_start());
    let (digits, radix) = if let Some(digits) = text.strip_prefix("0x") {
        (digits, 16)
    } else if let Some(digits) = text.strip_prefix("0X") {
        (digits, 16)
    } else if text.len() > 1 && text.starts_with('0') {
        (&text[1..], 8)
    } else {
        (text, 10)
    };
    // `from_str_radix` would take a second sign.
    digits
        .bytes()
        .all(|byte| byte.is_ascii_hexdigit())
        .then(|| u64::from_str_radix(digits, radix).ok())?
}
