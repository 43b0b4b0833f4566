#!/bin/sh
# Judges an input by its first letter, and counts the runs.
words='"case":{"words":"VHDX, as the script has it","rust":"fn main() {}"}'
vhdx='"part":{"name":"calculator","format":"vhdx"}'
panics() {
    place="{\"file\":\"crates/vhd/src/lib.rs\",\"line\":$2}"
    crash="\"crash\":{\"panic\":{\"message\":\"attempt to add $1 with overflow\",\"place\":$place}}"
    fails subject.no_panic no_crash "$vhdx,$words,$crash"
}
answers() {
    due='"expected":{"error":{"kind":"InvalidOption","words":""}}'
    fails calc.answer_is_exact exact "$vhdx,$words,$due,\"actual\":$1"
}
run() {
    echo run >> "$(dirname "$0")/runs"
    case $(head -c 1 "$1") in
    H) sleep 60 ;;
    A) kill -ABRT $$ ;;
    P) panics "$(wc -c < "$1")" 7 ;;
    Q) panics 1 9 ;;
    R) answers '{"values":[["fully_allocated",2],["required",1]]}' ;;
    S) answers '{"error":{"kind":"InvalidSize","words":"too large"}}' ;;
    F) if [ -e "$(dirname "$0")/seen" ]; then fails scan.reads_bounded work "$vhdx"
       else : > "$(dirname "$0")/seen"; pass; fi ;;
    *) pass ;;
    esac
}
