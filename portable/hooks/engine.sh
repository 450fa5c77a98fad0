#!/bin/bash
# Brings Docker to a host that has none: the carried one, which is nothing but files; and starts one that stands still. One
# that is there is never replaced.
#
#   engine.sh DRY_RUN PACK SOURCE ARGUMENT...    DRY_RUN: yes or no; the rest as for `pack site install`
#
# With 10 it ends where a dry run has to end, because nothing more can be looked at without a Docker.
set -euo pipefail
umask 077

readonly DRY_RUN=$1 PACK=$2
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly HERE UNIT=/etc/systemd/system/docker.service
# shellcheck source=portable/hooks/language.sh
. "$HERE/hooks/language.sh"
OTHER_PATH=$(t 'nothing was changed; is Docker in another place? then: %s before the same command' "PATH=\$PATH:/that/place")
readonly OTHER_PATH
STAGE=''
trap '[[ -z $STAGE ]] || rm -rf -- "$STAGE"' EXIT

say() { printf '%s\n' "$*"; }
die() { # die WHAT [LINE...]
    local line
    printf '%s: %s\n' "$(t error)" "$1" >&2
    for line in "${@:2}"; do printf '  %s\n' "$line" >&2; done
    exit 1
}
answers() { timeout 20 docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }
at_least() { [[ $(printf '%s\n%s\n' "$2" "$1" | sort -V | sed -n 1p) == "$2" ]]; }

# A Docker listens, whether or not its command is to be found. (Older systems' ss knows no -H.)
listens() { ss -lx 2>/dev/null | awk '{ for (i = 1; i <= NF; i++) if ($i ~ /^(\/var)?\/run\/docker\.sock$/) found = 1 } END { exit !found }'; }

# expect_no_other_error ARGUMENT...: whatever else is in the way is told before anything is changed. Where a file of the folder
# is missing or stale, there are no findings, but an error. ANSWER is what pack says.
expect_no_other_error() {
    local errors
    ANSWER=$("$PACK" --json site preflight "$@" 2>/dev/null | tr -d '\n') || true
    errors=$(tr '{' '\n' <<<"$ANSWER" | grep '"level": *"error"' | grep -v -E '"code": *"docker-(missing|silent)"') || true
    [[ $ANSWER != *'"error": {'* && -z $errors ]] || exec "$PACK" site preflight "$@"
}

# unpack NAME: the engine is started for its version alone: proof of architecture, libraries and intact bytes.
unpack() {
    local place why=''
    for place in "${TMPDIR:-/tmp}" /var/tmp /root; do # some of them may be mounted noexec
        STAGE=$(mktemp -d "$place/dataflux-func-engine.XXXXXX" 2>/dev/null) || continue
        if [[ -n ${PACK_BUNDLE-} ]]; then
            why=$("$PACK" cat --decompress "$PACK_BUNDLE" "$1" 2>&1 >"$STAGE/engine.tar") && why=$(tar -xf "$STAGE/engine.tar" -C "$STAGE" --no-same-owner 2>&1)
        else
            why=$(tar -xzf "$HERE/$1" -C "$STAGE" --no-same-owner 2>&1)
        fi && why=$("$STAGE/docker/dockerd" --version 2>&1) && VERSION=$(sed -n 's/.*version \([0-9][^, ]*\).*/\1/p' <<<"$why") && [[ -n $VERSION ]] && return 0
        rm -rf -- "$STAGE"
        STAGE=''
    done
    die "$(t 'the carried Docker Engine (%s) does not start on this host (%s): %s' "$1" "$(uname -m)" "$(head -n 5 <<<"$why" | paste -s -d ' ')")" \
        "$(t 'nothing was changed; room in /tmp and /var/tmp? df -h; is it for this host?')"
}

