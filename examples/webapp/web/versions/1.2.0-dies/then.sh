# shellcheck shell=sh
echo 'guestbook: cannot go on' >&2
exit 1
