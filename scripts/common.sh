# shellcheck shell=bash
# What the scripts share: they run in the project's root, print alike, and take versions from Cargo.toml.
# Sourced, never run.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT"

# Tools that only the tests need: in the project, never in the system.
# shellcheck disable=SC2034 # read by those that source this
TOOLS=$ROOT/target/tools

# The exit code of `cargo campaign` when there are findings.
# shellcheck disable=SC2034 # as above
FINDS=3

# Prints progress on standard error: standard output is for the script's result.
log() { printf '%s\n' "$*" >&2; }

# Prints an error and exits.
die() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

# The header comment of the calling script is its help.
help() { sed -n '/^# shellcheck/d; 2,/^[^#]/ { /^#/ s/^# \{0,1\}//p }' "$0"; }

# Prints the help and exits when the first argument asks for it.
help_if_asked() {
    case ${1:-} in
    -h | --help)
        help
        exit 0
        ;;
    esac
}

# The version that Cargo.toml pins NAME to (`NAME = "=1.2.3"`).
pinned() {
    local version
    version=$(sed -n "s/^$1 = \"=\([0-9.]*\)\".*/\1/p" Cargo.toml)
    [[ -n $version ]] || die "Cargo.toml does not pin $1 to one version"
    printf '%s\n' "$version"
}

# Whether the command NAME is installed.
have() { command -v "$1" >/dev/null 2>&1; }

# Appends a file to the page of a GitHub job; elsewhere, does nothing.
to_job_page() {
    if [[ -n ${GITHUB_STEP_SUMMARY:-} ]]; then cat "$1" >>"$GITHUB_STEP_SUMMARY"; fi
}

# Builds the tool with its progress shown: `cargo campaign` builds it silently.
build_campaign() { cargo build --locked --release --package campaign; }
