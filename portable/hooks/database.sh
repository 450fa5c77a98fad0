#!/bin/bash
# How Func's database is written out and put back.
#
#   database.sh dump FILE
#   database.sh restore FILE    over whatever is there
cd -- "$(dirname -- "${BASH_SOURCE[0]}")" || exit 1
# shellcheck source=portable/hooks/func.sh
. ./func.sh

recreate() { # recreate DATABASE...
    local name statements=''
    for name; do
        statements+="DROP DATABASE IF EXISTS \`$name\`; CREATE DATABASE \`$name\` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci; "
    done
    sql mysql -e "$statements"
}

restore() { # restore FILE
    local name trial
    [[ $(config MYSQL_HOST) == mysql ]] ||
        stop 'the database is on %s, not built in; put it back there: %s' \
            "$(config MYSQL_HOST)" "mysql -h $(config MYSQL_HOST) $(database) <$1"
    ! grep -q -i -m 1 -E '^(USE |CREATE DATABASE)' "$1" || stop '%s names its database itself: take a dump of one database' "$1"
    name=$(database) trial=$(database)_trial
    # MySQL takes back no DROP: a dump that it does not take is found in a scratch database.
    recreate "$trial"
    if ! sql mysql "$trial" <"$1"; then
        sql mysql -e "DROP DATABASE \`$trial\`" || true
        stop '%s cannot be imported; the database was not changed' "$1"
    fi
    sql mysql -e "DROP DATABASE \`$trial\`"
    recreate "$name"
    sql mysql "$name" <"$1"
}

case ${1-} in
    dump) sql mysqldump --single-transaction --routines --triggers --events --hex-blob "$(database)" >"$2" ;;
    restore) restore "$2" ;;
    *) stop "%s: there is nothing to do for '%s'" database.sh "${1-}" ;;
esac
