# shellcheck shell=bash
# shellcheck disable=SC2154 # STATE is of the file that sources this
# How far a change is that goes on meanwhile, for the tests of every product.

# is_in PHASE: the journal says so.
is_in() { grep -qs "\"$1\"" "$STATE/journal.json"; }

# a_change_begins: waits for its journal.
a_change_begins() {
    local i
    for ((i = 0; i < 3000; i++)); do
        [[ ! -e $STATE/journal.json ]] || return 0
        sleep 0.02
    done
}
