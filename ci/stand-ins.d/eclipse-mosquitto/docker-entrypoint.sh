#!/bin/sh
# As the official image does: the broker's user owns its directory.
set -eu
chown -R mosquitto: /mosquitto 2>/dev/null || true
exec "$@"
