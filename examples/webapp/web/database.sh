# shellcheck shell=sh
# sql ARGUMENT...: psql on the book, one transaction; sourced by what runs in web and worker.
sql() {
    PGPASSWORD=$(cat /run/secrets/db-password) PGCONNECT_TIMEOUT=3 PGOPTIONS='-c client_min_messages=warning' \
        psql -X -q -A -t -1 -v ON_ERROR_STOP=1 -h db -U guestbook -d guestbook "$@"
}
