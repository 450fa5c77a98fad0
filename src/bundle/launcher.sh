#!/bin/sh
# pack bundle: @NAME@ @VERSION@ for @MACHINE@, made by @PACKED_BY@
#
#   sh THIS_FILE [ARGS...]           checks this file, then runs the product's own script with ARGS
#   sh THIS_FILE pack verify         checks every byte
#   sh THIS_FILE pack inspect        shows what is inside
#   sh THIS_FILE pack extract DIR    gives the files back, runs nothing
#   sh THIS_FILE --help              shows all of this, and the product's own help
#
# Without any of that, with stock tools:
#
#   tail -c +@PAYLOAD@ THIS_FILE | zstd -dc | tar -x
#
# What follows is all that happens before a checked program takes over: the runtime is cut out of this
# file, its checksum compared, unpacked into a private folder where programs may run, and started with
# no name left on the disk: nobody can put something else in its place, and nothing is left behind.

# Whatever options and functions the shell was started with. In POSIX mode bash takes 'unset' for what it is.
posix=${POSIXLY_CORRECT-no}
POSIXLY_CORRECT=1
unset -f '[' cd cksum command dd exec exit grep gzip head id ls mkdir mktemp printf pwd return rm set sha256sum shift tail \
    trap umask uname unset
if [ "$posix" = no ]; then unset POSIXLY_CORRECT; else POSIXLY_CORRECT=$posix; fi
set +aef -u
# shellcheck disable=SC3040 # not every shell has it
if (set +o pipefail) 2>/dev/null; then set +o pipefail; fi

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
    *) self=$PWD/$0 ;;
esac
if ! [ -f "$self" ] || ! [ -r "$self" ]; then
    fail 1 'the bundle cannot find itself' "path: $self" 'hint: sh /path/to/FILE.run'
fi

machine=$(uname -m)
[ "$machine" = '@MACHINE@' ] || fail 1 'this bundle is for another kind of machine' \
    'expected: @MACHINE@' "actual: $machine" 'hint: use the bundle made for this machine'

for tool in "$sum" dd grep gzip head id ls mkdir mktemp rm tail; do
    command -v "$tool" >/dev/null 2>&1 || fail 1 "the program '$tool' is not on this machine" "hint: install it, then try again"
done

# head ends first: tail has nothing worth saying about that, also where SIGPIPE is ignored.
runtime() { tail -c "+$runtime_at" "$self" 2>/dev/null | head -c "$runtime_size"; }

actual=$(runtime | "$sum")
[ "$actual" = "$packed_sum" ] || fail 3 'the bundle is damaged: its runtime is not what was packed' \
    "path: $self" "expected: $packed_sum" "actual: $actual" \
    'hint: copy it again, and compare there and here: sha256sum -c FILE.run.sha256'

home=
# shellcheck disable=SC2317 # the trap calls it
remove() {
    trap '' HUP INT QUIT PIPE TERM XFSZ
    [ -z "$home" ] || rm -rf "$home"
    home=
}
# A signal is only noted where it comes; none of what runs meanwhile takes long. From here on no pipeline carries more than
# fits into a pipe: between its two programs bash may run a trap, and waits then for the first, which waits for the second.
caught=
trap remove EXIT
trap 'caught=129' HUP
trap 'caught=130' INT
trap 'caught=131' QUIT
trap 'caught=141' PIPE
trap 'caught=143' TERM
trap 'caught=153' XFSZ
stop_if_caught() { [ -z "$caught" ] || exit "$caught"; }

# shellcheck disable=SC2012,SC2046 # words without blanks, in the order that POSIX gives them
owner() { set -- $(ls -ldn "$1") && printf '%s\n' "$3"; }
me=$(id -u)
root=$(owner /)

# Whether only we and root can put something else in the place of what is in this folder: nobody else owns it, or
# can write into it unless its sticky bit is set; the same for every folder above it. Prints what is wrong.
is_safe() (
    cd -P "$1" || exit 1
    while :; do
        here=$(pwd -P)
        owner=$(owner .)
        case $owner in 0 | "$me" | "$root") ;; *) printf '%s' "$here belongs to user $owner" && exit 1 ;; esac
        # shellcheck disable=SC2012 # its name is not looked at
        case $(ls -ldn .) in
            ?????????[tT]*) ;;
            ?????w* | ????????w*) printf '%s' "others can write to $here (chmod go-w $here closes it)" && exit 1 ;;
        esac
        [ "$here" != / ] || exit 0
        cd -P .. || exit 1
    done
)

# Unpacks the runtime in the folder $1, opens it as descriptor 9 and removes its name. Fails with a reason in $why.
open_runtime() {
    why='this user may not write to it'
    [ -w "$1" ] || return 1
    why=$(is_safe "$1") || return 1
    why='no private folder can be made in it'
    name=$(mktemp -u "$1/pack.XXXXXXXXXX") || return 1
    # Known before it is there: whenever a signal comes, it is removed. As long as it is there, nothing is substituted
    # for a command: a bash that is interrupted there may run no trap.
    home=$name
    mkdir -m 700 "$home" 2>/dev/null || { home= && return 1; }
    # shellcheck disable=SC2010 # its name is not looked at
    ls -ldn "$home" | grep "^drwx--[-S]---[^ ]* *[0-9]* *$me " >/dev/null || return 1
    why='it is full, or mounted noexec'
    # gzip ends where no gzip follows, and says that something else does.
    {
        dd bs=$((runtime_at - 1)) count=1 of=/dev/null 2>/dev/null
        (unset GZIP && exec gzip -dc 2>/dev/null)
    } <"$self" >"$home/pack"
    stop_if_caught
    chmod 700 "$home/pack" || return 1
    exec 9<"$home/pack"
    rm -rf "$home" || return 1
    home=
    [ "$("$sum" </proc/self/fd/9)" = "$unpacked_sum" ] && /proc/self/fd/9 --version >/dev/null 2>&1
}

[ -e /proc/self/fd ] || fail 1 'there is no /proc on this machine' 'hint: mount -t proc proc /proc'
mask=$(umask)
umask 077
tried=
for place in "${PACK_TMPDIR:-}" "${TMPDIR:-}" /tmp /var/tmp /run /dev/shm "${HOME:-}"; do
    case $place in '') continue ;; /*) asked=$place ;; *) asked=$PWD/$place ;; esac
    why='it is not a folder'
    if real=$(cd -P "$asked" 2>/dev/null && pwd -P) && open_runtime "$real"; then
        umask "$mask"
        trap - EXIT HUP INT QUIT PIPE TERM XFSZ
        stop_if_caught
        exec /proc/self/fd/9 launch --bundle "$self" -- "$@"
    fi
    stop_if_caught
    [ -z "$home" ] || rm -rf "$home"
    home=
    [ "$place" != "${PACK_TMPDIR:-}" ] || printf 'note: PACK_TMPDIR is passed over, %s: %s\n' "$place" "$why" >&2
    tried="$tried
    $place: $why"
done
fail 1 'there is no place where the runtime could be unpacked and run' "tried:$tried" \
    "hint: PACK_TMPDIR=/some/folder sh $self"
