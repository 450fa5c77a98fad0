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
#   cat THIS_FILE.0* | zstd -dc | tar -x    where THIS_FILE.001 and so on lie beside it
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

# What is said, in the reader's language.
case ${PACK_LANG:-${LC_ALL:-${LC_MESSAGES:-${LANG:-}}}} in
    zh*)
        t_error='错误'
        t_hint='提示'
        t_path='路径'
        t_expected='应为'
        t_actual='实际'
        t_lost='安装包找不到自身'
        t_machine='此安装包适用于另一种机器'
        t_use='请使用适用于本机的安装包'
        t_tool='本机没有此程序'
        t_install='请安装后重试'
        t_damaged='安装包已损坏：运行时与打包时不同'
        t_copy='请重新复制，并在两处比对'
        t_owner='属于用户'
        t_open='其他用户可写；收紧权限'
        t_write='当前用户无权写入'
        t_private='无法在其中创建私有目录'
        t_full='空间已满，或以 noexec 方式挂载'
        t_folder='不是目录'
        t_proc='本机没有 /proc'
        t_over='不采用 PACK_TMPDIR'
        t_note='注意'
        t_place='没有可以解包并运行运行时的位置'
        t_tried='已尝试'
        ;;
    *)
        t_error=error
        t_hint=hint
        t_path=path
        t_expected=expected
        t_actual=actual
        t_lost='the bundle cannot find itself'
        t_machine='this bundle is for another kind of machine'
        t_use='use the bundle made for this machine'
        t_tool='this program is not on this machine'
        t_install='install it, then try again'
        t_damaged='the bundle is damaged: its runtime is not what was packed'
        t_copy='copy it again, and compare there and here'
        t_owner='belongs to user'
        t_open='others can write to it; to close it'
        t_write='this user may not write to it'
        t_private='no private folder can be made in it'
        t_full='it is full, or mounted noexec'
        t_folder='it is not a folder'
        t_proc='there is no /proc on this machine'
        t_over='PACK_TMPDIR is passed over'
        t_note=note
        t_place='there is no place where the runtime could be unpacked and run'
        t_tried=tried
        ;;
esac

# fail CODE TITLE LINE...
fail() {
    code=$1
    shift
    printf '%s: %s\n' "$t_error" "$1" >&2
    shift
    for line in "$@"; do printf '  %s\n' "$line" >&2; done
    exit "$code"
}

case $0 in
    /*) self=$0 ;;
    *) self=$PWD/$0 ;;
esac
if ! [ -f "$self" ] || ! [ -r "$self" ]; then
    fail 1 "$t_lost" "$t_path: $self" "$t_hint: sh /path/to/FILE.run"
fi

for tool in "$sum" dd grep gzip head id ls mkdir mktemp rm tail uname; do
    command -v "$tool" >/dev/null 2>&1 || fail 1 "$t_tool: $tool" "PATH=${PATH-}" "$t_hint: $t_install"
done

machine=$(uname -m)
[ "$machine" = '@MACHINE@' ] || fail 1 "$t_machine" \
    "$t_expected: @MACHINE@" "$t_actual: $machine" "$t_hint: $t_use"

# head ends first: tail has nothing worth saying about that, also where SIGPIPE is ignored.
runtime() { tail -c "+$runtime_at" "$self" 2>/dev/null | head -c "$runtime_size"; }

actual=$(runtime | "$sum")
[ "$actual" = "$packed_sum" ] || fail 3 "$t_damaged" \
    "$t_path: $self" "$t_expected: $packed_sum" "$t_actual: $actual" \
    "$t_hint: $t_copy: sha256sum -c FILE.run.sha256"

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
        case $owner in 0 | "$me" | "$root") ;; *) printf '%s' "$here $t_owner $owner" && exit 1 ;; esac
        # shellcheck disable=SC2012 # its name is not looked at
        case $(ls -ldn .) in
            ?????????[tT]*) ;;
            ?????w* | ????????w*) printf '%s' "$here: $t_open: chmod go-w $here" && exit 1 ;;
        esac
        [ "$here" != / ] || exit 0
        cd -P .. || exit 1
    done
)

# Unpacks the runtime in the folder $1, opens it as descriptor 9 and removes its name. Fails with a reason in $why.
open_runtime() {
    why=$t_write
    [ -w "$1" ] || return 1
    why=$(is_safe "$1") || return 1
    why=$t_private
    name=$(mktemp -u "$1/pack.XXXXXXXXXX") || return 1
    # Known before it is there: whenever a signal comes, it is removed. As long as it is there, nothing is substituted
    # for a command: a bash that is interrupted there may run no trap.
    home=$name
    mkdir -m 700 "$home" 2>/dev/null || { home= && return 1; }
    # shellcheck disable=SC2010 # its name is not looked at
    ls -ldn "$home" | grep "^drwx--[-S]---[^ ]* *[0-9]* *$me " >/dev/null || return 1
    why=$t_full
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

[ -e /proc/self/fd ] || fail 1 "$t_proc" "$t_hint: mount -t proc proc /proc"
mask=$(umask)
umask 077
tried=
for place in "${PACK_TMPDIR:-}" "${TMPDIR:-}" /tmp /var/tmp /run /dev/shm "${HOME:-}"; do
    case $place in '') continue ;; /*) asked=$place ;; *) asked=$PWD/$place ;; esac
    why=$t_folder
    if real=$(cd -P "$asked" 2>/dev/null && pwd -P) && open_runtime "$real"; then
        umask "$mask"
        trap - EXIT HUP INT QUIT PIPE TERM XFSZ
        stop_if_caught
        exec /proc/self/fd/9 launch --bundle "$self" -- "$@"
    fi
    stop_if_caught
    [ -z "$home" ] || rm -rf "$home"
    home=
    [ "$place" != "${PACK_TMPDIR:-}" ] || printf '%s: %s, %s: %s\n' "$t_note" "$t_over" "$place" "$why" >&2
    tried="$tried
    $place: $why"
done
fail 1 "$t_place" "$t_tried:$tried" \
    "$t_hint: PACK_TMPDIR=/some/folder sh $self"
