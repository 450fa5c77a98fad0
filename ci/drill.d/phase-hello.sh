# shellcheck shell=bash
# shellcheck disable=SC2154 # work, transcript, pack ... are of ci/drill and its other parts
# The smallest product there is, all the way: proves the machine, the stick and the channel. It leaves the machine as
# bare as it was, for whatever comes next. Sourced by ci/drill.

phase_hello() {
    pack_provide
    base_provide # made by the connected phase
    local bundle=hello-1.0.0-x86_64.run
    mkdir -p "$work/hello"
    run_quietly engineer -q bundle examples/hello -o "$work/hello/$bundle"
    make_stick 0-hello PACKHELLO "$work/hello/$bundle"
    vm_new hello

    holds 60 'the machine has no network card but its own cable, no Docker, no curl, no python' <<'SCRIPT'
        set -e
        [[ $(ls /sys/class/net | paste -s -d ' ') == 'eth0 lo' ]]
        [[ -z $(ip route show default) ]]
        [[ ! -e /sys/class/net/eth0/device ]]
        ! command -v docker curl python3
SCRIPT
    holds 60 'the stick is vfat, mounted read-only and noexec' <<'SCRIPT'
        mount -o ro,noexec LABEL=PACKHELLO /media/stick && is_stick /media/stick
SCRIPT
    holds 300 'the bundle greets, from the stick' <<SCRIPT
        sh /media/stick/$bundle Ada 'two words'
SCRIPT
    said 'Hello, Ada!' 'its arguments arrive'
    said "  two words" 'each in one piece'
    ends 60 3 'with a byte added it is refused with exit 3' <<SCRIPT
        cp /media/stick/$bundle /root/ && echo >>/root/$bundle && sh /root/$bundle
SCRIPT
    holds 60 'no file is left in /tmp' <<'SCRIPT'
        rm -f /root/*.run
        umount /media/stick
        nothing_left /tmp /var/tmp
SCRIPT
}
