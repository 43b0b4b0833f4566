//! A triage as SARIF 2.1.0, which code scanning reads: a rule a check, a result a group.
//!
//! <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>. A result's place is where the code
//! under test panicked; a wrong answer has no line, and then it is the file of the target that found it.

use std::collections::BTreeMap;
use std::path::Path;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::group::{Group, Report, Status};
use super::issue::title;
use super::key;

/// What may not stand in a path of a URI.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'.')
    .remove(b'-')
    .remove(b'_')
    .remove(b'~');

/// The log of a report; `root` is the project's folder, below which places are looked for.
pub(crate) fn sarif(report: &Report, root: &Path) -> Value {
    let groups = report.groups.iter();
    let reported = groups.filter(|group| group.status != Status::Mended);
    let rules: BTreeMap<&str, &str> = reported
        .clone()
        .map(|group| (&*group.check, &*group.must_hold))
        .collect();
    let results = reported.map(|group| {
        let rule = rules.keys().position(|check| *check == group.check);
        result(report, group, rule.unwrap_or_default(), root)
    });
    let results: Vec<Value> = results.collect();
    let rules = rules.iter();
    let rules: Vec<Value> = rules
        .map(|(check, statement)| rule(check, statement))
        .collect();
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

fn rule(check: &str, statement: &str) -> Value {
    let sentence = format!("{statement}.");
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
        let violation = reproducer.violation.as_ref();
        if let Some(case) = violation.and_then(|violation| violation.case.as_ref()) {
            message += &format!(" Case: {}.", case.words);
        }
        message += &format!(
            " Found by {} in {} inputs. Reproduce: {} replay --target {} {}",
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
            "artifactLocation": { "uri": utf8_percent_encode(&file, ESCAPED).to_string(), "uriBaseId": "%SRCROOT%" },
            "region": { "startLine": line },
        } }],
        "partialFingerprints": { "group/v1": group.id },
        "occurrenceCount": group.inputs.len().max(1),
    })
}

/// The file and line of a group: of the panic, or else the target's first line, as the project has it.
fn place(group: &Group, root: &Path) -> (String, u32) {
    let reproducer = group.reproducer.as_ref();
    let violation = reproducer.and_then(|reproducer| reproducer.violation.as_ref());
    let panicked = violation.and_then(|violation| key::place(violation, root));
    if let Some(place) = panicked
        && root.join(&place.file).is_file()
        && !Path::new(&place.file).is_absolute()
    {
        return (place.file, place.line.max(1));
    }
    let target = format!("libfuzzer-targets/fuzz_targets/{}.rs", group.target);
    match root.join(&target).is_file() {
        true => (target, 1),
        false => ("Cargo.toml".to_owned(), 1),
    }
}
