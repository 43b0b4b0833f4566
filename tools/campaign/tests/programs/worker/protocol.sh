#!/bin/sh
# The end of a replay worker that is a shell script: what it may answer, and the protocol. What stands before it defines
# `run FILE`, and may define `describe FILE` and `known`. `run` calls `pass`, `rejected`, or `fails CHECK LAYER FIELDS`,
# with more fields of a violation.
reply() { printf '{"reply":%s}\n' "$1"; }
pass() { reply '{"verdict":{"verdict":"pass"}}'; }
rejected() { reply '{"verdict":{"verdict":"rejected","why":"no case"}}'; }
command -v describe >/dev/null || describe() { rejected; }
fails() {
    fields="\"check\":\"$1\",\"layer\":\"$2\",\"statement\":\"the stand-in keeps its word\",$3"
    reply "{\"verdict\":{\"verdict\":\"fail\",$fields}}"
}
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
