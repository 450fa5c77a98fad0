# shellcheck shell=bash
# How long something took, for the tests of every product.

seconds() { # seconds WHAT COMMAND...
    local started=$EPOCHREALTIME
    "${@:2}"
    printf 'measured: %s: %s\n' "$1" "$(awk -v a="$started" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f s", b - a }')"
}
