#!/bin/sh
# pack bundle: @NAME@ @VERSION@ for @MACHINE@, made by @PACKED_BY@
#
#   sh THIS_FILE [ARGS...]           checks this file, then runs the product's own script with ARGS
#   sh THIS_FILE pack verify         checks every byte
#   sh THIS_FILE pack inspect        shows what is inside
#   sh THIS_FILE pack extract DIR    gives the files back, runs nothing
#
# Without any of that, with stock tools:
#
#   tail -c +@PAYLOAD@ THIS_FILE | zstd -dc | tar -x
#
# What follows is all that happens before a checked program takes over: the runtime is cut out of this
# file, its checksum compared, unpacked into a private folder where programs may run, and started there.
set -u

runtime_at=@RUNTIME_AT@
runtime_size=@RUNTIME_SIZE@
if command -v cksum >/dev/null 2>&1; then
    sum='cksum'
    packed_sum='@PACKED_CKSUM@'
    unpacked_sum='@UNPACKED_CKSUM@'
else # some BusyBoxes are without it
    sum='sha256sum'
    packed_sum='@PACKED_SHA256@  -'
    unpacked_sum='@UNPACKED_SHA256@  -'
fi

fail() {
    code=$1
    shift
    printf 'error: %s\n' "$1" >&2
    shift
    for line in "$@"; do printf '  %s\n' "$line" >&2; done
    exit "$code"
}

case $0 in
    /*) self=$0 ;;
    *) self=$(pwd)/$0 ;;
esac
if ! [ -f "$self" ] || ! [ -r "$self" ]; then
    fail 1 'the bundle cannot find itself' "path: $self" 'hint: sh /path/to/FILE.run'
fi

machine=$(uname -m)
[ "$machine" = '@MACHINE@' ] || fail 1 'this bundle is for another kind of machine' \
    'expected: @MACHINE@' "actual: $machine" 'hint: use the bundle made for this machine'

for tool in "$sum" gzip head mktemp tail; do
    command -v "$tool" >/dev/null 2>&1 || fail 1 "the program '$tool' is not on this machine" "hint: install it, then try again"
done

# head ends first: tail has nothing worth saying about that, also where SIGPIPE is ignored.
runtime() { tail -c "+$runtime_at" "$self" 2>/dev/null | head -c "$runtime_size"; }

actual=$(runtime | "$sum")
[ "$actual" = "$packed_sum" ] || fail 3 'the bundle is damaged: its runtime is not what was packed' \
    "path: $self" "expected: $packed_sum" "actual: $actual" \
    'hint: copy it again, and compare there and here: sha256sum -c FILE.run.sha256'

home=
trap '[ -z "$home" ] || rm -rf "$home"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 131' QUIT
trap 'exit 143' TERM

for place in "${PACK_TMPDIR:-}" "${TMPDIR:-}" /tmp /var/tmp /run /dev/shm "${HOME:-}"; do
    if [ -z "$place" ] || ! [ -d "$place" ] || ! [ -w "$place" ]; then continue; fi
    case $place in /*) ;; *) place=$(pwd)/$place ;; esac
    home=$(mktemp -d "$place/pack.XXXXXXXXXX" 2>/dev/null) || { home=; continue; }
    # A place may be full, or mounted noexec: what was unpacked is compared, then tried.
    if runtime | gzip -dc 2>/dev/null >"$home/pack" && [ "$("$sum" <"$home/pack")" = "$unpacked_sum" ] &&
        chmod 700 "$home/pack" && "$home/pack" --version >/dev/null 2>&1; then
        exec "$home/pack" site --home "$home" --bundle "$self" -- "$@"
    fi
    rm -rf "$home"
    home=
done
fail 1 'there is no place where the runtime could be unpacked and run' \
    "tried: \$PACK_TMPDIR \$TMPDIR /tmp /var/tmp /run /dev/shm \$HOME (each full, read-only or mounted noexec)" \
    "hint: PACK_TMPDIR=/some/folder sh $self"
