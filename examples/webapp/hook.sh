#!/bin/sh
# What only the guest book knows: how its database is written out and put back.
set -eu
db() { docker exec -i "$PACK_CONTAINER_DB" "$@" guestbook; }

case $1 in
    dump) db pg_dump -U guestbook --no-owner >"$2" ;;
    restore)
        # One transaction that this script ends: whatever breaks it off leaves what was there.
        {
            echo 'BEGIN; DROP SCHEMA IF EXISTS guestbook CASCADE;'
            cat -- "$2"
            echo 'COMMIT;'
        } | db psql -X -q -o /dev/null -v ON_ERROR_STOP=1 -U guestbook
        ;;
    *)
        echo "hook.sh: there is nothing to do for '$1'" >&2
        exit 2
        ;;
esac
