#!/bin/bash
# Moves Func's data to databases elsewhere (4.10 of the manual): MySQL 5.7, Redis 4 or newer and no cluster.
#
#   external.sh external check FILE --mysql URL --redis URL    whether they can be used; nothing is changed
#   external.sh external move FILE --mysql URL --redis URL     the data is there, and FILE has what the configuration is to say
#
#   mysql://USER[:PASSWORD]@HOST[:PORT]/DATABASE   redis://[:PASSWORD@]HOST[:PORT][/NUMBER]
# Passwords that are not in the URL come in MYSQL_PASSWORD and REDIS_PASSWORD.
cd -- "$(dirname -- "${BASH_SOURCE[0]}")" || exit 1
# shellcheck source=portable/hooks/func.sh
. ./func.sh

at_least() { [[ $(printf '%s\n%s\n' "$2" "$1" | sort -V | sed -n 1p) == "$2" ]]; }
decode() { local text=${1//\\/\\\\} x='\x'; printf '%b' "${text//%/$x}"; }
quoted() { local quote="'" twice="''"; printf "'%s'" "${1//$quote/$twice}"; }

step=$2 answer=$3 to_mysql='' to_redis=''
shift 3
while (($#)); do
    case $1 in
        --mysql=* | --redis=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" ;;
    esac
    case $1 in
        --mysql) to_mysql=${2-} ;;
        --redis) to_redis=${2-} ;;
        *) stop 'external: not --mysql URL or --redis URL: %s' "$1" ;;
    esac
    shift 2 || stop 'external: a URL is missing'
done
[[ -n $to_mysql$to_redis ]] || stop 'external needs --mysql URL, --redis URL, or both'

lines=''
if [[ -n $to_mysql ]]; then
    [[ $to_mysql =~ ^mysql://([^:@/]+)(:([^@/]*))?@([A-Za-z0-9._-]+)(:([0-9]+))?/([A-Za-z0-9_]+)$ ]] ||
        stop '%s is not %s' --mysql 'mysql://USER[:PASSWORD]@HOST[:PORT]/DATABASE'
    my=("${BASH_REMATCH[4]}" "${BASH_REMATCH[6]:-3306}" "$(decode "${BASH_REMATCH[1]}")" "$(decode "${BASH_REMATCH[3]}")")
    name=${BASH_REMATCH[7]}
    [[ -n ${my[3]} ]] || my[3]=${MYSQL_PASSWORD-}
    version=$(sql_at "${my[@]}" mysql -N -B -e 'SELECT VERSION()' "$name" 2>&1 | tail -n 1) || true
    [[ $version =~ ^[0-9]+\.[0-9]+ ]] ||
        stop 'cannot use the database %s on %s: %s; check host, port, user, password, and that it lets this host in' \
            "$name" "${my[0]}" "${version:-$(t "no answer")}"
    at_least "$version" 5.7 || stop '%s %s is too old, Func needs %s' MySQL "$version" 5.7
    [[ $(sql_at "${my[@]}" mysql -N -B -e 'SELECT @@character_set_database, @@collation_database' "$name") == utf8mb4$'\t'utf8mb4_unicode_ci ]] ||
        stop 'the database %s is not utf8mb4 with utf8mb4_unicode_ci; there: %s' \
            "$name" "ALTER DATABASE \`$name\` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci"
    [[ -z $(sql_at "${my[@]}" mysql -N -B -e 'SHOW TABLES' "$name") ]] || stop 'the database %s there is not empty; take an empty one' "$name"
    lines+="MYSQL_HOST: ${my[0]}"$'\n'"MYSQL_PORT: ${my[1]}"$'\n'"MYSQL_USER: $(quoted "${my[2]}")"$'\n'
    lines+="MYSQL_PASSWORD: $(quoted "${my[3]}")"$'\n'"MYSQL_DATABASE: $name"$'\n'
fi
if [[ -n $to_redis ]]; then
    [[ $to_redis =~ ^redis://(:([^@/]*)@)?([A-Za-z0-9._-]+)(:([0-9]+))?(/([0-9]+))?$ ]] ||
        stop '%s is not %s' --redis 'redis://[:PASSWORD@]HOST[:PORT][/NUMBER]'
    re=("${BASH_REMATCH[3]}" "${BASH_REMATCH[5]:-6379}" "$(decode "${BASH_REMATCH[2]}")")
    number=${BASH_REMATCH[7]:-0}
    [[ -n ${re[2]} ]] || re[2]=${REDIS_PASSWORD-}
    said=$(redis_at "${re[@]}" info 2>&1 | tr -d '\r') || true
    [[ $said == *redis_version:* ]] || stop 'cannot use Redis there: %s; check host, port and password' "${said:-$(t "no answer")}"
    [[ $said != *cluster_enabled:1* ]] || stop 'Redis is a cluster, which Func does not support'
    version=$(sed -n 's/^redis_version://p' <<<"$said")
    at_least "$version" 4 || stop '%s %s is too old, Func needs %s' Redis "$version" 4
    lines+="REDIS_HOST: ${re[0]}"$'\n'"REDIS_PORT: ${re[1]}"$'\n'"REDIS_DATABASE: $number"$'\n'"REDIS_PASSWORD: $(quoted "${re[2]}")"$'\n'
fi
[[ $step == move ]] || exit 0

if [[ -n $to_mysql ]]; then
    dump=$answer.sql
    trap 'rm -f -- "$dump"' EXIT
    sql mysqldump --single-transaction --routines --triggers --events --hex-blob "$(database)" >"$dump"
    tail -c 300 -- "$dump" | grep '^-- Dump completed' >/dev/null || stop 'the dump is not complete'
    sql_at "${my[@]}" mysql "$name" <"$dump" ||
        stop 'the import into %s failed; empty the database %s there before the next try' "${my[0]}" "$name"
    tables=$(sql mysql -N -B -e 'SHOW TABLES' "$(database)" | wc -l)
    [[ $(sql_at "${my[@]}" mysql -N -B -e 'SHOW TABLES' "$name" | wc -l) -eq $tables ]] || stop 'not all %s tables arrived' "$tables"
fi
printf '%s' "$lines" >"$answer"
