# shellcheck shell=bash
# `cargo TOOL` as well. Everything else after `cargo` is for the completion that was there before.
if ! complete -p cargo &>/dev/null; then
    for _TOOL_loader in _comp_load __load_completion _completion_loader; do
        declare -F "$_TOOL_loader" >/dev/null && "$_TOOL_loader" cargo &>/dev/null && break
    done
    unset _TOOL_loader
fi
if [[ $(complete -p cargo 2>/dev/null) != *_TOOL_after_cargo* ]]; then
    _TOOL_cargos_own=$(complete -p cargo 2>/dev/null | sed -n 's/.* -F \([^ ]*\) .*/\1/p')
fi
_TOOL_after_cargo() {
    if [[ ${COMP_WORDS[1]-} == TOOL ]] && ((COMP_CWORD > 1)); then
        COMP_WORDS=("${COMP_WORDS[@]:1}")
        COMP_CWORD=$((COMP_CWORD - 1))
        _TOOL TOOL "$2" "$3"
    elif [[ -n $_TOOL_cargos_own ]]; then
        "$_TOOL_cargos_own" "$@"
    fi
}
complete -F _TOOL_after_cargo -o bashdefault -o default cargo
