#!/bin/sh
# PostgreSQL with the database guestbook, whose owner has the password of the secret. The data lies in a mounted folder.
set -eu
data=/var/lib/postgresql/data
as_postgres() { setpriv --reuid=postgres --regid=postgres --init-groups "$@"; }

chown postgres: "$data"
mkdir -p /run/postgresql
chown postgres: /run/postgresql
if [ ! -d "$data/book" ]; then
    # Made aside: an interrupted first start leaves nothing that looks like data.
    rm -rf "$data/first"
    umask 077
    cp /run/secrets/db-password /run/postgresql/password
    chown postgres: /run/postgresql/password
    as_postgres initdb --pgdata="$data/first" --username=guestbook --pwfile=/run/postgresql/password \
        --auth-local=trust --auth-host=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8
    rm /run/postgresql/password
    echo 'host all all all scram-sha-256' >>"$data/first/pg_hba.conf"
    echo 'CREATE DATABASE guestbook' | as_postgres postgres --single -D "$data/first" postgres >/dev/null
    sync "$data/first/pg_hba.conf"
    mv "$data/first" "$data/book"
    umask 022
fi
exec setpriv --reuid=postgres --regid=postgres --init-groups postgres -D "$data/book" \
    -c listen_addresses='*' -c unix_socket_directories=/run/postgresql -c shared_buffers=32MB -c jit=off
