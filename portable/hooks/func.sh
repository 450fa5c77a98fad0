# shellcheck shell=bash
# What the hooks of DataFlux Func have in common; sourced by them. `pack site` sets the variables that begin with PACK_.
set -euo pipefail
umask 077
# shellcheck source=portable/hooks/language.sh
. "${BASH_SOURCE[0]%/*}/language.sh"

CONFIG=$PACK_INSTALL_DIR/data/user-config.yaml

# config KEY: a value of Func's configuration, which is flat, without its quotes.
config() {
    [[ -r $CONFIG ]] || return 0
    sed -n "s/^[\"']\{0,1\}$1[\"']\{0,1\}[[:space:]]*:[[:space:]]*//p" "$CONFIG" | tail -n 1 | sed -E -e 's/[[:space:]]+$//' \
        -e "/^'(([^']|'')*)'([[:space:]]+#.*)?\$/{s//\1/;s/''/'/g;b" -e '}' \
        -e '/^"(([^"\\]|\\.)*)"([[:space:]]+#.*)?$/{s//\1/;s/\\(["\\])/\1/g;b' -e '}' \
        -e 's/(^|[[:space:]]+)#.*//;s/^(null|~)$//'
}

stop() { # stop TEXT [VALUE...]: the last line that `pack site` shows
    printf '%s\n' "$(t "$@")" >&2
    exit 1
}

# sql_at HOST PORT USER PASSWORD TOOL [ARG...]: MySQL's own client, in the built-in server's container or, for another
# server, in a throwaway one of the same image. The password goes through the environment, never the process list.
sql_at() {
    local host=$1 port=${2:-3306} user=$3
    local -x MYSQL_PWD=$4
    shift 4
    [[ $1 != mysql ]] || set -- mysql --connect-timeout=20 "${@:2}" # a host that swallows packets
    if [[ $host == mysql ]]; then
        [[ -n ${PACK_CONTAINER_MYSQL-} ]] || stop 'the built-in MySQL does not run'
        docker exec -i -e MYSQL_PWD "$PACK_CONTAINER_MYSQL" "$1" --user="$user" --default-character-set=utf8mb4 "${@:2}"
    else
        docker run --rm -i --network host -e MYSQL_PWD --entrypoint "$1" "$PACK_IMAGE_MYSQL" \
            --host="$host" --port="$port" --user="$user" --default-character-set=utf8mb4 "${@:2}"
    fi
}
sql() { sql_at "$(config MYSQL_HOST)" "$(config MYSQL_PORT)" "$(config MYSQL_USER)" "$(config MYSQL_PASSWORD)" "$@"; }
database() { config MYSQL_DATABASE; }

# Without standard input: redis-cli would take it for commands.
redis_at() { # redis_at HOST PORT PASSWORD [ARG...]
    local host=$1 port=${2:-6379} password=()
    local -x REDISCLI_AUTH=$3
    [[ -z $3 ]] || password=(-e REDISCLI_AUTH)
    shift 3
    if [[ $host == redis ]]; then
        [[ -n ${PACK_CONTAINER_REDIS-} ]] || stop 'the built-in Redis does not run'
        timeout 20 docker exec ${password[@]+"${password[@]}"} "$PACK_CONTAINER_REDIS" redis-cli "$@" </dev/null
    else
        timeout 20 docker run --rm --network host ${password[@]+"${password[@]}"} --entrypoint redis-cli "$PACK_IMAGE_REDIS" \
            -h "$host" -p "$port" "$@" </dev/null
    fi
}
redis() { redis_at "$(config REDIS_HOST)" "$(config REDIS_PORT)" "$(config REDIS_PASSWORD)" -n "$(config REDIS_DATABASE)" "$@"; }

# func_containers: a line `SERVICE CONTAINER` for each container of Func's own programs.
func_containers() {
    local name service
    for name in ${!PACK_CONTAINER_*}; do
        service=${name#PACK_CONTAINER_}
        case $service in MYSQL | REDIS | MOSQUITTO) continue ;; esac
        service=${service,,}
        printf '%s %s\n' "${service//_/-}" "${!name}"
    done
}

# reaches CONTAINER HOST PORT: whether it is connected from there.
reaches() {
    # shellcheck disable=SC2016 # the container's bash expands it
    timeout 10 docker exec "$1" bash -c 'exec 3<>"/dev/tcp/$1/$2"' reaches "$2" "$3" >/dev/null 2>&1 </dev/null
}

# http_answer PORT PATH [COMMAND...]: the status line and, if there is one, the place that it leads to; COMMAND runs bash.
http_answer() {
    # shellcheck disable=SC2016 # the inner bash expands it
    timeout 15 "${@:3}" bash -c '
        exec 3<>"/dev/tcp/127.0.0.1/$1" && printf "GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n" "$2" >&3 || exit
        read -r -t 10 status <&3 && printf "%s" "${status%"$3"}"
        while read -r -t 10 line <&3 && line=${line%"$3"} && [[ -n $line ]]; do
            case $line in [Ll]ocation:*) printf " %s" "${line#*: }" ;; esac
        done' http "$1" "$2" $'\r' 2>/dev/null </dev/null
}

is_set_up() { [[ $(config _IS_INSTALLED) == true ]]; }
