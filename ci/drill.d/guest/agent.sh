#!/bin/bash
# Inside the machine: runs what the drill sends over the virtio-serial port, one script at a time.
#
#   to here     ID SECONDS SCRIPT      the script in base64, on one line
#   from here   ready BOOT             once, when the agent starts
#               | TEXT                 a line of the script's output
#               done ID STATUS         its exit status; 124 when its time was over
#
# A script that leaves something running in the background gives it an output of its own.
set -u
port=/dev/virtio-ports/drill
until [[ -e $port ]]; do sleep 0.2; done
exec 3<>"$port"
mkdir -m 700 /run/drill 2>/dev/null || true
cd /root || exit 1
printf 'ready %s\n' "$(</proc/sys/kernel/random/boot_id)" >&3
while read -r id seconds script <&3; do
    base64 -d >"/run/drill/$id" <<<"$script"
    timeout --kill-after=10 "$seconds" bash "/run/drill/$id" </dev/null 2>&1 3>&- | sed -u 's/^/| /' >&3
    status=${PIPESTATUS[0]}
    rm -f "/run/drill/$id"
    # A line of its own, even where the output ends within a line, as a log does that lost its power.
    printf '\ndone %s %s\n' "$id" "$status" >&3
done
