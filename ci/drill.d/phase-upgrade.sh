# shellcheck shell=bash
# shellcheck disable=SC2154 # work, transcript, first ... are of ci/drill and its other parts
# The update from the sticks. Neither a kernel nor a boot is at stake, so it runs on an engine of this host in namespaces of
# its own, which is several times faster than the emulated machine. Sourced by ci/drill.

phase_upgrade() {
    local line
    # What is a fact goes to the terminal too.
    # shellcheck disable=SC2086 # a word a service
    if ! ci/private-engine bash ci/drill.d/upgrade-on-engine.sh "$work/sticks" "$first" "$second" $all_services mosquitto 2>&1 |
        while IFS= read -r line; do
            if [[ $line == '  ok  '* || $line == '      while '* ]]; then say "$line"; else printf '        %s\n' "$line" >>"$transcript"; fi
        done; then
        die 'the update does not hold; the last it said:' "$(tail -n 20 "$transcript")"
    fi
}