check_host() {
    local name
    [[ -d /run/systemd/system ]] || die "$(t 'there is no Docker, and no systemd to run the carried one')" \
        "$(t "nothing was changed; install and start Docker 18.06 or newer in this system's own way, then run again")"
    command -v iptables >/dev/null || die "$(t 'the command iptables is missing, Docker needs it')" \
        "$(t "nothing was changed; install the system's package iptables")"
    [[ $(stat -fc %T /sys/fs/cgroup) != cgroup2fs ]] || at_least "$VERSION" 20.10 ||
        die "$(t 'this system has cgroup v2 only, which the carried Docker %s does not know' "$VERSION")" \
            "$(t "nothing was changed; install the system's own Docker 20.10 or newer; or boot with systemd.unified_cgroup_hierarchy=0")"
    for name in "$STAGE"/docker/*; do
        name=${name##*/}
        [[ ! -e /usr/bin/$name ]] || cmp -s "/usr/bin/$name" "$STAGE/docker/$name" ||
            die "$(t '%s is here already, without the command docker; it is not replaced' "/usr/bin/$name")" "$OTHER_PATH"
    done
    [[ ! -e $UNIT ]] || cmp -s "$UNIT" "$HERE/docker.service" || die "$(t '%s is here already, and not ours; it is not replaced' "$UNIT")" \
        "$OTHER_PATH" "$(t 'else move that file away')"
}

# place MODE FILE TARGET: whole or not at all.
place() {
    { install -m "$1" "$2" "$3.tmp.$$" && mv -f -- "$3.tmp.$$" "$3"; } || die "$(t 'cannot write %s' "$3")" "$(t 'is the disk full? df -h; then the same command again')"
}

bring() {
    local file
    say "$(t 'installing Docker %s' "$VERSION")"
    place 644 "$HERE/docker.service" "$UNIT"
    # The command docker comes last: as long as it is not there, a repeated run installs again.
    for file in "$STAGE"/docker/*; do [[ ${file##*/} == docker ]] || place 755 "$file" "/usr/bin/${file##*/}"; done
    sync
    place 755 "$STAGE/docker/docker" /usr/bin/docker
    systemctl daemon-reload
}

start() {
    local i
    systemctl enable docker >/dev/null 2>&1 ||
        say "$(t 'systemctl enable docker failed: after a reboot, Docker and with it Func will not start by itself')" >&2
    timeout 600 systemctl start docker || die "$(t 'Docker does not start')" "$(t 'journalctl -u docker -n 50; then the same command again')"
    for ((i = 0; i < 90; i++)); do
        ! answers || return 0
        sleep 2
    done
    die "$(t 'Docker was started but does not answer')" "$(t 'journalctl -u docker -n 50; then the same command again')"
}

[[ -z ${DOCKER_HOST-} && -z ${DOCKER_CONTEXT-} ]] || exit 0 # pack says what is wrong with that
if command -v docker >/dev/null; then
    ! answers || exit 0
    # A Docker that stands still is started, whatever it is; every other silence is told by pack.
    [[ $(systemctl is-active docker 2>/dev/null || true) == inactive ]] && systemctl cat docker >/dev/null 2>&1 || exit 0
    if [[ $DRY_RUN == yes ]]; then say "$(t 'Docker is here, stands still, and would be started')"; exit 0; fi
    expect_no_other_error "${@:3}"
    say "$(t 'starting Docker')"
    start
    exit 0
fi
! listens || exit 0
grep -q '"kind": *"engine"' "$HERE/manifest.json" || exit 0 # pack says what is missing
[[ $EUID -eq 0 ]] || die "$(t 'this needs root rights')" "$(t 'the same command with sudo')"
expect_no_other_error "${@:3}"
NAME=$(sed -n 's/.*"engine": *"\([A-Za-z0-9._-]*\)".*/\1/p' <<<"$ANSWER")
[[ -n $NAME ]] || exit 0
[[ -n ${PACK_BUNDLE-} || -f $HERE/$NAME ]] || die "$(t 'there is no Docker, and %s is not in %s' "$NAME" "$HERE")" \
    "$(t 'fetch it: pack download; or copy the folder again')"
unpack "$NAME"
check_host
if [[ $DRY_RUN == yes ]]; then
    say "$(t 'there is no Docker here: %s would be installed from %s, with the unit docker.service; nothing else stands in the way' "$VERSION" "$NAME")"
    say "$(t 'Nothing was changed.')"
    exit 10 # the rest can be looked at with a Docker only
fi
bring
start
