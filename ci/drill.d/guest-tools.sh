# shellcheck shell=bash
# In front of every script that the drill runs inside the machine. Everything here does with what a bare
# host has: bash, coreutils, iproute2.
set -uo pipefail

# http PATH [HOST [PORT]]: the status, the place it redirects to if it does, the body; one line.
http() {
    # shellcheck disable=SC2016,SC2086 # the inner bash expands; the prefix is several words
    timeout "${PATIENCE:-60}" ${NEIGHBOUR-} bash -c '
        exec 3<>"/dev/tcp/$2/$3" && printf "GET %s HTTP/1.0\r\nHost: %s\r\n\r\n" "$1" "$2" >&3 && cat <&3
    ' http "$1" "${2:-127.0.0.1}" "${3:-$PORT}" 2>/dev/null | tr -d '\r\0' | awk '
        NR == 1 { if ($1 !~ /^HTTP/) exit; printf "%s", $2; next }
        body { printf " %s", $0; next }
        /^$/ { body = 1; next }
        tolower($1) == "location:" { printf " -> %s", $2 }
        END { if (NR) print "" }'
}

# From the host at the other end of the site's only cable.
# shellcheck disable=SC2034 # used as NEIGHBOUR=$FROM_NEIGHBOUR
FROM_NEIGHBOUR='ip netns exec neighbour'

# until_holds SECONDS COMMAND...
until_holds() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        ((SECONDS < deadline)) || { echo "not within its time: $*"; return 1; }
        sleep 2
    done
}

container() { docker ps --quiet --filter "label=com.docker.swarm.service.name=dataflux-func_$1" --filter status=running | head -n 1; }

config() { sed -n "s/^$1: *[\"']\{0,1\}\([^\"']*\)[\"']\{0,1\}$/\1/p" "$DIR/data/user-config.yaml"; }
mqtt_password() { cat "$DIR/secrets/mqtt-password"; }

# set_up: what a person does on the set-up page.
set_up() {
    # shellcheck disable=SC2016 # the inner bash expands it
    timeout 120 bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$1" && printf "POST /setup HTTP/1.0\r\nContent-Length: 0\r\n\r\n" >&3 && cat <&3' \
        set_up "$PORT" | grep '^done' >/dev/null
}
is_set_up() { [[ $(client_app | json setUp) == true ]]; }

# sql STATEMENT: asks the database in its own container; the password comes from Func's configuration.
sql() {
    printf '%s\n' "$1" | docker exec -i -e MYSQL_PWD="$(config MYSQL_PASSWORD)" "$(container mysql)" \
        mysql --batch --skip-column-names -h 127.0.0.1 -u root dataflux_func
}

client_app() { http /client-app | sed -n 's/^200 //p'; }
json() { sed -n 's/.*"'"$1"'": *"\{0,1\}\([^",}]*\).*/\1/p'; }

# services NAME...: exactly these run, each with all its replicas.
services() {
    local expected found
    expected=$(printf 'dataflux-func_%s 1/1\n' "$@" | sort)
    found=$(docker service ls --format '{{.Name}} {{.Replicas}}' | sort)
    [[ $found == "$expected" ]] || { diff <(echo "$expected") <(echo "$found"); return 1; }
}

# nothing_left PLACE...: no file there but those of the system's own services; the engine's has one for as long as
# it starts a health check.
nothing_left() {
    local found
    found=$(find "$@" -mindepth 1 ! -path '*/systemd-private-*' ! -name '.*-unix' ! -name 'runc-process*' 2>/dev/null)
    [[ -z $found ]] || { printf 'left behind: %s\n' "$found"; return 1; }
}

# poll_start: asks again and again whether Func answers, in the background, each answer a line in a file.
poll_start() {
    poll() {
        local answer
        set +e # an answer that does not come is a result
        while true; do
            answer=$(PATIENCE=30 client_app)
            printf '%s %s\n' "$EPOCHREALTIME" "$(json version <<<"$answer")"
            sleep 0.3
        done
    }
    poll >/run/poll </dev/null 2>/dev/null &
    echo $! >/run/poll.pid
}
poll_stop() { kill "$(</run/poll.pid)"; }

# Of the answers since poll_start: how many were good, how many were none, the seconds from the last good
# answer before the first failure to the next good one that stayed, and the longest time between two good ones.
poll_result() {
    awk 'NF == 2 { if (last) { gap = $1 - last; if (gap > longest) longest = gap }
            if (bad && !from) from = before
            if (bad) to = $1
            last = before = $1; good++; bad = 0; next }
        { none++; bad = 1 }
        END { printf "good %d, none %d, down %.1f s, longest gap %.1f s\n", good, none, from ? to - from : 0, longest }' /run/poll
}

# is_stick PLACE: a vfat stick is mounted there, read-only, and no program runs from it.
is_stick() {
    local what
    what=$(findmnt -no FSTYPE,OPTIONS "$1")
    echo "$what"
    [[ $what =~ ^vfat\ +ro, && ,${what#vfat} == *,noexec,* ]]
}
