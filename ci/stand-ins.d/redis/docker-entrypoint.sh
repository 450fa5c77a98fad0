#!/bin/sh
# As the official image does: the server itself does not run as root.
set -eu
if [ "$1" = redis-server ]; then
    chown -R redis: /data
    set -- setpriv --reuid=redis --regid=redis --clear-groups "$@"
fi
exec "$@"
