#!/bin/bash
# An installation that the product's original script made: what its stack file says, and taking it over.
#
#   original.sh options STACK-FILE                      a line OPTION=VALUE for each that differs from ours
#   original.sh take-over DIR PACK SOURCE ARGUMENT...   the rest as for `pack site install`
set -euo pipefail
umask 077
readonly NAME=dataflux-func
# shellcheck source=portable/hooks/language.sh
. "$(dirname "${BASH_SOURCE[0]}")/language.sh"

options() { # options FILE
    awk '/^  [^ #]/ { service = $1; sub(/:$/, "", service); there[service] = 1 }
        service == "server" && !port && match($0, /published: *"?[0-9]+/) { port = substr($0, RSTART, RLENGTH); gsub(/[^0-9]/, "", port) }
        service == "server" && !port && match($0, /[0-9]+:8088(\/tcp)?["\047]?\]?[ \t]*(#.*)?$/) { port = substr($0, RSTART) + 0 }
        END {
            if ("worker" in there) print "mini=true"
            if (!("mysql" in there)) print "mysql=false"
            if (!("redis" in there)) print "redis=false"
            if ("mosquitto" in there) print "mqtt=true"
            if (port) print "port=" port
        }' "$1"
}

services() { docker service ls --quiet --filter "label=com.docker.stack.namespace=$NAME" 2>/dev/null; }

remove() {
    local i
    docker stack rm "$NAME" >/dev/null
    for ((i = 0; i < 180; i++)); do
        [[ -n $(docker ps --all --quiet --filter "label=com.docker.stack.namespace=$NAME"; docker network ls --quiet --filter "label=com.docker.stack.namespace=$NAME") ]] || return 0
        sleep 1
    done
    printf '%s: %s\n  docker ps --all\n' "$(t error)" "$(t 'the old stack does not end')" >&2
    return 1
}

# As long as the old stack runs, its database can be written out: the new version may change it.
dump() { # dump DIR FILE
    local container password
    container=$(docker ps --quiet --filter "label=com.docker.swarm.service.name=${NAME}_mysql" | sed -n 1p)
    [[ -n $container ]] || { t 'MySQL does not run now, or is not built in: no dump is made before.'; echo; return 0; }
    password=$(sed -n "s/^MYSQL_PASSWORD[ ]*:[ ]*['\"]\{0,1\}\([^'\"]*\)['\"]\{0,1\}[ ]*\$/\1/p" "$1/data/user-config.yaml" | tail -n 1)
    mkdir -p "$1/data/sqldump"
    MYSQL_PWD=$password docker exec -e MYSQL_PWD "$container" mysqldump --user=root --default-character-set=utf8mb4 \
        --single-transaction --routines --triggers --events --hex-blob dataflux_func >"$2.partial"
    tail -c 300 -- "$2.partial" | grep '^-- Dump completed' >/dev/null
    mv -- "$2.partial" "$2"
    printf '%s\n' "$(t 'the database as it is: %s' "$2")"
}

# The old stack comes up with a Docker that stands still, and is to be dumped then.
start_docker() {
    local i services
    systemctl start docker || { printf '%s: %s\n  journalctl -u docker -n 50\n' "$(t error)" "$(t 'Docker does not start')" >&2; exit 1; }
    for ((i = 0; i < 180; i++)); do
        [[ $(docker info --format '{{.Swarm.LocalNodeState}}' 2>/dev/null) != inactive ]] || return 0
        services=$(docker service ls --format '{{.Name}} {{.Replicas}}' 2>/dev/null) && [[ $services != *"${NAME}_mysql 0/"* ]] && return 0
        sleep 1
    done
}

take_over() { # take_over DIR PACK SOURCE ARGUMENT...
    # That one lies there as long as this goes on, a power cut included.
    local dir=$1 pack=$2 dump='' said errors old=$1/docker-stack.yaml.original
    shift 2
    # Its own ports are taken by itself; whatever else is in the way is told before anything is changed.
    said=$("$pack" --json site preflight "$@" | tr -d '\n' | tr '{' '\n') || true
    errors=$(grep '"level": *"error"' <<<"$said" | grep -v '"code": *"port"') || true
    [[ -z $errors ]] || exec "$pack" site preflight "$@"
    [[ $said != *'"docker-still"'* ]] || start_docker
    printf '%s\n' "$(t 'taking over the installation in %s' "$dir")"
    if [[ -n $(services) ]]; then
        dump=$dir/data/sqldump/before-take-over-$(date +%Y%m%d-%H%M%S).sql
        dump "$dir" "$dump" || { printf '%s: %s\n  %s\n' "$(t error)" "$(t 'the database cannot be written out')" "$(t 'nothing was changed; see to it, then the same command again')" >&2; exit 1; }
        cp -p -- "$dir/docker-stack.yaml" "$old"
        remove
    fi
    "$pack" site install "$@" && { rm -f -- "$old"; return; }
    local code=$?
    # What did not run before is not started.
    [[ -e $old ]] || exit "$code"
    printf '\n%s\n' "$(t 'what ran before is started again: %s' "$dir/docker-stack.yaml")" >&2
    mv -- "$old" "$dir/docker-stack.yaml"
    docker stack deploy --resolve-image never -c "$dir/docker-stack.yaml" "$NAME" >&2 || true
    [[ -z $dump || ! -e $dump ]] || printf '%s\n' "$(t 'where the new version has changed the database, its state before is in %s' "$dump")" >&2
    exit "$code"
}

case ${1-} in
    options) options "$2" ;;
    take-over) take_over "${@:2}" ;;
    *) exit 2 ;;
esac
