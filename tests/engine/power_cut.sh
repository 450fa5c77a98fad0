# shellcheck shell=bash
# shellcheck disable=SC2154 # T, fail and killed are of the files that source this
# The power goes in the middle of a change, for the tests of every product: whatever runs is gone at once, the engine and its
# containers too, and so is what is in memory only. What a disk forgets is not part of it; tests/it/crash and ci/drill have that.

# power_cut PHASE COMMAND...: the command with the engine, as soon as the journal is in that phase; then the engine is there
# again, as after a boot.
power_cut() {
    local engine containers mount link i
    mapfile -d '' -t engine <"/proc/$(cat /run/docker.pid)/cmdline"
    killed "$@"
    containers=$(docker ps -q --no-trunc)
    engine_is_killed "$containers"
    # What a boot begins with: nothing mounted, no networks, an empty /run.
    while read -r mount; do umount -l "$mount" || true; done < <(awk '$5 ~ "^(/var/lib/docker|/run/docker)/" { print $5 }' /proc/self/mountinfo | sort -r)
    rm -rf /run/docker /run/docker.pid /run/docker.sock
    while read -r link; do ip link del "$link" 2>/dev/null || true; done < <(ip -o link | sed -n 's/^[0-9]*: \(docker[^:@]*\|veth[^:@]*\|br-[^:@]*\).*/\1/p')
    for i in filter nat mangle; do iptables -t "$i" -F && iptables -t "$i" -X; done
    setsid "${engine[@]}" >"$DIR/dockerd.log" 2>&1 </dev/null &
    for ((i = 0; i < 600; i++)); do
        ! docker version >/dev/null 2>&1 || return 0
        sleep 0.1
    done
    fail "the engine does not come up again: $(tail -n 20 "$DIR/dockerd.log")"
}

# engine_is_killed CONTAINERS: all of it, each process by its number: the engine first, which would start the others again.
engine_is_killed() {
    local pids pid containerd
    pids=("$(cat /run/docker.pid)")
    containerd=$(cat /run/docker/containerd/containerd.pid)
    pids+=("$containerd")
    for pid in /proc/[0-9]*; do
        case $(cat "$pid/comm" 2>/dev/null) in containerd-shim* | docker-proxy) pids+=("${pid#/proc/}") ;; esac
    done
    # shellcheck disable=SC2086 # a word each
    for pid in $(docker inspect --format '{{.State.Pid}}' $1); do pids+=("$pid"); done
    kill -KILL "${pids[@]}" 2>/dev/null || true
    for ((i = 0; i < 300; i++)); do
        kill -0 "${pids[@]}" 2>/dev/null || return 0
        sleep 0.1
    done
    fail 'something of the engine still runs'
}
