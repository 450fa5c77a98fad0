# shellcheck shell=bash
# shellcheck disable=SC2154 # DIR, T, WEBAPP ... are of ci/test-site
# What the tests do with a guest book on a real engine, and ask of it. Sourced by them; $DIR outlives a test.

INSTALL=$DIR/book
STATE=/var/lib/pack/guestbook
PORT=18080

fail() {
    printf 'failed: %s\n' "$*" >&2
    exit 1
}

bundle() { printf '%s/guestbook-%s-%s.run' "$BUNDLES" "$1" "$(uname -m)"; }
# book VERSION ARGUMENT...: the bundle of that version, with the arguments.
book() { sh "$(bundle "$1")" "${@:2}" </dev/null; }
install() { book "$1" install --install-dir "$INSTALL" --set "port=$PORT" "${@:2}"; }
site() { /usr/local/bin/pack site "$@" </dev/null; }
# json WORD...: site, which says one document of JSON and nothing else.
json() { site "$@" --json | python3 -c 'import json, sys; json.load(sys.stdin)'; }

# variant VERSION: a folder like that of 1.0.0 whose files may be changed; then `publish VERSION`.
variant() {
    mkdir "$DIR/$1"
    cp "$WEBAPP/1.0.0"/* "$DIR/$1/"
    sed -i "s/\"version\": .*/\"version\": \"$1\",/" "$DIR/$1/manifest.json"
}
publish() {
    "$PACK" lock --quiet --update --no-cache "$DIR/$1/manifest.json"
    "$PACK" bundle --quiet --compression fast -o "$BUNDLES" "$DIR/$1"
}

page() { curl -fsS --max-time 20 "http://127.0.0.1:$PORT/$1"; }
sign() { curl -fsS -o /dev/null --max-time 20 --data "$1" "http://127.0.0.1:$PORT/"; }
services() { docker service ls --filter label=com.docker.stack.namespace=guestbook --format '{{.Name}} {{.Replicas}}' | sort | paste -s -d ' '; }
container() { docker ps -q --filter "label=com.docker.swarm.service.name=guestbook_$1" | head -n 1; }
sql() { docker exec -i "$(container db)" psql -X -q -A -t -v ON_ERROR_STOP=1 -U guestbook guestbook -c "$1"; }

# refused CODE TEXT COMMAND...: the command ends with CODE and says TEXT. What it says is in $T/said.
refused() {
    local got=0
    "${@:3}" >"$T/said" 2>&1 || got=$?
    cat "$T/said"
    [[ $got -eq $1 ]] || fail "${*:3} ended with $got, not $1"
    [[ -z $2 ]] || grep -qF -- "$2" "$T/said" || fail "${*:3} did not say: $2"
}

eventually() { # eventually EXPECTED COMMAND...
    local expected=$1 got='' i
    for ((i = 0; i < 60; i++)); do
        got=$("${@:2}" 2>/dev/null) || true
        [[ $got != "$expected" ]] || return 0
        sleep 0.5
    done
    fail "${*:2} says '$got', not '$expected'"
}

# whole VERSION COUNT: it runs, has so many entries and takes one more, and nothing is under way.
whole() {
    [[ $(page version) == "$1" ]] || fail "$(page version) answers, not $1"
    [[ $(page count) == "$2" ]] || fail "there are $(page count) entries, not $2"
    sign "one more" || fail 'nobody can sign it'
    [[ $(page count) == $(($2 + 1)) ]] || fail 'what was signed is not there'
    [[ ! -e $STATE/journal.json ]] || fail "a journal is left: $(cat "$STATE/journal.json")"
    site status || fail "status ends with $?"
    images_are_those_of_the_receipt
}

images_are_those_of_the_receipt() {
    local id ids
    mapfile -t ids < <(docker ps -q --filter label=com.docker.stack.namespace=guestbook | xargs docker inspect --format '{{.Image}}' | sort -u)
    [[ ${#ids[@]} -eq 2 ]] || fail "not two images run: ${ids[*]}"
    for id in "${ids[@]}"; do
        grep -q "$id" "$STATE/receipt.json" || fail "the receipt has not $id, which runs: $(cat "$STATE/receipt.json")"
    done
}

# A guest who signs all the time, and knows what was taken: a line has a time, and what was signed then. Who is cut off
# while it signs does not know.
guest_comes() {
    OTHERS=$(others)
    rm -f "$T/gone"
    touch "$T/signed"
    (
        for ((i = 0; ; i++)); do
            ! sign "guest $$ $i" 2>/dev/null || printf '%s guest %s %s\n' "$EPOCHREALTIME" "$$" "$i" >>"$T/signed"
            # Nor does it outlive a test that fails.
            [[ -e $T/signed && ! -e $T/gone ]] || exit 0
            sleep 0.1
        done
    ) >/dev/null 2>&1 &
    GUEST=$!
    for ((i = 0; i < 100; i++)); do
        [[ ! -s $T/signed ]] || return 0
        sleep 0.1
    done
    fail 'the guest cannot sign'
}
others() { sql "SELECT count(*) FROM entries WHERE text NOT LIKE 'guest $$ %'"; }
# Signs at least once more before it goes; then everything that was ever taken is there, and all that others signed before.
guest_goes() {
    local before
    before=$(wc -l <"$T/signed")
    for ((i = 0; i < 100; i++)); do
        (($(wc -l <"$T/signed") == before)) || break
        sleep 0.1
    done
    touch "$T/gone"
    wait "$GUEST"
    sql "SELECT text FROM entries WHERE text LIKE 'guest $$ %'" | sort >"$T/there"
    cut -d ' ' -f 2- "$T/signed" | sort | comm -23 - "$T/there" >"$T/lost"
    [[ ! -s $T/lost ]] || fail "lost, though it was taken: $(paste -s -d , "$T/lost")"
    (($(wc -l <"$T/signed") > before)) || fail 'the guest cannot sign any more'
    [[ $(others) == "$OTHERS" ]] || fail "of $OTHERS entries by others, $(others) are there"
}
# The longest time between two that were taken.
away() { awk 'NR > 1 && $1 - last > most { most = $1 - last } { last = $1 } END { printf "%.1f s", most }' "$T/signed"; }

# shellcheck source=tests/engine/killed.sh
source "${BASH_SOURCE[0]%/*}/../engine/killed.sh"
# shellcheck source=tests/engine/power_cut.sh
source "${BASH_SOURCE[0]%/*}/../engine/power_cut.sh"
# shellcheck source=tests/engine/journal.sh
source "${BASH_SOURCE[0]%/*}/../engine/journal.sh"
# shellcheck source=tests/engine/measured.sh
source "${BASH_SOURCE[0]%/*}/../engine/measured.sh"

clean_up() {
    [[ ! -x /usr/local/bin/pack ]] || site uninstall --purge --yes >/dev/null 2>&1
    return 0
}
