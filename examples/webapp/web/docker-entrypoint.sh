#!/bin/sh
# web: brings the database to what this version needs, then serves the book. worker: signs it once a second.
set -eu
cd /usr/lib/guestbook
# shellcheck source=examples/webapp/web/database.sh
. ./database.sh

case $1 in
    web)
        until sql -c 'SELECT 1' >/dev/null 2>&1; do sleep 0.5; done
        sql -f migrate.sql
        # shellcheck source=/dev/null
        [ ! -e then.sh ] || . ./then.sh
        install -d -o www-data /run/guestbook
        rm -f /run/guestbook/page
        setpriv --reuid=www-data --regid=www-data --clear-groups fcgiwrap -c 4 -s unix:/run/guestbook/page &
        echo "guestbook $(cat version) serves"
        exec nginx
        ;;
    worker)
        # Before web has made its table, and while the database is away, there is nothing to write into.
        while :; do
            sql -v "text=the worker was here" -f sign.sql 2>/dev/null || true
            sleep 1
        done
        ;;
esac
