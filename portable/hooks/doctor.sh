#!/bin/bash
# The product's side of chapter 5 of its manual: a line for each finding, `LEVEL<tab>what<tab>what to type`.
cd -- "$(dirname -- "${BASH_SOURCE[0]}")" || exit 1
# shellcheck source=portable/hooks/func.sh
. ./func.sh

log=$PACK_INSTALL_DIR/data/logs/dataflux-func.log
finding() { printf '%s\t%s\t%s\n' "$@"; }
PAGE=http://127.0.0.1:$PACK_OPTION_PORT/
RESTART="pack site restart --name $PACK_NAME"

# 5.2: it does not start, or does not reach its databases.
# not_reached KEY PORT SERVICE
not_reached() {
    local host port service container cut_off=''
    host=$(config "$1_HOST") port=$(config "$1_PORT")
    if [[ -z $host ]]; then
        finding note "$(t 'no %s is configured' "$3")" "$(t 'set it up: http://this host:%s; or: pack site set %s=...' "$PACK_OPTION_PORT" "$1_HOST")"
        return 1
    fi
    while read -r service container; do
        reaches "$container" "$host" "${port:-$2}" || cut_off+=" $service"
    done < <(func_containers)
    [[ -n $cut_off ]] || return 0
    if [[ $host == "$3" ]]; then
        finding error "$(t 'these do not reach the built-in %s by name:%s' "$3" "$cut_off")" "$RESTART"
    else
        finding error "$(t 'these do not reach %s %s:%s' "$1_HOST" "$host" "$cut_off")" "$(t 'firewall, security group, allowed addresses of that server')"
    fi
}
if not_reached MYSQL 3306 mysql; then
    said=$(sql mysql -N -B -e 'SELECT 1' "$(database)" 2>&1 | grep -v '^1$' | tail -n 1) || true
    [[ -z $said ]] || finding error "$(t 'MySQL does not let Func in: %s' "$said")" \
        "$(t "MYSQL_USER, MYSQL_PASSWORD, MYSQL_DATABASE in %s must be the server's" "$CONFIG")"
fi
if not_reached REDIS 6379 redis; then
    said=$(redis ping 2>&1 | tail -n 1) || true
    if [[ $said != PONG* ]]; then
        finding error "$(t 'Redis does not answer: %s' "${said:-$(t "no answer")}")" "$(t 'REDIS_HOST, REDIS_PORT, REDIS_PASSWORD in %s; %s' "$CONFIG" "$RESTART")"
    elif redis info cluster 2>/dev/null | grep cluster_enabled:1 >/dev/null; then
        finding error "$(t 'Redis is a cluster, which Func does not support')" "$(t 'use a single one: pack site external -- --redis URL')"
    fi
    # 5.5: nothing answers because a queue is blocked.
    while read -r queue; do
        [[ -n $queue ]] || continue
        length=$(redis llen "$queue" 2>/dev/null | tr -d '\r') || true
        [[ ! $length =~ ^[0-9]+$ || $length -lt 1000 ]] || finding error "$(t '%s tasks are waiting in the queue %s' "$length" "$queue")" \
            "$(t 'about, system report, clear work queues; then _WORKER_CONCURRENCY, _WORKER_PREFETCH_MULTIPLIER (4.9)')"
    done < <(redis --scan --pattern '*orkerQueue*' 2>/dev/null | sort | sed -n 1,20p)
fi

# 5.3: it runs and cannot be reached.
inside=$(http_answer 8088 / docker exec -i "${PACK_CONTAINER_SERVER-none}") || true
outside=$(http_answer "$PACK_OPTION_PORT" /) || true
if [[ -z $inside ]]; then
    finding error "$(t 'the server does not answer inside its container')" 'pack site logs server'
elif [[ -z $outside ]]; then
    finding error "$(t '%s does not answer, though the server does inside its container' "$PAGE")" \
        "$(t "Docker's firewall rules may be flushed, or Docker keeps a port for a container that is gone: systemctl restart docker")"
elif is_set_up && [[ $outside != *"/client-app" ]]; then
    finding error "$(t '%s does not lead to /client-app: %s' "$PAGE" "$outside")" \
        "$(t "something else has the port, or a proxy answers: ss -ltnp 'sport = :%s'" "$PACK_OPTION_PORT")"
elif ! is_set_up; then
    finding note "$(t 'Func waits for its set-up')" "$(t 'open http://this host:%s in a browser' "$PACK_OPTION_PORT")"
fi
if command -v firewall-cmd >/dev/null && firewall-cmd --state >/dev/null 2>&1 &&
    ! firewall-cmd --list-ports | grep -w "$PACK_OPTION_PORT/tcp" >/dev/null; then
    finding warning "$(t 'firewalld does not let port %s in' "$PACK_OPTION_PORT")" \
        "firewall-cmd --permanent --add-port=$PACK_OPTION_PORT/tcp && firewall-cmd --reload && systemctl restart docker"
fi

# 5.4: functions time out.
[[ -r $log ]] || exit 0
count=$(tail -n 5000 "$log" | grep -c -E 'TimeLimitExceeded|EFuncTimeout|EAPITimeout') || true
[[ $count == 0 ]] || finding error "$(t '%s timeouts in the last 5000 lines of %s' "$count" "$log")" \
    "$(t 'a function runs 30 s unless it sets timeout (at most 3600); a synchronous call waits 10 s unless api_timeout (at most 180)')"
count=$(tail -n 5000 "$log" | grep -c -E 'Traceback|(^| )(ERROR|CRITICAL)( |$)') || true
[[ $count == 0 ]] || finding error "$(t '%s errors in the last 5000 lines of %s' "$count" "$log")" "tail -n 100 $log"
exit 0
