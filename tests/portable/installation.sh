# shellcheck shell=bash
# shellcheck disable=SC2154 # DIR, T, STAND_INS ... are of ci/test-portable
# What the tests do with a Func on a real engine, and ask of it. Sourced by them; $DIR outlives a test.

INSTALL=$DIR/func
STATE=/var/lib/pack/dataflux-func
CONFIG=$INSTALL/data/user-config.yaml
# shellcheck disable=SC2034 # read by the tests
DUMPS=$INSTALL/data/sqldump
PORT=18088
ROW='SELECT COUNT(*) FROM func_task WHERE queue = 99'

fail() {
    printf 'failed: %s\n' "$*" >&2
    exit 1
}

bundle() { printf '%s/dataflux-func-%s-%s.run' "$BUNDLES" "$1" "$(uname -m)"; }
# func VERSION ARGUMENT...: the bundle of that version, with the arguments.
func() { sh "$(bundle "$1")" "${@:2}" </dev/null; }
install() { func "$1" --install-dir "$INSTALL" --port "$PORT" "${@:2}"; }
# verb WORD...: the script as it lies in the folder, which finds the pack that was installed.
verb() { PACK=/usr/local/lib/pack/pack bash "$STAND_INS/1.0.0/run-portable.sh" "$@"; }

# variant VERSION FROM: a folder like that of FROM whose files may be changed; then `publish VERSION`.
variant() {
    mkdir -p "$DIR/$1"
    cp -r "$STAND_INS/$2"/* "$DIR/$1/"
    sed -i "s/\"version\": .*/\"version\": \"$1\",/" "$DIR/$1/manifest.json"
}
publish() {
    "$PACK" lock --quiet --update --no-cache "$DIR/$1/manifest.json"
    "$PACK" bundle --quiet --compression fast -o "$BUNDLES" "$DIR/$1"
}
# changed_func VERSION SED-SCRIPT: a version whose Func has its func.py changed so; 1.0.0 is loaded.
changed_func() {
    local image=pubrepo.jiagouyun.com/dataflux-func/dataflux-func
    variant "$1" 1.0.0
    printf 'FROM %s:1.0.0\nRUN sed -i %s func.py && echo %s >version\n' "$image" "$(printf %q "$2")" "$1" |
        DOCKER_BUILDKIT=0 docker build -q -t "$image:$1" -
    rm "$DIR/$1/dataflux-func.tar.gz"
    docker save "$image:$1" | gzip -1 >"$DIR/$1/dataflux-func.tar.gz"
    docker image rm "$image:$1"
    sed -i "s|\($image\):.*|\1:$1|" "$DIR/$1/docker-stack.example.yaml"
    publish "$1"
}

# refused CODE TEXT COMMAND...: the command ends with CODE and says TEXT. What it says is in $T/said.
refused() {
    local got=0
    "${@:3}" >"$T/said" 2>&1 </dev/null || got=$?
    cat "$T/said"
    [[ $got -eq $1 ]] || fail "${*:3} ended with $got, not $1"
    [[ -z $2 ]] || grep -qF -- "$2" "$T/said" || fail "${*:3} did not say: $2"
}

page() { curl -sS -o /dev/null --max-time 10 -w '%{http_code} %{redirect_url}' "http://127.0.0.1:$PORT/"; }
app() { # app FIELD: what Func itself says on its page
    curl -fsS --max-time 10 "http://127.0.0.1:$PORT/client-app" |
        /usr/bin/python3 -c 'import json, sys; print(json.load(sys.stdin).get(sys.argv[1]))' "$1"
}
# set_up [LINES]: what a person does on the set-up page.
set_up() { [[ $(curl -fsS --max-time 60 --data-binary "${1-}" "http://127.0.0.1:$PORT/setup") == "done" ]]; }

eventually() { # eventually EXPECTED COMMAND...
    local expected=$1 got='' i
    for ((i = 0; i < 120; i++)); do
        got=$("${@:2}" 2>/dev/null) || true
        [[ $got != "$expected" ]] || return 0
        sleep 0.5
    done
    fail "${*:2} says '$got', not '$expected'"
}
services() { docker service ls --filter label=com.docker.stack.namespace=dataflux-func --format '{{.Name}} {{.Replicas}}' | sed 's/^dataflux-func_//' | sort | paste -s -d ' '; }
container() { docker ps -q --filter "label=com.docker.swarm.service.name=dataflux-func_$1" | head -n 1; }
# shellcheck disable=SC2016 # the container's shell expands it
sql() { docker exec -i "$(container mysql)" sh -c 'MYSQL_PWD=$(cat /run/secrets/mysql-root-password) exec mysql -N -B dataflux_func -e "$1"' sql "$1"; }
configured() { sed -n "s/^$1 *: *//p" "$CONFIG" | tr -d "'\""; }
mode() { stat -c %a "$1"; }

WORKERS='worker-0 1/1 worker-1-6 1/1 worker-7 1/1 worker-8-9 1/1'
# shellcheck disable=SC2034 # read by the tests
FULL="beat 1/1 mysql 1/1 redis 1/1 server 1/1 $WORKERS"

# whole VERSION: it runs, is set up, has the row of the tests, and nothing is under way.
whole() {
    [[ $(app version) == "$1" ]] || fail "$(app version) answers, not $1"
    eventually True app setUp
    [[ $(sql "$ROW") == 1 ]] || fail 'the row of the tests is not there'
    [[ ! -e $STATE/journal.json ]] || fail "a journal is left: $(cat "$STATE/journal.json")"
    verb status || fail "status ends with $?"
    images_are_those_of_the_receipt
}
images_are_those_of_the_receipt() {
    local id
    for id in $(docker ps -q --filter label=com.docker.stack.namespace=dataflux-func | xargs docker inspect --format '{{.Image}}' | sort -u); do
        grep -q "$id" "$STATE/receipt.json" || fail "the receipt has not $id, which runs: $(cat "$STATE/receipt.json")"
    done
}

# shellcheck source=tests/engine/killed.sh
source "${BASH_SOURCE[0]%/*}/../engine/killed.sh"
# shellcheck source=tests/engine/journal.sh
source "${BASH_SOURCE[0]%/*}/../engine/journal.sh"
# shellcheck source=tests/engine/measured.sh
source "${BASH_SOURCE[0]%/*}/../engine/measured.sh"

# A registry on this host; $DIR/registry has its log.
registry() {
    mkdir -p "$DIR/registry"
    printf 'version: 0.1\nstorage: {filesystem: {rootdirectory: %s/data}}\nhttp: {addr: 127.0.0.1:15000}\n' "$DIR/registry" >"$DIR/registry/config.yml"
    docker-registry serve "$DIR/registry/config.yml" >"$DIR/registry/log" 2>&1 &
    echo $! >"$DIR/registry/pid"
    eventually 200 curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:15000/v2/
}

clean_up() {
    [[ ! -e /etc/pack/dataflux-func.json ]] || verb uninstall --purge --yes >/dev/null 2>&1
    docker rm -f dff-test-mysql dff-test-redis dff-test-cluster >/dev/null 2>&1
    [[ ! -e $DIR/registry/pid ]] || kill "$(cat "$DIR/registry/pid")" 2>/dev/null
    return 0
}
