# shellcheck shell=bash
# shellcheck disable=SC2154 # DIR, STAND_INS ... are of ci/test-portable
# What docker.sh, trouble.sh and moves.sh do with an installation on a real engine, and ask of it. Sourced by them;
# $DIR outlives a test.

INSTALL=$DIR/func
# shellcheck disable=SC2034 # read by the tests
OLD=$DIR/1.0.0
# shellcheck disable=SC2034 # read by the tests
NEW=$DIR/1.0.1
PORT=18088
REGISTRY=$DIR/registry
FULL=$DIR/full

fail() {
    printf 'failed: %s\n' "$*" >&2
    exit 1
}
# folder VERSION: a copy of that portable folder whose files may be changed. Its services are asked for their health
# every two seconds instead of ten, because each of many installations waits for the first answer; the minute in which
# a service that runs may fail to answer stays a minute.
folder() {
    [[ ! -d $DIR/$1 ]] || return 0
    cp -a "$STAND_INS/$1" "$DIR/$1"
    sed -i 's/^\( *interval:\) 10s$/\1 2s/; s/^\( *retries:\) 6$/\1 30/' "$DIR/$1/docker-stack.example.yaml"
    pin "$DIR/$1" docker-stack.example.yaml
}

# pin FOLDER NAME: the manifest there has this artifact's size and digest as they are now.
pin() {
    /usr/bin/python3 - "$@" <<'PY'
import hashlib, json, pathlib, sys
folder, name = pathlib.Path(sys.argv[1]), sys.argv[2]
data, path = (folder / name).read_bytes(), folder / "manifest.json"
manifest = json.loads(path.read_text())
for artifact in manifest["artifacts"]:
    if artifact["name"] == name:
        artifact.update(size=len(data), digest="sha256:" + hashlib.sha256(data).hexdigest())
path.write_text(json.dumps(manifest, indent=1))
PY
}

install() { bash "$1/run-portable.sh" --install-dir "$INSTALL" --timeout 300 "${@:2}"; }
verb() { bash "$INSTALL/run-portable.sh" "$@"; }

# broken_off SIGNAL TEXT SCRIPT ARGUMENT...: the script, sent SIGNAL as soon as it has said TEXT.
broken_off() {
    local signal=$1 text=$2 pid i
    setsid bash "${@:3}" >"$T/broken_off" 2>&1 </dev/null &
    pid=$!
    for ((i = 0; i < 3000; i++)); do
        ! grep -q -- "$text" "$T/broken_off" || break
        sleep 0.1
    done
    kill "-$signal" -- "-$pid"
    wait "$pid" && fail "it ended well"
    # All of the group has been told to end, but on a busy host not all of it has, and it shares the script's lock.
    flock --timeout 60 /run/dataflux-func-portable.lock true || fail 'something of it still runs'
    cat "$T/broken_off"
    grep -q -- "$text" "$T/broken_off" || fail "it never said: $text"
}
# interrupted TEXT FOLDER ARGUMENT...: an install that is killed as soon as it has said TEXT.
interrupted() { broken_off KILL "$1" "$2/run-portable.sh" --install-dir "$INSTALL" "${@:3}"; }

# refused CODE TEXT COMMAND...: the command ends with CODE and says TEXT.
refused() {
    local code=$1 text=$2 output got=0
    shift 2
    output=$("$@" 2>&1 </dev/null) || got=$?
    printf '%s\n' "$output"
    [[ $got -eq $code ]] || fail "$* ended with $got, not $code"
    [[ $output == *"$text"* ]] || fail "$* did not say: $text"
}

app() { # app FIELD: what Func itself says on its page
    curl -fsS --max-time 10 "http://127.0.0.1:$PORT/client-app" |
        /usr/bin/python3 -c 'import json, sys; print(json.load(sys.stdin).get(sys.argv[1]))' "$1"
}
eventually() { # eventually EXPECTED COMMAND...
    local expected=$1 got='' i
    shift
    for ((i = 0; i < 60; i++)); do
        got=$("$@" 2>/dev/null) || true
        [[ $got != "$expected" ]] || return 0
        sleep 1
    done
    fail "$* says '$got', not '$expected'"
}
services() { docker service ls --filter label=com.docker.stack.namespace=dataflux-func --format '{{.Name}} {{.Replicas}}' | sort | paste -s -d ' '; }
container() { docker ps -q --filter "label=com.docker.swarm.service.name=dataflux-func_$1" | head -n 1; }
# shellcheck disable=SC2016 # the container's shell expands it
sql() { docker exec -i "$(container mysql)" sh -c 'MYSQL_PWD=$(cat /run/secrets/mysql-root-password) exec mysql -N -B dataflux_func -e "$1"' sql "$1"; }
mode() { stat -c %a "$1"; }

# clean_up: nothing is left of any of their tests.
clean_up() {
    [[ ! -e $INSTALL/run-portable.sh ]] || bash "$INSTALL/run-portable.sh" uninstall --purge --yes >/dev/null 2>&1
    docker rm -f dff-test-mysql dff-test-redis >/dev/null 2>&1
    [[ ! -e $REGISTRY/pid ]] || kill "$(cat "$REGISTRY/pid")" 2>/dev/null
    ! mountpoint -q "$FULL" || umount "$FULL"
    docker image ls --format '{{.Repository}}:{{.Tag}}' | grep -E '^((pubrepo\.jiagouyun\.com|127\.0\.0\.1:15000)/dataflux-func/|dff-test-)' |
        xargs -r docker image rm >/dev/null 2>&1
    return 0
}
