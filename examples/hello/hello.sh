#!/bin/sh
# The run script of the example product: greets, prints its arguments and what it received.
#
#   sh hello-1.0.0-x86_64.run Ada    from the bundle, where pack sets PACK, PACK_BUNDLE, PACK_NAME, PACK_VERSION
#   sh hello-portable/hello.sh Ada   in the plain folder, where none of them is set
set -eu
unset CDPATH
cd -- "$(dirname -- "$0")"

digest() {
    if command -v sha256sum >/dev/null 2>&1; then
        sha256sum <"$1" | { read -r hex _ && printf 'sha256:%s' "$hex"; }
    else
        cksum <"$1" | { read -r crc _ && printf 'cksum:%s' "$crc"; }
    fi
}

printf 'Hello, %s!\n' "${1:-world}"
if [ -n "${PACK_BUNDLE:-}" ]; then
    printf 'I am %s %s, out of the bundle %s.\n' "${PACK_NAME:-hello}" "${PACK_VERSION:-}" "$PACK_BUNDLE"
else
    printf 'I am running in a plain folder.\n'
fi

printf 'arguments: %s\n' "$#"
for argument in "$@"; do
    printf '  %s\n' "$argument"
done

printf 'received:\n'
for file in calendar.tsv hello.sh; do
    size=$(wc -c <"$file")
    printf '  %-12s  %8s bytes  %s\n' "$file" "$((size))" "$(digest "$file")"
done

# The calendar has a row a day (date, weekday, day of the year, ISO week): the greeting uses what it brought.
today=$(date +%Y-%m-%d)
sed -n "s/^\($today\).\([A-Z][a-z]*\).\([0-9]*\).\(.*\)$/Today is \2, \1, day \3 of the year, in week \4./p" calendar.tsv
