//! A triage as SARIF 2.1.0, which code scanning reads: a rule a check, a result a group.
//!
//! <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>. A result's place is where the code
//! under test panicked; a wrong answer has no line, and then it is the file of the target that found it.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::group::{Group, Report, Status, must_hold};
use super::issue::title;

/// The log of a report; `root` is the project's folder, below which places are looked for.
#[must_use]
pub fn sarif(report: &Report, root: &Path) -> Value {
    let reported: Vec<&Group> = report
        .groups
        .iter()
        .filter(|group| group.status != Status::Mended)
        .collect();
    let mut rules: BTreeMap<&str, usize> = BTreeMap::new();
    for group in &reported {
        rules.entry(&group.check).or_default();
    }
    for (index, value) in rules.values_mut().enumerate() {
        *value = index;
    }
    let results: Vec<Value> = reported
        .iter()
        .map(|group| result(report, group, rules[group.check.as_str()], root))
        .collect();
    let rules: Vec<Value> = rules.keys().map(|check| rule(check)).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "measure-fuzz",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "automationDetails": { "id": "campaign-triage/" },
            "columnKind": "utf16CodeUnits",
            "results": results,
        }],
    })
}

fn rule(check: &str) -> Value {
    let sentence = format!("{}.", must_hold(check));
    json!({
        "id": check,
        "name": check,
        "shortDescription": { "text": sentence },
        "fullDescription": { "text": sentence },
        "defaultConfiguration": { "level": "error" },
        "properties": { "tags": ["fuzzing"] },
    })
}

fn result(report: &Report, group: &Group, rule: usize, root: &Path) -> Value {
    let mut message = format!("{}.", title(group));
    if let Some(reproducer) = &group.reproducer {
        message += &format!(
            " Case: {}. Found by {} in {} inputs. Reproduce: {} replay --target {} {}",
            reproducer.words,
            group.engines.keys().cloned().collect::<Vec<_>>().join(", "),
            group.inputs.len(),
            report.command,
            group.target,
            reproducer.file,
        );
    }
    let (file, line) = place(group, root);
    json!({
        "ruleId": group.check,
        "ruleIndex": rule,
        "level": "error",
        "message": { "text": message },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": uri(&file), "uriBaseId": "%SRCROOT%" },
            "region": { "startLine": line },
        } }],
        "partialFingerprints": { "group/v1": group.id },
        "occurrenceCount": group.inputs.len().max(1),
    })
}

/// The file and line of a group: of the panic, or else the target's first line, as the project has it.
fn place(group: &Group, root: &Path) -> (String, u32) {
    if let Some(place) = &group.place
        && root.join(&place.file).is_file()
        && !Path::new(&place.file).is_absolute()
    {
        return (place.file.clone(), place.line.max(1));
    }
    let decoder = group.target.strip_prefix("fuzz_measure_");
    let decoder = decoder.map(|name| format!("harness-core/src/{name}.rs"));
    let libfuzzer = format!("libfuzzer-targets/fuzz_targets/{}.rs", group.target);
    let known = decoder.into_iter().chain([libfuzzer]);
    let file = known
        .into_iter()
        .find(|file| root.join(file).is_file())
        .unwrap_or_else(|| "Cargo.toml".to_owned());
    (file, 1)
}

/// A path as a URI: what may not stand in one is escaped.
fn uri(path: &str) -> String {
    path.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_uri() {
        assert_eq!(uri("crates/vhd/src/lib.rs"), "crates/vhd/src/lib.rs");
        assert_eq!(uri("a b/ü"), "a%20b/%C3%BC");
    }
}
