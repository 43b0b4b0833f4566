//! A replay worker that is a shell script.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Speaks the protocol. The test's part of the script defines `run FILE`, and may define `describe FILE` and `known`.
const PROTOCOL: &str = r#"
while read -r request; do
    path=${request##*\"path\":\"}
    path=${path%%\"*}
    case $request in
    '"hello"') reply '{"hello":{"protocol":2,"targets":[],"checks":[],"known":'"${known:-[]}}}" ;;
    '"evaluations"') reply '{"evaluations":{"calc.stand_in":3}}' ;;
    *'"command":"describe"'*) describe "$path" ;;
    *) run "$path" ;;
    esac
done
"#;

/// What a script may answer: `pass`, `rejected`, or `fails CHECK LAYER FIELDS` with more fields of a violation.
const ANSWERS: &str = r#"#!/bin/sh
reply() { printf '{"reply":%s}\n' "$1"; }
pass() { reply '{"verdict":{"verdict":"pass"}}'; }
rejected() { reply '{"verdict":{"verdict":"rejected","why":"no case"}}'; }
describe() { rejected; }
fails() {
    fields="\"check\":\"$1\",\"layer\":\"$2\",\"statement\":\"the stand-in keeps its word\",$3"
    reply "{\"verdict\":{\"verdict\":\"fail\",$fields}}"
}
"#;

/// Writes a worker that runs inputs by this script.
pub(crate) fn write_worker(path: &Path, script: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, [ANSWERS, script, PROTOCOL].concat()).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}
