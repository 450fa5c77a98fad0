# shellcheck shell=bash
# shellcheck disable=SC2154 # T, ROOT ... are of ci/test-portable
# run-portable.sh without an engine: what it makes of the manual's words for `pack site`. A fake pack notes what it is asked for.

FOLDER=$T/folder

fail() {
    printf 'failed: %s\n' "$*" >&2
    exit 1
}

# The folder, with a fake pack-site beside the script, and a host: PATH has every command of this machine but Docker, which
# it leaves to pack.
make_folder() {
    unset PACK PACK_BUNDLE PACK_PWD
    mkdir -p "$FOLDER/hooks" "$T/bin"
    cp "$ROOT"/portable/{run-portable.sh,docker.service} "$FOLDER/"
    cp "$ROOT"/portable/hooks/* "$FOLDER/hooks/"
    # shellcheck disable=SC2016 # the fake expands it
    printf '#!/bin/sh\n[ "$1" != --version ] || exit 0\nprintf "%%s\\n" "$*" >>"%s"\n[ ! -e "%s" ] || exec sh "%s" "$@"\n' \
        "$T/asked" "$T/pack" "$T/pack" >"$FOLDER/pack-site"
    chmod +x "$FOLDER/pack-site"
    cp -s -n /usr/sbin/* /usr/bin/* "$T/bin/" 2>/dev/null || true
    rm -f "$T"/bin/docker* "$T"/bin/podman*
}

fake() { # fake NAME BODY
    rm -f "$T/bin/$1"
    printf '#!/bin/sh\n%s\n' "$2" >"$T/bin/$1"
    chmod +x "$T/bin/$1"
}

OUTPUT='' ASKED=''
# run CODE ARGUMENT...: the script ends with CODE; what it said is in OUTPUT, what pack was asked for in ASKED.
run() {
    local code=$1 got=0
    shift
    rm -f "$T/asked"
    OUTPUT=$(PATH=$T/bin BASH_COMPAT=4.2 bash "$FOLDER/run-portable.sh" "$@" 2>&1 </dev/null) || got=$?
    ASKED=$(cat "$T/asked" 2>/dev/null) || true
    printf -- '--- %s\n%s\n    pack: %s\n' "$*" "$OUTPUT" "$ASKED"
    [[ $got -eq $code ]] || fail "'$*' ended with $got, not $code"
}
said() {
    local text
    for text in "$@"; do [[ $OUTPUT == *"$text"* ]] || fail "it did not say: $text"; done
}
asked() { [[ $ASKED == "$1" ]] || fail "pack was asked '$ASKED', not '$1'"; }

test_help_names_every_option_and_verb() {
    local word english
    make_folder
    run 0 --help
    for word in --mini --install-dir --port --no-mysql --no-redis --mqtt --config --advertise-addr --addr-pool --dry-run --pubkey --allow-downgrade \
        --timeout status restart stop logs backup --whole restore rollback get set external uninstall --purge doctor receipt --lang; do said "$word"; done
    # In Chinese the same words are to be typed.
    typed() { grep -oE -- '--[a-z-]+|^  [a-z]+' <<<"$OUTPUT" | sort -u; }
    english=$(typed)
    run 0 --help --lang zh; said '用法：run-portable.sh'
    [[ $(typed) == "$english" ]] || fail "other words: $(diff <(echo "$english") <(typed))"
}

test_wrong_usage_asks_for_nothing() {
    make_folder
    run 2 --unknown; said 'unknown option: --unknown'
    run 2 --port; said '--port needs a value'
    run 2 --port --mini; said '--port needs a value'
    run 2 --lang de; said '--lang is en or zh, not: de'
    run 2 --lang=zh --unknown; said '未知选项：--unknown'
    run 2 --port=; said '--port needs a value'
    run 2 --mini=yes; said '--mini takes no value'
    run 2 --install-dir relative; said 'absolute path'
    run 2 --install-dir '/a b'; run 2 --install-dir /a/../b; run 2 --install-dir /; run 2 '--install-dir=/a;b'
    run 2 --config "$T/none"; said 'cannot be read'
    run 2 frobnicate; said 'unknown verb'
    run 2 install more; run 2 restore; run 2 set; run 2 external
    run 2 status --whole; run 2 status --mini; said '--mini is not an option of status'
    run 2 --purge; said '--purge is not an option of install'
    run 2 --online; said 'pack bundle'
    asked ''
}

test_the_manuals_words() {
    make_folder
    touch "$T/first.yaml"
    run 0 --dry-run; asked "site preflight $FOLDER"
    run 0 --dry-run --mini --no-mysql --no-redis --mqtt --install-dir /home/dev/func/ --port 9000
    asked "site preflight $FOLDER --set mini=true --set mysql=false --set redis=false --set mqtt=true --set port=9000 --install-dir /home/dev/func"
    run 0 --dry-run --no-mini --with-mysql --with-redis --no-mqtt --port=9000 --timeout=5 --advertise-addr eth0 --addr-pool=10.200.0.0/16 --allow-downgrade
    asked "site preflight $FOLDER --set mini=false --set mysql=true --set redis=true --set mqtt=false --set port=9000 --timeout 5 --advertise-addr eth0 --addr-pool 10.200.0.0/16 --allow-downgrade"
    OUTPUT=$(cd / && PACK_PWD=$T run 0 --dry-run --config first.yaml && cat "$T/asked")
    [[ $OUTPUT == *"--configuration $T/first.yaml"* ]] || fail "the caller's folder: $OUTPUT"
    run 0 status; asked 'site status --name dataflux-func'
    run 0 restart --timeout 9; asked 'site restart --name dataflux-func --timeout 9'
    run 0 logs dataflux-func_server -f; asked 'site logs --name dataflux-func --follow server'
    run 0 restore /x.sql --yes; asked 'site restore --name dataflux-func /x.sql'
    run 0 backup --whole; asked 'site backup --name dataflux-func --whole'
    run 0 uninstall --purge --yes; asked 'site uninstall --name dataflux-func --purge --yes'
    run 0 uninstall; asked 'site uninstall --name dataflux-func'
    run 0 rollback --yes; asked 'site rollback --name dataflux-func --yes'
    run 0 set A=b --force; asked 'site set --name dataflux-func --force -- A=b'
    run 0 external --mysql mysql://u@h/d --redis=redis://h; asked 'site external --name dataflux-func -- --mysql mysql://u@h/d --redis=redis://h'
}

test_pack_is_found() {
    make_folder
    mv "$FOLDER/pack-site" "$T/bin/pack"
    run 0 status; asked 'site status --name dataflux-func'
    mv "$T/bin/pack" "$T/elsewhere"
    PACK=$T/elsewhere run 0 status; asked 'site status --name dataflux-func'
    # In a bundle it is the one that runs the bundle, whatever lies beside it.
    printf '#!/bin/sh\nexit 1\n' >"$FOLDER/pack-site"
    PACK=$T/elsewhere PACK_BUNDLE=$T/x.run run 0 --dry-run; asked "site preflight $T/x.run"
    rm "$FOLDER/pack-site"
    [[ -e /usr/local/lib/pack/pack ]] || { run 1 status; said 'pack-site'; }
    # A stick may be mounted so that nothing on it runs.
    mv "$T/elsewhere" "$FOLDER/pack-site"
    chmod -x "$FOLDER/pack-site"
    run 0 status; asked 'site status --name dataflux-func'
}

test_a_password_is_on_no_command_line() {
    make_folder
    printf 'cat >"%s"\n' "$T/read" >"$T/pack"
    echo hush | PATH=$T/bin bash "$FOLDER/run-portable.sh" set KEY
    [[ $(cat "$T/asked") == 'site set --name dataflux-func -- KEY' && $(cat "$T/read") == hush ]] || fail "$(cat "$T/asked" "$T/read")"
}

test_what_the_original_installed() {
    local dir=$T/home/dataflux-func
    make_folder
    [[ $EUID -eq 0 ]] || { echo 'skipped: this needs root, and an /etc of its own'; return 0; }
    mkdir -p "$dir/data"
    touch "$dir/data/user-config.yaml"
    # The published port in every spelling that the original and people have had.
    for port in '"9123:8088"' '9123:8088 # old' "'127.0.0.1:9123:8088'" '{ target: 8088, published: 9123 }'; do
        printf 'services:\n  redis:\n    image: a\n  server:\n    ports:\n      - %s\n  worker:\n    image: a\n' "$port" >"$dir/docker-stack.yaml"
        in_etc "INSTALLED_DIR=$dir" --dry-run
        asked "site preflight $FOLDER --set mini=true --set mysql=false --set port=9123 --install-dir $dir"
    done
    printf 'services:\n  redis: {}\n  server:\n    ports: ["9123:8088"]\n  worker: {}\n' >"$dir/docker-stack.yaml"
    in_etc "INSTALLED_DIR=$dir" --dry-run --install-dir "$T/home" --with-mysql
    asked "site preflight $FOLDER --set mini=true --set mysql=false --set port=9123 --set mysql=true --install-dir $dir"
    CODE=2 in_etc "INSTALLED_DIR=$dir" --install-dir "$T/other"
    said "installed in $dir"
    # What is in that file is read, and not run.
    in_etc "INSTALLED_DIR=$T/\$(touch $T/run)" --dry-run
    [[ ! -e $T/run ]] || fail 'it ran'
    asked "site preflight $FOLDER"
}
# in_etc TEXT ARGUMENT...: the script, where the original's file says TEXT.
in_etc() {
    local text=$1
    shift
    export -f run fail
    # shellcheck disable=SC2016 # the inner bash expands them
    OUTPUT=$(T=$T FOLDER=$FOLDER unshare --mount bash -c 'mount -t tmpfs tmpfs /mnt && mkdir /mnt/new /mnt/work && mount -t overlay -o lowerdir=/etc,upperdir=/mnt/new,workdir=/mnt/work overlay /etc
        printf "%s\n" "$1" >/etc/dataflux-func && shift && run "$@"' etc "$text" "${CODE:-0}" "$@") || fail "$OUTPUT"
    printf '%s\n' "$OUTPUT"
    ASKED=$(cat "$T/asked" 2>/dev/null) || true
}

# The old stack comes up with its Docker, and only then its database can be dumped.
test_a_docker_that_stands_still_is_started_before_an_original_is_taken_over() {
    local dir=$T/func
    make_folder
    mkdir "$dir"
    printf 'services:\n  server: {}\n' >"$dir/docker-stack.yaml"
    # shellcheck disable=SC2016 # the fakes expand them
    {
        printf 'case "$*" in *json*preflight*) echo "{ \\"code\\": \\"docker-still\\", \\"level\\": \\"note\\" }" ;;\n"site install"*) cat "%s" ;; esac\n' "$T/done" >"$T/pack"
        fake systemctl 'echo "systemctl $*" >>"'"$T/done"'"'
        fake docker 'grep -q "^systemctl start docker" "'"$T/done"'" || exit 1
case "$*" in info*) echo active ;; "service ls --quiet"*) echo looked >>"'"$T/done"'" ;; esac'
    }
    run 0 --install-dir "$dir" --dry-run
    [[ ! -e $T/done ]] || fail 'a dry run started it'
    run 0 --install-dir "$dir"
    said $'systemctl start docker\nlooked'
    [[ $ASKED == '--json site preflight '*$'\nsite install '* ]] || fail "asked: $ASKED"
    printf 'echo "{ \\"code\\": \\"memory\\", \\"level\\": \\"error\\" }, { \\"code\\": \\"docker-still\\" }"; exit 1\n' >"$T/pack"
    rm "$T/done"
    run 1 --install-dir "$dir"
    [[ ! -e $T/done ]] || fail 'it was started though something else is in the way'
}

# CentOS 7 has bash 4.2. What came later, and what 4.2 takes for an unset variable: an empty array, unguarded.
test_nothing_in_it_is_newer_than_bash_4_2() {
    local newer array
    newer='local -[nA-Za-z]*n|declare -[a-zA-Z]*n|wait -[fn]|\$\{[A-Za-z_]+(\[@\])?@|\[-[0-9]+\]|EPOCH(SECONDS|REALTIME)'
    newer+='|SRANDOM|BASH_ARGV0|(mapfile|readarray) [^;|]*-d|\[\[ -[vR] [a-z]+\[|local -( |$)|inherit_errexit|localvar_'
    ! grep -nE "$newer" "$ROOT"/portable/run-portable.sh "$ROOT"/portable/hooks/* || fail 'newer than 4.2'
    while read -r array; do
        # Guarded, or never empty where it is used.
        case $array in '#'* | WORDS | ARGUMENTS | my | re) ;; *) fail "an array that may be empty: $array" ;; esac
    done < <(cat "$ROOT"/portable/run-portable.sh "$ROOT"/portable/hooks/* | sed -E 's/\$\{[A-Za-z_]+\[@\]\+"\$\{[A-Za-z_]+\[@\]\}"\}//g' |
        grep -oE '\$\{[^}]*\[@\]\}' | tr -d '{[@]}$')
    ! grep -nE '\$\{?RANDOM|eval|chmod 666|0666' "$ROOT"/portable/run-portable.sh "$ROOT"/portable/hooks/* || fail weak
}

test_every_file_is_short() {
    local file
    for file in "$ROOT"/portable/run-portable.sh "$ROOT"/portable/hooks/*; do
        (($(wc -l <"$file") < 400)) || fail "$file has $(wc -l <"$file") lines"
    done
}

test_it_speaks_the_readers_language() {
    t() { (. "$ROOT/portable/hooks/language.sh" && t "$@"); }
    [[ $(PACK_LANG=zh t 'not all %s tables arrived' 5) == '5 张表没有全部到达' ]] || fail 'no Chinese'
    [[ $(PACK_LANG=en LC_ALL=zh_CN.UTF-8 t error) == error ]] || fail 'what pack says is not heard'
    [[ $(unset PACK_LANG LC_ALL LC_MESSAGES; LANG=zh_CN.UTF-8 t error) == 错误 ]] || fail 'no Chinese by LANG'
    [[ $(unset PACK_LANG; LC_ALL=C LANG=zh_CN.UTF-8 t error) == error ]] || fail 'LC_ALL comes first'
    [[ $(PACK_LANG=zh t 'a text without one: %s' 5) == 'a text without one: 5' ]] || fail 'no English for want of Chinese'
}
