#!/bin/sh
# The guest book: GET / shows it, GET /count and GET /version say one word, POST / signs it with what is sent.
set -eu
cd /usr/lib/guestbook
# shellcheck source=examples/webapp/web/database.sh
. ./database.sh

answer() { printf 'Status: %s\r\nContent-Type: %s; charset=utf-8\r\nCache-Control: no-store\r\n\r\n%s\n' "$@"; }
trap '[ $? -eq 0 ] || answer "503 Service Unavailable" text/plain "the database does not answer as it should"' EXIT

case "$REQUEST_METHOD $DOCUMENT_URI" in
    'GET /version') answer '200 OK' text/plain "$(cat version)" ;;
    'GET /count')
        count=$(sql -c 'SELECT count(*) FROM entries')
        answer '200 OK' text/plain "$count"
        ;;
    'GET /')
        entries=$(sql -c "SELECT '<li>' || replace(replace(text, '&', '&amp;'), '<', '&lt;') FROM entries ORDER BY id DESC LIMIT 20")
        answer '200 OK' text/html "<!DOCTYPE html><title>Guest book</title><h1>Guest book $(cat version)</h1>
<form method=post enctype=text/plain><input name=text autofocus><button>Sign</button></form><ul>
$entries
</ul>"
        ;;
    'POST /')
        text=$(head -c 1000 | tr -d '\000\r') # as curl --data and as the form send it
        sql -v "text=${text#text=}" -f sign.sql
        printf 'Status: 303 See Other\r\nLocation: /\r\n\r\n'
        ;;
    *) answer '404 Not Found' text/plain 'there is no such page' ;;
esac
