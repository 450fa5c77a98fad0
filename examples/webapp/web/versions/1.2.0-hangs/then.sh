# shellcheck shell=sh
exec sleep infinity
