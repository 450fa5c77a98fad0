# shellcheck shell=bash
# shellcheck disable=SC2154 # T, STATE, fail and is_in are of the file that sources this
# A change that is killed in the middle, for the tests of every product.

# killed PHASE COMMAND...: the command, with all that it started, as soon as the journal is in that phase.
killed() { killed_when "is_in $1" "${@:2}"; }

# killed_when CONDITION COMMAND...: as soon as the condition, words of a command, holds.
killed_when() {
    local condition pid i
    read -r -a condition <<<"$1"
    setsid "${@:2}" >"$T/killed" 2>&1 </dev/null &
    pid=$!
    for ((i = 0; i < 20000; i++)); do
        ! "${condition[@]}" || break
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.01
    done
    kill -KILL -- "-$pid" 2>/dev/null || true
    ! wait "$pid" || fail "it ended well, without: $1"
    # Who waits for whom dies first; the last of them had the lock.
    for ((i = 0; i < 100; i++)); do
        ! flock -n "$STATE/lock" true || break
        sleep 0.1
    done
    cat "$T/killed"
    "${condition[@]}" || fail "it never was so: $1"
}
