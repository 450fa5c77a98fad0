#!/bin/bash
# Installs DataFlux Func on this host and looks after it: the command of its manual. It translates the manual's options for
# `pack site`, which does the work (docs/product.md of pack). Needs bash 4.2 and root.
#
#   bash run-portable.sh --help
set -euo pipefail
umask 077

readonly NAME=dataflux-func
readonly DEFAULT_DIR=/usr/local/dataflux-func
readonly STATE=/etc/pack/$NAME.json  # what pack knows of an installation here
readonly OWN_PACK=/usr/local/lib/pack/pack
readonly ORIGINAL=/etc/dataflux-func # what the product's original script knows of one
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly HERE
SOURCE=${PACK_BUNDLE:-$HERE} # what is installed: the bundle that this came in, or the folder

usage() {
    if [[ $(t error) != error && -r $HERE/hooks/usage.zh_CN.txt ]]; then cat "$HERE/hooks/usage.zh_CN.txt"; return; fi
    cat <<TEXT
Usage: run-portable.sh [install] [OPTIONS]     install, update, or change options
       run-portable.sh VERB [ARGUMENTS]        live with it; afterwards also: pack site VERB

Options of install; one that is not given stays as it was at the last run
  --mini, --no-mini         one worker for all queues; needs 1 core and 2 GB instead of 2 and 4
  --install-dir DIR         instead of $DEFAULT_DIR
  --port PORT               instead of 8088
  --no-mysql, --with-mysql  without (with) the built-in MySQL; connect Func on its set-up page
  --no-redis, --with-redis  without (with) the built-in Redis; likewise
  --mqtt, --no-mqtt         with (without) the built-in MQTT broker, on port 1883
  --config FILE             start from another host's user-config.yaml (second host of a pair)
  --advertise-addr ADDR     by which other nodes of a swarm reach this host; without it none does
  --addr-pool NETWORK       from which containers get their addresses, where 10.0.x.0/24 are taken
  --timeout SECONDS         how long to wait until everything runs (600)
  --allow-downgrade         install an older version over a newer one
  --pubkey KEY              refuse what that key did not sign
  --dry-run                 check and print the plan; change nothing

Verbs
  preflight                 what a --dry-run shows
  status                    services, version, where things are; exit 1 unless all is up
  restart                   read the stack file and the configuration again, restart every service
  stop                      remove the stack; data stays, restart brings it back
  logs [SERVICE] [-f]       last lines of Func's log, or of a service's output; -f follows
  backup                    dump the database into {install dir}/data/sqldump, keep 168
  backup --whole            configuration and data/resources too, in one file that a new host can take
  restore FILE              put a dump or a whole backup back (the present database is dumped first)
  rollback --yes            the version before, with its database
  get [KEY]...              Func's configuration; passwords only with --secrets
  set KEY[=VALUE]...        change it, then restart; undone where Func does not come up. A value left out is asked for, or
                            read from standard input: a password on the command line is everybody's
  external [--mysql mysql://USER[:PASSWORD]@HOST[:PORT]/DATABASE]
           [--redis redis://[:PASSWORD@]HOST[:PORT][/NUMBER]]
                            move to an external MySQL 5.7, an external Redis 4 or newer, or both;
                            a password left out is read from MYSQL_PASSWORD, REDIS_PASSWORD, or asked for
  uninstall [--purge --yes] remove the stack; with --purge the data too
  doctor                    look for the known causes of trouble, name the remedies
  receipt                   what was installed last

Everywhere: --json, --lang en|zh, --help.
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 a file is not what the manifest says, or an older version.
TEXT
}

# fail CODE WHAT [LINE...]: the lines are facts and, last, what to type next.
fail() {
    local line
    printf '%s: %s\n' "$(t error)" "$2" >&2
    for line in "${@:3}"; do printf '  %s\n' "$line" >&2; done
    exit "$1"
}
misuse() { fail 2 "$(t "$@")" "$(t 'see: %s' 'run-portable.sh --help')"; } # misuse TEXT [VALUE...]
say() { printf '%s\n' "$*"; }
# lang_of WORD...: what --lang says is heard before anything is said.
lang_of() {
    local word previous=''
    for word; do
        case $previous=$word in
            --lang=en | --lang=zh) export PACK_LANG=$word ;;
            *=--lang=en | *=--lang=zh) export PACK_LANG=${word#*=} ;;
        esac
        previous=$word
    done
}
lang_of "$@"
# A folder that lacks a part of it is told in English.
# shellcheck disable=SC2059 # a text of ours
t() { printf -- "$@"; }
if [[ -r $HERE/hooks/language.sh && -r $HERE/hooks/zh_CN.po ]]; then
    # shellcheck source=portable/hooks/language.sh
    . "$HERE/hooks/language.sh"
fi

# check_program: pack-site is what pack download has put here. That finds damage; a forger would change both.
check_program() {
    [[ -f $HERE/pack-site && -f $HERE/pack-site.sha256 ]] && command -v sha256sum >/dev/null || return 0
    (cd "$HERE" && sha256sum -c pack-site.sha256 >/dev/null 2>&1) || fail 3 "$(t 'pack-site is damaged: nothing was done')" \
        "$(t 'it is not what %s says' "$HERE/pack-site.sha256")" "$(t 'copy the folder again, or get it again: pack download')"
}

# find_pack: PACK is the program: in a bundle the one that runs it; in a folder the host's own, which judges the folder
# before anything else of that runs; else the one beside this script.
find_pack() {
    local candidate
    if [[ -n ${PACK_BUNDLE-} && -n ${PACK-} ]]; then return 0; fi
    if [[ -e $STATE ]]; then
        if [[ -x $OWN_PACK ]]; then PACK=$OWN_PACK; return 0; fi
        say "$(t "note: this host's own pack, %s, is gone: the one in the folder judges the folder itself" "$OWN_PACK")" >&2
    fi
    check_program
    # A stick may be mounted noexec: then a copy runs.
    if [[ -f $HERE/pack-site ]] && ! "$HERE/pack-site" --version >/dev/null 2>&1; then
        COPY=$(mktemp -d)
        trap 'rm -rf -- "$COPY"' EXIT
        install -m 700 "$HERE/pack-site" "$COPY/pack-site"
        PACK=$COPY/pack-site
        return 0
    fi
    for candidate in "$HERE/pack-site" "${PACK-}" pack-site pack "$OWN_PACK"; do
        if [[ -n $candidate ]] && PACK=$(command -v "$candidate"); then return 0; fi
    done
    fail 1 "$(t 'the program pack is not here')" "$(t 'it belongs beside this script as pack-site, in %s' "$HERE")" \
        "$(t 'fetch the folder with: pack download; or take the bundle, one file: sh dataflux-func-....run')"
}
site() { "$PACK" site "$@"; }

# installed_dir: where pack has installed it, its data alone being left there counts too.
installed_dir() { [[ ! -r $STATE ]] || tr -d '\n' <"$STATE" | sed -n 's|.*"installDir": *"\([^"]*\)".*|\1|p'; }
# original_dir: where the original script has installed it. Its --install-dir is the folder above that one.
original_dir() { [[ ! -r $ORIGINAL ]] || sed -n 's|^INSTALLED_DIR=["'\'']\{0,1\}\(/[A-Za-z0-9._/-]*[A-Za-z0-9._-]\)/*["'\'']\{0,1\}$|\1|p' "$ORIGINAL" | tail -n 1; }

# ---------------------------------------------------------------- what was typed

VERB='' DIR='' CONFIGURATION='' DRY_RUN='' YES='' PURGE='' FOLLOW=''
SET=() PASSED=() WORDS=() GIVEN=()

parse() {
    local option value
    while (($#)); do
        option=$1 value=''
        if [[ $option == --*=* && $VERB != external ]]; then
            value=${option#*=} option=${option%%=*}
            [[ $option =~ ^--(port|install-dir|config|advertise-addr|addr-pool|timeout|pubkey|set|tail|lang)$ ]] || misuse '%s takes no value' "$option"
            [[ -n $value ]] || misuse '%s needs a value' "$option"
        fi
        case $option in
            --port | --install-dir | --config | --advertise-addr | --addr-pool | --timeout | --pubkey | --set | --tail | --lang)
                if [[ -z $value ]]; then
                    [[ -n ${2-} && ${2-} != --* ]] || misuse '%s needs a value' "$option"
                    value=$2
                    shift
                fi
                ;;
        esac
        take "$option" "$value"
        shift
    done
    VERB=${VERB:-install}
}

take() { # take WORD VALUE
    [[ $1 != -* ]] || GIVEN+=("$1")
    case $1 in
        --mini) SET+=(mini=true) ;;
        --no-mini) SET+=(mini=false) ;;
        --with-mysql) SET+=(mysql=true) ;;
        --no-mysql) SET+=(mysql=false) ;;
        --with-redis) SET+=(redis=true) ;;
        --no-redis) SET+=(redis=false) ;;
        --mqtt) SET+=(mqtt=true) ;;
        --no-mqtt) SET+=(mqtt=false) ;;
        --port) SET+=("port=$2") ;;
        --set) SET+=("$2") ;;
        --install-dir) DIR=$2 ;;
        --config) CONFIGURATION=$2 ;;
        --advertise-addr | --addr-pool | --timeout | --pubkey | --tail) PASSED+=("$1" "$2") ;;
        --allow-downgrade | --json | --secrets | --force | --whole) PASSED+=("$1") ;;
        --lang) [[ $2 == en || $2 == zh ]] || misuse '%s is en or zh, not: %s' --lang "$2" ;;
        --dry-run) DRY_RUN=yes ;;
        --purge) PURGE=yes ;;
        -f | --follow) FOLLOW=yes ;;
        -y | --yes) YES=yes ;;
        -h | --help)
            usage
            exit 0
            ;;
        --online) fail 2 "$(t 'the images come with the folder or the bundle, each under its digest; none is pulled here')" \
            "$(t 'on a machine with a network: pack download, or pack bundle; then the same command without --online')" ;;
        --mysql | --redis | --mysql=* | --redis=*) WORDS+=("$1") ;;
        -*) misuse 'unknown option: %s' "$1" ;;
        *) if [[ -z $VERB ]]; then VERB=$1; else WORDS+=("$1"); fi ;;
    esac
}

check_usage() {
    local known='' option least=0 most=0
    case $VERB in
        install | update | preflight) known=' --mini --no-mini --with-mysql --no-mysql --with-redis --no-redis --mqtt --no-mqtt --port
            --set --config --advertise-addr --addr-pool --timeout --pubkey --allow-downgrade --dry-run ' ;;
        restart) known=' --timeout ' ;;
        external) known=' --mysql --redis --timeout ' least=1 most=4 ;;
        rollback) known=' --timeout --dry-run ' ;;
        uninstall) known=' --purge ' ;;
        logs) known=' -f --follow --tail ' most=1 ;;
        restore) known=' --timeout ' least=1 most=1 ;;
        get) known=' --secrets ' most=1000 ;;
        set) known=' --timeout --force ' least=1 most=1000 ;;
        backup) known=' --whole ' ;;
        status | stop | doctor | receipt | recover) ;;
        *) misuse 'unknown verb: %s' "$VERB" ;;
    esac
    for option in ${GIVEN[@]+"${GIVEN[@]}"}; do
        [[ " --install-dir --yes -y --json --lang $known " == *[[:space:]]"${option%%=*}"[[:space:]]* ]] ||
            misuse '%s is not an option of %s' "$option" "$VERB"
    done
    ((${#WORDS[@]} >= least)) || misuse '%s needs an argument' "$VERB"
    ((${#WORDS[@]} <= most)) || misuse '%s does not know what to do with: %s' "$VERB" "${WORDS[most]}"
    while [[ $DIR == */ ]]; do DIR=${DIR%/}; done
    # These characters need no quoting anywhere this path ends up: YAML, logrotate, a shell.
    [[ " ${GIVEN[*]-} " != *' --install-dir '* || ($DIR =~ ^(/[A-Za-z0-9._-]+)+$ && ! $DIR =~ /\.\.?(/|$)) ]] ||
        misuse "%s must be an absolute path of letters, digits, '.', '_' and '-': %s" --install-dir "${DIR:-/}"
    # From a bundle this script runs in a folder of its own; the caller's paths start elsewhere.
    [[ -z $CONFIGURATION || $CONFIGURATION == /* ]] || CONFIGURATION=${PACK_PWD:-$PWD}/$CONFIGURATION
    [[ -z $CONFIGURATION || -r $CONFIGURATION ]] || misuse '%s cannot be read: %s' --config "$CONFIGURATION"
}

# ---------------------------------------------------------------- install

# settle_dir: an installation that the original script made is taken over where it is.
settle_dir() {
    local known original
    known=$(installed_dir) original=$(original_dir)
    [[ -z $known ]] || return 0 # pack compares what was given
    if [[ -n $original && -e $original/data/user-config.yaml ]]; then
        [[ -z $DIR || $DIR == "$original" || $DIR/$NAME == "$original" ]] || fail 2 \
            "$(t 'DataFlux Func is installed in %s, and a host has one' "$original")" \
            "$(t '%s says so, which the original script wrote' "$ORIGINAL")" \
            "$(t 'the same command without --install-dir takes it over')"
        DIR=$original
    fi
    # An original of before version 1.1.5 wrote nothing down.
    if [[ -n $DIR && ! -e $DIR/data/user-config.yaml && -e $DIR/$NAME/docker-stack.yaml ]]; then DIR=$DIR/$NAME; fi
}

# original_stack: the stack file of an installation that the original script made and that is not ours yet. Where taking it over
# was broken off, it has another name.
original_stack() {
    local file dir=${DIR:-$DEFAULT_DIR}
    [[ ! -e $STATE ]] || return 0
    for file in "$dir/docker-stack.yaml" "$dir/docker-stack.yaml.original"; do
        [[ ! -r $file ]] || head -n 1 -- "$file" | grep '^# Made by pack' >/dev/null || { echo "$file"; return; }
    done
}

install_arguments() { # ARGUMENTS for the verb, with what OLD_STACK, the original's file, says of options that were not given
    local pair found=()
    OLD_STACK=$(original_stack)
    [[ -z $OLD_STACK ]] || mapfile -t found < <("$HERE/hooks/original.sh" options "$OLD_STACK")
    ARGUMENTS=("$SOURCE")
    for pair in ${found[@]+"${found[@]}"} ${SET[@]+"${SET[@]}"}; do ARGUMENTS+=(--set "$pair"); done
    [[ -z $DIR ]] || ARGUMENTS+=(--install-dir "$DIR")
    [[ -z $CONFIGURATION ]] || ARGUMENTS+=(--configuration "$CONFIGURATION")
    ARGUMENTS+=(${PASSED[@]+"${PASSED[@]}"})
}

verb_install() {
    settle_dir
    install_arguments
    if [[ -n $DRY_RUN || $VERB == preflight ]]; then
        site preflight "${ARGUMENTS[@]}"
        return
    fi
    if [[ -n $OLD_STACK ]]; then
        "$HERE/hooks/original.sh" take-over "${DIR:-$DEFAULT_DIR}" "$PACK" "${ARGUMENTS[@]}"
    elif [[ $VERB == update ]]; then
        site update "${ARGUMENTS[@]}"
    else
        site install "${ARGUMENTS[@]}"
    fi
    [[ " ${PASSED[*]-} " == *' --json '* ]] || where_things_are
}

where_things_are() {
    local dir port key
    dir=$(installed_dir)
    [[ -n $dir ]] || return 0
    port=$(tr -d '\n' <"$STATE" | sed -n 's|.*"port": *\([0-9]*\).*|\1|p')
    say "$(t '  address   %s' "http://$(this_address):$port")"
    say "$(t '  settings  %s' "$dir/data/user-config.yaml")"
    say "$(t '  log       %s' "$dir/data/logs/dataflux-func.log")"
    say "$(t '  dumps     %s' "$dir/data/sqldump/")"
    say "$(t '  resources %s' "$dir/data/resources/")"
    for key in MYSQL REDIS; do
        grep -q "^[\"']\{0,1\}${key}_HOST" "$dir/data/user-config.yaml" ||
            say "$(t '  %s is not set: do it on the set-up page, or with: %s' "${key}_HOST" "pack site set ${key}_HOST=...")"
    done
}
this_address() {
    local address
    address=$(ip -o -4 addr show scope global 2>/dev/null | awk '{ sub(/\/.*/, "", $4); print $2, $4 }' |
        grep -v -E '^(docker|br-|veth|virbr|cni|flannel|cali)' | sed -n '1s/.* //p') || true
    printf '%s' "${address:-127.0.0.1}"
}

