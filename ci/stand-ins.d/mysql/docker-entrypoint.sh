#!/bin/sh
# The part of MySQL's official entrypoint that the stack uses: the first start makes the data out of an empty database, with
# MYSQL_ROOT_PASSWORD or MYSQL_ROOT_PASSWORD_FILE and MYSQL_DATABASE.
set -eu
case ${1:-} in -* | '') set -- mysqld "$@" ;; esac
data=/var/lib/mysql
if [ "$1" = mysqld ]; then
    mkdir -p /run/mysqld
    chown mysql: /run/mysqld "$data"
    if [ ! -d "$data/mysql" ]; then
        password=${MYSQL_ROOT_PASSWORD:-}
        [ -z "${MYSQL_ROOT_PASSWORD_FILE:-}" ] || password=$(cat "$MYSQL_ROOT_PASSWORD_FILE")
        [ -n "$password" ] || { echo 'MYSQL_ROOT_PASSWORD or MYSQL_ROOT_PASSWORD_FILE must be given' >&2; exit 1; }
        # Made aside: an interrupted first start leaves nothing that looks like data.
        rm -rf "$data/.first"
        cp -a /usr/share/mysql-first "$data/.first"
        {
            echo "DELETE FROM mysql.global_priv WHERE User = 'root' AND Host != 'localhost';" # they have no password
            echo 'FLUSH PRIVILEGES;'
            printf "SET PASSWORD FOR 'root'@'localhost' = PASSWORD('%s');\n" "$password"
            printf "CREATE USER 'root'@'%%' IDENTIFIED BY '%s';\n" "$password"
            echo "GRANT ALL ON *.* TO 'root'@'%' WITH GRANT OPTION;"
            [ -z "${MYSQL_DATABASE:-}" ] ||
                echo "CREATE DATABASE \`$MYSQL_DATABASE\` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;"
        } | mysqld --user=mysql --datadir="$data/.first" --bootstrap
        for file in "$data/.first"/*; do [ "${file##*/}" = mysql ] || mv "$file" "$data/"; done
        sync # on the disk, before anything says that it is there
        mv "$data/.first/mysql" "$data/" # the last: it marks the data as made
        rm -rf "$data/.first"
    fi
    shift
    set -- mysqld --user=mysql "$@"
fi
exec "$@"
