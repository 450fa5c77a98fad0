# shellcheck shell=bash
# shellcheck disable=SC2154 # T, ROOT ... are of ci/test-portable
# run-portable.sh without an engine: what it makes of the manual's words for `pack site`, and how it brings Docker to a host.
# A fake pack notes what it is asked for; a fake of one command brings the host into the state that a test needs.

FOLDER=$T/folder

fail() {
    printf 'failed: %s\n' "$*" >&2
    exit 1
}

# What pack says of the engine that it chose.
CHOSEN='echo "{ \"engine\": \"docker-18.06.3-ce.tgz\" }"'
# The folder, with a fake pack-site beside the script, and a host: PATH has every command of this machine but Docker.
make_folder() {
    unset PACK PACK_BUNDLE PACK_PWD
    mkdir -p "$FOLDER/hooks" "$T/bin" "$T/engine/docker"
    cp "$ROOT"/portable/{run-portable.sh,docker.service} "$FOLDER/"
    cp "$ROOT"/portable/hooks/* "$FOLDER/hooks/"
    # shellcheck disable=SC2016 # the fake expands it
    printf '#!/bin/sh\n[ "$1" != --version ] || exit 0\nprintf "%%s\\n" "$*" >>"%s"\n[ ! -e "%s" ] || exec sh "%s" "$@"\ncase $* in *json*preflight*) %s ;; esac\n' \
        "$T/asked" "$T/pack" "$T/pack" "$CHOSEN" >"$FOLDER/pack-site"
    chmod +x "$FOLDER/pack-site"
    engine 'echo Docker version 24.0.9, build fake'
    cp -s -n /usr/sbin/* /usr/bin/* "$T/bin/" 2>/dev/null || true
    rm -f "$T"/bin/docker* "$T"/bin/podman*
    fake iptables 'exit 0'
    fake ss 'exit 0'
}
# engine BODY: the carried one, whose dockerd does that.
engine() {
    printf '#!/bin/sh\n%s\n' "$1" >"$T/engine/docker/dockerd"
    chmod +x "$T/engine/docker/dockerd"
    tar -C "$T/engine" -czf "$FOLDER/docker-18.06.3-ce.tgz" docker
    printf '{ "schemaVersion": 1, "name": "dataflux-func", "artifacts": [ { "name": "docker-18.06.3-ce.tgz", "kind": "engine" } ] }\n' >"$FOLDER/manifest.json"
}
fake() { # fake NAME BODY
    rm -f "$T/bin/$1"
    printf '#!/bin/sh\n%s\n' "$2" >"$T/bin/$1"
    chmod +x "$T/bin/$1"
}
fake_docker() { fake docker 'case "$*" in "version --format"*) echo 24.0.9 ;; esac'; }

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
    fake_docker
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
    fake_docker
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
    fake_docker
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
    fake_docker
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

test_docker_is_brought_to_a_host_without_one() {
    make_folder
    [[ -d /run/systemd/system || $EUID -ne 0 ]] || { run 1 --dry-run; said 'no systemd to run the carried one'; }
    systemd_here || { echo 'skipped: it needs root'; return 0; }
    run 0 --dry-run
    said '24.0.9 would be installed from docker-18.06.3-ce.tgz' 'Nothing was changed'
    # What stands in the way besides is told before anything is changed.
    printf 'case $* in *json*) echo "{ \\"code\\": \\"memory\\", \\"level\\": \\"error\\" }" ;; *) echo "1 GB of memory"; exit 1 ;; esac\n' >"$T/pack"
    run 1
    said '1 GB of memory'
    [[ $ASKED != *'site install'* && ! -e $T/programs ]] || fail 'it went on'
    rm "$T/pack"
    rm "$T/bin/iptables"
    run 1 --dry-run; said 'iptables is missing'
    fake iptables 'exit 0'
    # Docker 18.06 knows nothing of the only kind of cgroups that newer systems have.
    fake stat "case \"\$*\" in *'/sys/fs/cgroup') echo cgroup2fs ;; *) exec /usr/bin/stat \"\$@\" ;; esac"
    engine 'echo Docker version 18.06.3-ce, build d7080c1'
    run 1 --dry-run; said 'cgroup v2 only, which the carried Docker 18.06.3-ce does not know'
    engine 'exit 1'
    run 1 --dry-run; said 'does not start on this host'
    rm "$FOLDER/docker-18.06.3-ce.tgz"
    run 1 --dry-run; said 'docker-18.06.3-ce.tgz is not in'
    # None is for this host: pack says why there is no Docker.
    echo 'echo "{ \"engine\": null }"' >"$T/pack"
    run 0 --dry-run; asked $'--json site preflight '"$FOLDER"$'\nsite preflight '"$FOLDER"
}
# systemd_here: whether engine.sh may be made to think that systemd runs here.
systemd_here() {
    [[ $EUID -eq 0 ]] || return 1
    sed -i "s|/run/systemd/system|$T|; s|/usr/bin/\\\$name|$T/programs/\$name|g" "$FOLDER/hooks/engine.sh"
}

test_an_engine_is_not_laid_over_another_one() {
    make_folder
    systemd_here || { echo 'skipped: it needs root'; return 0; }
    mkdir "$T/programs"
    echo other >"$T/programs/dockerd"
    # shellcheck disable=SC2016 # for the operator's shell
    run 1 --dry-run
    # shellcheck disable=SC2016 # for the operator's shell
    said 'is here already' 'it is not replaced' 'PATH=$PATH'
    # A Docker that listens, whose command is elsewhere: pack says so.
    fake ss 'case "$*" in *H*) exit 1 ;; -lx*) echo "u_str LISTEN 0 4096 /run/docker.sock 12345 * 0" ;; esac'
    run 0 --dry-run; asked "site preflight $FOLDER"
}

test_a_docker_that_stands_still_is_started_not_replaced() {
    make_folder
    fake docker "[ -e '$T/started' ] && echo 24.0.9"
    fake systemctl "case \"\$*\" in 'is-active docker') echo inactive; exit 3 ;; 'cat docker') ;; 'start docker') touch '$T/started' ;; esac"
    run 0 --dry-run; said 'stands still, and would be started'
    [[ ! -e $T/started ]] || fail 'a dry run started it'
    run 0
    [[ -e $T/started ]] || fail 'it was not started'
    asked $'--json site preflight '"$FOLDER"$'\nsite install '"$FOLDER"
}

test_only_a_host_without_docker_asks_the_bundle_for_the_engine() {
    make_folder
    systemd_here || { echo 'skipped: it needs root'; return 0; }
    mv "$FOLDER/docker-18.06.3-ce.tgz" "$T/carried"
    mv "$FOLDER/pack-site" "$T/pack-in-bundle"
    # shellcheck disable=SC2016 # the fake expands it
    printf 'case $1 in cat) gzip -dc "%s" ;; --json) %s ;; esac\n' "$T/carried" "$CHOSEN" >"$T/pack"
    export PACK=$T/pack-in-bundle PACK_BUNDLE=$T/x.run
    fake_docker
    run 0 --dry-run; asked "site preflight $PACK_BUNDLE"
    rm "$T/bin/docker"
    run 0 --dry-run; said '24.0.9 would be installed'
    [[ $ASKED == "--json site preflight $PACK_BUNDLE"$'\n'"cat --decompress $PACK_BUNDLE docker-18.06.3-ce.tgz"* ]] || fail "asked: $ASKED"
    # A file that is missing beside a bundle is told before the engine is unpacked.
    printf 'case "$*" in *json*) echo "{ \\"error\\": { } }" ;; *) echo "mysql.tar.gz: missing"; exit 1 ;; esac\n' >"$T/pack"
    run 1; said 'mysql.tar.gz: missing'
    [[ $ASKED != *'cat --decompress'* ]] || fail "asked: $ASKED"
    # shellcheck disable=SC2016 # the fake expands it
    printf 'case $1 in --json) %s; exit ;; esac\necho "error: the bundle is damaged" >&2; exit 3\n' "$CHOSEN" >"$T/pack"
    run 1 --dry-run; said 'does not start on this host' 'the bundle is damaged'
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