# ---------------------------------------------------------------- living with it

verb_status() {
    local code=0
    site status --name "$NAME" ${PASSED[@]+"${PASSED[@]}"} || code=$?
    [[ " ${PASSED[*]-} " == *' --json '* ]] || where_things_are
    return "$code"
}

verb_logs() {
    local log follow=()
    log=$(installed_dir)/data/logs/dataflux-func.log
    if ((${#WORDS[@]})); then
        [[ -z $FOLLOW ]] || follow=(--follow)
        site logs --name "$NAME" ${follow[@]+"${follow[@]}"} ${PASSED[@]+"${PASSED[@]}"} "${WORDS[0]#"${NAME}_"}"
    else
        [[ -r $log ]] || fail 1 "$(t 'there is no %s yet' "$log")" "$(t 'the output of a service: %s' 'run-portable.sh logs server')"
        [[ -z $FOLLOW ]] || follow=(-f)
        tail -n 100 ${follow[@]+"${follow[@]}"} "$log"
    fi
}

# At a terminal a value is typed without echo.
verb_set() {
    local word value lines=''
    for word in "${WORDS[@]}"; do
        [[ $word != *=* && -t 0 ]] || continue
        read -r -s -p "$word: " value && echo >&2
        lines+=$value$'\n'
    done
    if [[ -t 0 ]]; then
        site set --name "$NAME" ${PASSED[@]+"${PASSED[@]}"} -- "${WORDS[@]}" <<<"$lines"
    else
        site set --name "$NAME" ${PASSED[@]+"${PASSED[@]}"} -- "${WORDS[@]}"
    fi
}

verb_external() {
    local words=" ${WORDS[*]} " value
    if [[ $words == *mysql://* && ! $words =~ mysql://[^:@/]+:[^@]*@ && -z ${MYSQL_PASSWORD-} && -t 0 ]]; then
        read -r -s -p "$(t 'Password for MySQL: ')" value && echo >&2
        export MYSQL_PASSWORD=$value
    fi
    if [[ $words == *redis://* && ! $words =~ redis://:[^@]*@ && -z ${REDIS_PASSWORD-} && -t 0 ]]; then
        read -r -s -p "$(t 'Password for Redis (empty: none): ')" value && echo >&2
        export REDIS_PASSWORD=$value
    fi
    site external --name "$NAME" ${PASSED[@]+"${PASSED[@]}"} -- "${WORDS[@]}"
}

main() {
    local dir words=()
    parse "$@"
    check_usage
    find_pack
    case $VERB in
        install | update | preflight)
            verb_install
            return
            ;;
    esac
    dir=$(installed_dir)
    [[ -z $DIR || -z $dir || $DIR == "$dir" ]] || fail 2 "$(t 'DataFlux Func is installed in %s, and a host has one' "$dir")" \
        "$(t 'the same command without --install-dir')"
    case $VERB in
        logs | set | external | status) "verb_$VERB" ;;
        *)
            [[ -z $PURGE ]] || words+=(--purge)
            [[ -z $DRY_RUN ]] || words+=(--dry-run)
            [[ -z $YES || ! $VERB =~ ^(uninstall|rollback)$ ]] || words+=(--yes)
            if [[ $VERB == restore && ${WORDS[0]} != /* ]]; then WORDS[0]=${PACK_PWD:-$PWD}/${WORDS[0]}; fi
            site "$VERB" --name "$NAME" ${words[@]+"${words[@]}"} ${PASSED[@]+"${PASSED[@]}"} ${WORDS[@]+"${WORDS[@]}"}
            ;;
    esac
}

main "$@"
