#!/bin/bash
# Whether Func serves: its programs reach the databases that the configuration names, and it answers as it does before or
# after its set-up. `pack site` asks until it does, and opens no port before.
cd -- "$(dirname -- "${BASH_SOURCE[0]}")" || exit 1
# shellcheck source=portable/hooks/func.sh
. ./func.sh

databases() {
    local key host port service container
    for key in MYSQL:3306 REDIS:6379; do
        host=$(config "${key%:*}_HOST") port=$(config "${key%:*}_PORT")
        [[ -n $host ]] || continue
        while read -r service container; do
            reaches "$container" "$host" "${port:-${key#*:}}" || stop '%s does not reach %s %s' "$service" "${key%:*}_HOST" "$host"
        done < <(func_containers)
    done
    [[ $(config REDIS_HOST) != redis || -z $(config REDIS_PASSWORD) ]] ||
        stop 'the built-in Redis has no password: one in the configuration would only lock Func out'
}

# answers PORT [COMMAND...]
answers() {
    local found
    found=$(http_answer "$1" / "${@:2}") || true
    # Before the set-up the page is there at once; afterwards it leads to the application.
    if ! is_set_up; then
        [[ $found == HTTP/1.?' 200'* || $found == *' /client-app' ]] || stop '%s answers: %s' / "${found:-$(t nothing)}"
        return 0
    fi
    [[ $found == HTTP/1.?' 30'?*' /client-app' || $found == HTTP/1.?' 30'?*' http'*'/client-app' ]] || stop '%s answers: %s' / "${found:-$(t nothing)}"
    found=$(http_answer "$1" /client-app "${@:2}") || true
    [[ $found == HTTP/1.?' '[23]* ]] || stop '%s answers: %s' /client-app "${found:-$(t nothing)}"
}

databases
answers 8088 docker exec -i "$PACK_CONTAINER_SERVER"
# Once its port is open, the way from this host counts too.
if [[ -n $(docker port "$PACK_CONTAINER_SERVER" 8088 2>/dev/null) ]]; then answers "$PACK_OPTION_PORT"; fi
