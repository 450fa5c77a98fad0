#!/usr/bin/env bash
# The update, in namespaces of its own: ci/private-engine bash ci/drill.d/upgrade-on-engine.sh STICKS FIRST SECOND SERVICE...
# STICKS holds the images of both sticks, FIRST and SECOND are the names of the bundles of 1.0.0 and 1.0.1 on them, the
# services are those that run afterwards. A line a fact, which begins with two blanks; anything else is what the programs say.
set -euo pipefail

sticks=$1 first=$2 second=$3
shift 3
DIR=/usr/local/dataflux-func PORT=8088
# shellcheck source=ci/drill.d/guest-tools.sh
source "${BASH_SOURCE[0]%/*}/guest-tools.sh"

fail() {
    printf 'does not hold: %s\n' "$*"
    exit 1
}
ok() { printf '  ok  %s\n' "$*"; }

# ends STATUS COMMAND...: what it says is in $said.
ends() {
    local got=0
    said=$("${@:2}" 2>&1 </dev/null) || got=$?
    printf '%s\n' "$said"
    ((got == $1)) || fail "${*:2} ends with $got, not $1"
}
version_is() { [[ $(client_app | json version) == "$1" ]]; }
row() { sql 'SELECT id, queue, worker, done FROM func_task WHERE id = 1'; }
has_row() { [[ -n $(row) ]]; }
has_more() { (($(sql 'SELECT COUNT(*) FROM func_task') > rows)); }

# The host's /tmp is not ours alone.
export TMPDIR=/run/temporary
mkdir -m 1777 "$TMPDIR"
for stick in 1-first 2-second; do
    mkdir "/run/$stick"
    # Not every host's kernel knows vfat; that sticks can be read is for the emulated machine.
    mount -t tmpfs tmpfs "/run/$stick"
    mcopy -i "$sticks/$stick.img" -- '::*' "/run/$stick"
    mount -o remount,ro,noexec "/run/$stick"
done

ends 0 sh "/run/1-first/$first" --mqtt
set_up || fail 'it can be set up'
until_holds 60 is_set_up
version_is 1.0.0 || fail 'Func is 1.0.0'
until_holds 240 has_row
before=$(row)
ok '1.0.0 runs, installed from the stick'

poll_start
ends 3 sh /run/2-second/damaged.run
sleep 3 # a refusal is quicker than a question
poll_stop
[[ $(poll_result) == 'good '[1-9]*', none 0, '* ]] || fail "1.0.0 answered all the while: $(poll_result)"
version_is 1.0.0 || fail 'Func is still 1.0.0'
ok 'a 1.0.1 with one bit changed is refused with exit 3, and 1.0.0 answered all the while'

poll_start
ends 0 sh "/run/2-second/$second"
sleep 3
poll_stop
version_is 1.0.1 || fail 'Func is 1.0.1 now'
ok 'sh x.run of 1.0.1, without options: Func is 1.0.1 now'
printf '      while it was updated: %s from the last good answer to the next good one\n' "$(poll_result | grep -o 'down [0-9.]* s')"
services "$@"
ok 'the options of the first run still hold: all services, MQTT too'
[[ $(row) == "$before" ]] || fail "the row is as it was: $before"
rows=$(sql 'SELECT COUNT(*) FROM func_task')
until_holds 120 has_more
ok 'the row is still there, and new ones come'

ends 3 sh "/run/1-first/$first"
[[ $said == *older* ]] || fail 'it says that it is the older one'
version_is 1.0.1 || fail '1.0.1 still runs'
ok '1.0.0 over 1.0.1 is refused, and says why'
nothing_left "$TMPDIR"
ends 0 pack site uninstall --purge --yes
[[ -z $(docker ps -aq) && -z $(docker volume ls -q) && ! -e $DIR ]] || fail 'nothing of it is left'
ok 'nothing is left of it, in the folder for temporary files neither'
