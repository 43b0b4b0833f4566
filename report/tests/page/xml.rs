//! Reads a page as XML, as strictly as these tests need it.

use std::collections::BTreeMap;

/// An element's start tag.
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) attributes: BTreeMap<String, String>,
}

/// Reads a page as XML and gives its elements and its text, without its style, or says what is not well-formed.
pub(crate) fn read(page: &str) -> Result<(Vec<Element>, String), String> {
    let mut elements = Vec::new();
    let mut text = String::new();
    let mut open: Vec<String> = Vec::new();
    let mut rest = page
        .strip_prefix("<!DOCTYPE html>\n")
        .ok_or("no document type")?;
    while let Some(at) = rest.find('<') {
        if open.last().is_none_or(|name| name != "style") {
            text += &characters(&rest[..at])?;
            text.push(' ');
        }
        let end = rest[at..].find('>').ok_or("a tag without an end")? + at;
        let tag = &rest[at + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            let opened = open.pop();
            if opened.as_deref() != Some(name) {
                return Err(format!("</{name}> ends {opened:?}"));
            }
            continue;
        }
        let (tag, is_empty) = match tag.strip_suffix('/') {
            Some(tag) => (tag, true),
            None => (tag, false),
        };
        let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        if name.is_empty()
            || !name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        {
            return Err(format!("<{tag}> has no name"));
        }
        elements.push(Element {
            name: name.to_owned(),
            attributes: attributes_of(attributes)?,
        });
        if !is_empty {
            open.push(name.to_owned());
        }
    }
    if !open.is_empty() || !rest.trim().is_empty() {
        return Err(format!("open at the end: {open:?}; after it: {rest:?}"));
    }
    Ok((elements, text))
}

fn attributes_of(mut rest: &str) -> Result<BTreeMap<String, String>, String> {
    let mut attributes = BTreeMap::new();
    while !rest.is_empty() {
        let bad = || format!("attribute {rest:?}");
        let (name, after) = rest.split_once("=\"").ok_or_else(bad)?;
        let (value, after) = after.split_once('"').ok_or_else(bad)?;
        if attributes
            .insert(name.to_owned(), characters(value)?)
            .is_some()
        {
            return Err(format!("attribute {name} twice"));
        }
        rest = after.strip_prefix(' ').unwrap_or(after);
    }
    Ok(attributes)
}

/// Text without its entities.
fn characters(text: &str) -> Result<String, String> {
    let mut result = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        result += &rest[..at];
        let (entity, after) = rest[at + 1..].split_once(';').ok_or("a bare &")?;
        result.push(match entity {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "#39" => '\'',
            _ => return Err(format!("&{entity};")),
        });
        rest = after;
    }
    result += rest;
    match result
        .chars()
        .find(|&character| character.is_control() && character != '\n')
    {
        Some(character) => Err(format!("{character:?} in a text")),
        None => Ok(result
            .replace(['\u{202f}', '\u{a0}'], " ")
            .replace('\u{2060}', "")),
    }
}
