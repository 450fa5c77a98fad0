# shellcheck shell=bash
# shellcheck disable=SC2154 # tests is of the script that sources this
# Runs tests that are functions of bash, in the files tests/$tests/FILE.sh, beside one another on engines of their own.
# Sourced by ci/test-portable and ci/test-site at the top of the work tree, which set `tests` and take a command
# `--on-engine FILE [NAME...]`: that one's last line is what `summary` prints.

export ROOT=$PWD
unset DIR
failed=0 passed=0 failures=()
logs=$(mktemp -d)
trap 'rm -rf -- "$logs"' EXIT

# run FILE [NAME...]: every test_* of the file in a shell and a directory of its own, in the file's order.
run() {
    local file=tests/$tests/$1.sh name names=("${@:2}") directory output before=$failed started
    ((${#names[@]})) || mapfile -t names < <(sed -n 's/^test_\([a-z0-9_]*\)() {.*/\1/p' "$file")
    for name in "${names[@]}"; do
        directory=$(mktemp -d) started=$SECONDS
        if output=$(cd "$directory" && T=$directory bash -euo pipefail -c '. "$1"; "test_$2"' test "$ROOT/$file" "$name" 2>&1); then
            printf 'ok    %3d s  %s %s\n' $((SECONDS - started)) "$1" "$name"
            grep '^measured: ' <<<"$output" | sed 's/^measured:/             /' || true
            passed=$((passed + 1))
        else
            printf 'FAIL  %s %s\n%s\n' "$1" "$name" "$(tail -n 60 <<<"$output" | sed 's/^/      /')"
            failed=$((failed + 1)) failures+=("$1 $name: $(grep '^failed: ' <<<"$output" | tail -n 1)")
        fi
        rm -rf -- "$directory"
        ((failed == before)) || [[ -z ${DIR-} ]] || return 1 # on the engine, each builds on the one before
    done
}

# can_docker: whether there can be an engine; where not, a line says that its tests are skipped.
can_docker() {
    ((EUID == 0)) || { skip_docker 'it needs root'; return; }
    command -v dockerd >/dev/null || { skip_docker 'there is no dockerd'; return; }
}
skip_docker() {
    echo "skipped: docker: $1"
    [[ ${CI-} != true ]] || { echo "CI=true, so that is a failure"; failed=$((failed + 1)); }
    return 1
}

# prepare VARIABLE COMMAND...: what it prints is in the variable, for the tests too.
prepare() {
    local printed
    printed=$("${@:2}") || { failed=$((failed + 1)) failures+=("${*:2}"); return 1; }
    export "$1=$printed"
}

# beside FILE [NAME...]: runs in the background on an engine of its own; what it says is in $logs until `gather`. The engine is
# this machine's, or what the command in the array `engine` brings.
engine=(ci/private-engine)
beside() { alone "$@" & }
alone() { "${engine[@]}" "$ROOT/ci/test-$tests" --on-engine "$@" >"$logs/$1.${engine[*]//[^a-z]/-}" 2>&1; }
gather() {
    local log line
    wait
    for log in "$logs"/*; do
        grep -v -E "^(FAIL  .*: |$tests: )" "$log" || true
        line=$(grep "^$tests: " "$log" | tail -n 1)
        if [[ $line =~ ^$tests:\ ([0-9]+)\ passed,\ ([0-9]+)\ failed ]]; then
            passed=$((passed + BASH_REMATCH[1])) failed=$((failed + BASH_REMATCH[2]))
        else
            failed=$((failed + 1)) failures+=("${log##*/} did not come to its end")
        fi
        while read -r line; do failures+=("${line#FAIL  }"); done < <(sed "1,/^$tests: /!d" "$log" | grep '^FAIL  .*: ')
    done
}

summary() {
    ((${#failures[@]} == 0)) || printf 'FAIL  %s\n' "${failures[@]}"
    echo "$tests: $passed passed, $failed failed"
    ((failed == 0))
}
