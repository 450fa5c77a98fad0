# shellcheck shell=bash
# What the tests without Docker share: a portable folder, and a host in the state that a test needs (a silent
# Docker, two network cards): a fake of that one command is put on PATH. Sourced by them.

SCRIPT=$ROOT/portable/run-portable.sh
FOLDER=$T/folder
INSTALL=$T/install/func

fail() {
    printf 'failed: %s\n' "$*" >&2
    exit 1
}

# A portable folder whose archives are small files with true digests, and a host without Docker: PATH has
# every command of this machine but these.
make_folder() {
    local name kind entries=''
    mkdir -p "$FOLDER" "$T/bin" "$T/engine/docker"
    cp "$SCRIPT" "$ROOT/portable/docker.service" "$ROOT/portable/docker-stack.example.yaml" "$FOLDER/"
    for name in mysql redis eclipse-mosquitto dataflux-func; do echo "$name" >"$FOLDER/$name.tar.gz"; done
    printf '#!/bin/sh\necho Docker version 24.0.9, build fake\n' >"$T/engine/docker/dockerd"
    chmod +x "$T/engine/docker/dockerd"
    tar -C "$T/engine" -czf "$FOLDER/docker-18.06.3-ce.tgz" docker
    for name in mysql.tar.gz redis.tar.gz eclipse-mosquitto.tar.gz dataflux-func.tar.gz docker-18.06.3-ce.tgz docker.service docker-stack.example.yaml; do
        kind='file'
        [[ $name != docker-*.tgz ]] || kind=engine
        entries+="${entries:+, }{ \"name\": \"$name\", \"kind\": \"$kind\", \"size\": $(stat -c %s "$FOLDER/$name"), \"digest\": \"sha256:$(sha256sum "$FOLDER/$name" | cut -d ' ' -f 1)\" }"
    done
    printf '{ "schemaVersion": 1, "name": "dataflux-func", "version": "1.0.0", "artifacts": [ %s ] }\n' "$entries" >"$FOLDER/manifest.json"
    cp -s -n /usr/sbin/* /usr/bin/* "$T/bin/" 2>/dev/null || true
    rm -f "$T"/bin/docker* "$T"/bin/podman* "$T/bin/getenforce" "$T/bin/firewall-cmd"
    fake iptables 'exit 0'
    fake nproc 'echo 4'
    fake ip 'case "$*" in *addr*) echo "2: eth0    inet 192.0.2.10/24 scope global eth0" ;; esac'
    fake ss 'exit 0'
}

fake() { # fake NAME BODY
    rm -f "$T/bin/$1"
    printf '#!/bin/sh\n%s\n' "$2" >"$T/bin/$1"
    chmod +x "$T/bin/$1"
}

# A Docker that answers, of VERSION and swarm STATE (two words and the node's id).
fake_docker() {
    fake docker "case \"\$*\" in
        --version) echo Docker version $1 ;;
        'version --format'*) echo $1 ;;
        *LocalNodeState*) echo ${2:-active true node1} ;;
        *DockerRootDir*) echo / ;;
        'secret inspect'*) exit 1 ;;
    esac"
}

# listen PORT: something listens there, or for 0 on the free port LISTENING, until `kill "$LISTENER_PID"`.
# shellcheck disable=SC2034 # read by the tests
listen() {
    coproc LISTENER { /usr/bin/python3 -c 'import errno, socket, sys
port = int(sys.argv[1])
try:
    server = socket.create_server(("127.0.0.1", port))
    port = server.getsockname()[1]
except OSError as error: # a swarm of this host has its ports
    if error.errno != errno.EADDRINUSE: raise
print(port, flush=True)
input()' "$1"; }
    read -r LISTENING <&"${LISTENER[0]}"
}

OUTPUT=''
# run CODE ARGUMENT...: the script in the folder ends with CODE; what it said is in OUTPUT.
run() {
    local code=$1 got=0
    shift
    OUTPUT=$(PATH=$T/bin BASH_COMPAT=4.2 bash "$FOLDER/run-portable.sh" "$@" 2>&1 </dev/null) || got=$?
    printf -- '--- %s\n%s\n' "$*" "$OUTPUT"
    [[ $got -eq $code ]] || fail "'$*' ended with $got, not $code"
}
said() {
    local text
    for text in "$@"; do [[ $OUTPUT == *"$text"* ]] || fail "it did not say: $text"; done
}
silent() {
    local text
    for text in "$@"; do [[ $OUTPUT != *"$text"* ]] || fail "it said: $text"; done
}
# plan ARGUMENT...: a dry run, whatever it finds on this host.
plan() {
    OUTPUT=$(PATH=$T/bin bash "$FOLDER/run-portable.sh" --dry-run --install-dir "$INSTALL" "$@" 2>&1 </dev/null) || true
    printf -- '--- %s\n%s\n' "$*" "$OUTPUT"
    [[ ! -e $INSTALL ]] || [[ -e $T/installed ]] || fail 'a dry run made the install dir'
}

# in_script CODE: bash code where the script's functions are defined.
in_script() {
    BASH_COMPAT=4.2 bash -euo pipefail -c '. "$1"; set -- --install-dir "$2"; parse "$@"; '"$1" script "$FOLDER/run-portable.sh" "$INSTALL"
}
