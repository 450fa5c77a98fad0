#!/bin/bash
# Installs DataFlux Func on this host and looks after it. Needs bash 4.2 or newer, and root.
#
#   bash run-portable.sh --help
#
# How it is built: a run checks everything first and lists every finding (preflight), prints what it is
# going to do (plan), and only then changes something, in this order: engine, swarm, images, secrets and
# configuration, stack. The running version is not touched before the new images are proven present. What is deployed is
# an image ID, never a tag: before every start of a task, Swarm asks the registry of a tag for other bytes.
# A run that was interrupted can be repeated; data is never deleted except by `uninstall --purge`.
# With pipefail a writer killed by a reader that left early counts as a failure: no `grep -q`, no `head` in pipes.
set -euo pipefail
umask 077

readonly STACK=dataflux-func
readonly SECRET_NAME=dataflux-func_mysql-root-password # the template names it too
readonly DEFAULT_DIR=/usr/local/dataflux-func
readonly RECORD=/etc/$STACK-portable # where it is installed; `removed` behind it when only the data is left there
readonly DATABASE_DEFAULT=dataflux_func
readonly KEEP_DUMPS=168 # hourly for a week
readonly MIN_DOCKER=18.06
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly HERE
readonly SELF=$HERE/${BASH_SOURCE[0]##*/}
# How this run is repeated. A bundle has put the script into a directory that is gone afterwards.
if [[ -n ${PACK_BUNDLE:-} ]]; then ME="sh $(printf %q "$PACK_BUNDLE")"; else ME="bash $SELF"; fi

usage() {
    cat <<EOF
Usage: run-portable.sh [install] [OPTIONS]     install, update, or change options
       run-portable.sh VERB [ARGUMENTS]        live with it ({install dir}/run-portable.sh has all verbs)

Options of install; one that is not given stays as it was at the last run
  --mini, --no-mini         one worker for all queues; needs 1 core and 2 GB instead of 2 and 4
  --install-dir DIR         instead of $DEFAULT_DIR
  --port PORT               instead of 8088
  --no-mysql, --with-mysql  without (with) the built-in MySQL; connect Func on its set-up page
  --no-redis, --with-redis  without (with) the built-in Redis; likewise
  --mqtt, --no-mqtt         with (without) the built-in MQTT broker, on port 1883
  --config FILE             start from another host's user-config.yaml (second host of a pair)
  --advertise-addr ADDR     address or interface for the swarm, on a host with several
  --online                  pull the images from the registry this host is logged in to
  --timeout SECONDS         how long to wait until everything runs (600)
  --allow-downgrade         install an older version over a newer one
  --dry-run                 check and print the plan; change nothing

Verbs
  status                    services, versions, address, where things are; exit 1 unless all is up
  restart                   read the stack file and the configuration again, restart every service
  stop                      remove the stack; data stays, restart brings it back
  logs [SERVICE] [-f]       last lines of Func's log, or of a service's output; -f follows
  backup                    dump the database into {install dir}/data/sqldump, keep $KEEP_DUMPS
  restore FILE              put a dump back (the present state is dumped first)
  set KEY[=VALUE]...        change Func's configuration, then restart; a value left out is asked for, or read from
                            standard input: a password on the command line is everybody's
  external [--mysql mysql://USER[:PASSWORD]@HOST[:PORT]/DATABASE]
           [--redis redis://[:PASSWORD@]HOST[:PORT][/NUMBER]]
                            move to an external MySQL 5.7, an external Redis 4 or newer, or both;
                            a password left out is read from MYSQL_PASSWORD, REDIS_PASSWORD, or asked for
  uninstall [--purge]       remove the stack; with --purge the data too
  doctor                    look for the known causes of trouble, name the remedies

Everywhere: --install-dir DIR, --yes (answer yes to questions), --help.
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 a file is not what the manifest says, or an older version.
EOF
}

# ---------------------------------------------------------------- saying things

say() { printf '%s\n' "$*"; }
step() { printf '\n== %s\n' "$*"; }

# fail CODE WHAT [LINE...]: the lines are facts and, last, what to type next.
fail() {
    local code=$1 line
    TOLD=yes
    printf '\nerror: %s\n' "$2" >&2
    shift 2
    for line in "$@"; do printf '  %s\n' "$line" >&2; done
    way_back >&2
    exit "$code"
}
die() { fail 1 "$@"; }
misuse() { fail 2 "$1" "see: $ME --help"; }

ask() { # ask QUESTION: yes, or the end of the run
    local answer=''
    [[ $YES == yes ]] && return 0
    [[ -t 0 ]] || die "$1" "there is no terminal to ask; to say yes beforehand, add --yes"
    read -r -p "$1 [y/N] " answer || true
    [[ $answer == [yY] || $answer == [yY]es ]] || die "stopped, nothing was changed"
}

# Removed on every exit; whatever is not finished never had its final name.
TEMPORARY=()
INTERRUPTED='' TOLD=''
clean_up() {
    local code=$1 file
    for file in ${TEMPORARY[@]+"${TEMPORARY[@]}"}; do rm -rf -- "$file"; done
    resume_func
    if [[ -n $INTERRUPTED ]]; then
        printf '\ninterrupted; the same command may be run again\n' >&2
        way_back >&2
    elif [[ $code -ne 0 && $code -ne 141 && -z $TOLD ]]; then # 141: the reader of our output left
        printf '\nerror: a command that is expected to work failed (exit %s; 124: it did not answer in time)\n' "$code" >&2
        printf '  what it said is above, if anything; look: systemctl status docker; then the same command again\n' >&2
        way_back >&2
        exit 1 # what 2 and 3 mean is not for any command to say
    fi
}
on_signal() {
    INTERRUPTED=yes
    exit "$1"
}

# ---------------------------------------------------------------- small tools

# write_file PATH MODE: standard input becomes PATH, whole or not at all.
write_file() {
    local temporary
    temporary=$(mktemp "$1.tmp.XXXXXX") || die "cannot write beside $1"
    TEMPORARY+=("$temporary")
    { cat >"$temporary" && chmod "$2" "$temporary" && sync && mv -f -- "$temporary" "$1"; } ||
        die "cannot write $1" "what was there before is unchanged; is the disk full? df -h ${1%/*}"
}

# write_text PATH MODE TEXT: for what a command made, so that the file is not written when that command failed.
write_text() {
    [[ -n $3 ]] || die "there is nothing to write to $1" "what was there before is unchanged; the same command again"
    write_file "$1" "$2" <<<"$3"
}

# 192 bits from the kernel's generator.
random_hex() {
    local hex
    hex=$(head -c 24 /dev/urandom | od -An -v -tx1 | tr -d ' \n')
    [[ ${#hex} -eq 48 ]] || die "/dev/urandom gave too few bytes"
    printf '%s' "$hex"
}

sha256() { sha256sum -- "$1" | cut -d ' ' -f 1; }

# newer A B: semantic version A is newer than B; a pre-release is older than its release.
newer() {
    local a=${1%%+*} b=${2%%+*} tilde='~'
    a=${a/-/$tilde} b=${b/-/$tilde}
    [[ $a != "$b" && $(printf '%s\n%s\n' "$a" "$b" | sort -V | tail -n 1) == "$a" ]]
}

# at_least A B: the plain version A is B or newer.
at_least() { [[ $(printf '%s\n%s\n' "$2" "$1" | sort -V | sed -n 1p) == "$2" ]]; }

# json_value FILE KEY: the value of a key that occurs once, without its quotes.
json_value() {
    [[ -r $1 ]] || return 0
    tr -d '\n' <"$1" | sed -n 's|.*"'"$2"'": *"\{0,1\}\([^",} ]*\).*|\1|p'
}

# listening PORT: somebody on this host has that TCP port.
listening() {
    local hex
    hex=$(printf '%04X' "$1")
    # A kernel without IPv6 has no tcp6.
    { cat /proc/net/tcp /proc/net/tcp6 2>/dev/null || true; } | grep "^ *[0-9]*: [0-9A-F]*:$hex [0-9A-F:]* 0A " >/dev/null
}

# http_answer HOST PORT [COMMAND...]: the status line and where it redirects to, or nothing. In bash, since
# a bare host has no curl. COMMAND is put before it, as in `nsenter ...` to ask from inside a container.
http_answer() {
    local host=$1 port=$2
    shift 2
    # shellcheck disable=SC2016 # the inner bash expands $1 and $2
    timeout 10 "$@" bash -c 'exec 3<>"/dev/tcp/$1/$2" && printf "GET / HTTP/1.0\r\nHost: $1\r\n\r\n" >&3 && cat <&3' \
        http "$host" "$port" 2>/dev/null | tr -d '\r\0' |
        sed -n -e '1{/^HTTP\//!q;p;}' -e 's/^[Ll]ocation: */-> /p' -e '/^$/q' | paste -s -d ' ' || true
}

# ---------------------------------------------------------------- options

VERB=''
ARGS=()    # what follows the verb
GIVEN=()   # the options as they were given
YES=no DRY_RUN=no ONLINE=no DOWNGRADE=no PURGE=no FOLLOW=no
INSTALL_DIR='' CONFIG_FROM='' ADVERTISE='' TIMEOUT=600 TO_MYSQL='' TO_REDIS=''
MINI='' PORT='' MYSQL='' REDIS='' MQTT='' # empty: as at the last run, else the default

parse() {
    local option value attached
    while (($#)); do
        option=$1 value='' attached=''
        if [[ $1 == --*=* ]]; then
            option=${1%%=*} value=${1#*=} attached=yes
        fi
        case $option in
            --install-dir | --port | --config | --advertise-addr | --timeout | --mysql | --redis)
                if [[ -z $attached ]]; then
                    [[ $# -ge 2 && $2 != -* ]] || misuse "$option needs a value"
                    value=$2
                    shift
                fi
                [[ -n $value ]] || misuse "$option needs a value"
                ;;
            -*) [[ -z $attached ]] || misuse "$option takes no value" ;;
        esac
        case $option in
            --mini) MINI=true ;;
            --no-mini) MINI=false ;;
            --with-mysql) MYSQL=true ;;
            --no-mysql) MYSQL=false ;;
            --with-redis) REDIS=true ;;
            --no-redis) REDIS=false ;;
            --mqtt) MQTT=true ;;
            --no-mqtt) MQTT=false ;;
            --install-dir) INSTALL_DIR=$value ;;
            --port) PORT=$value ;;
            --config) CONFIG_FROM=$value ;;
            --advertise-addr) ADVERTISE=$value ;;
            --timeout) TIMEOUT=$value ;;
            --online) ONLINE=yes ;;
            --allow-downgrade) DOWNGRADE=yes ;;
            --dry-run) DRY_RUN=yes ;;
            --purge) PURGE=yes ;;
            --mysql) TO_MYSQL=$value ;;
            --redis) TO_REDIS=$value ;;
            -f | --follow) FOLLOW=yes option=--follow ;;
            -y | --yes) YES=yes option=--yes ;;
            -h | --help)
                usage
                exit 0
                ;;
            -*) misuse "unknown option: $option" ;;
            *) if [[ -z $VERB ]]; then VERB=$option; else ARGS+=("$1"); fi ;;
        esac
        [[ $option != -* ]] || GIVEN+=("$option")
        shift
    done
    VERB=${VERB:-install}
    check_usage
}

check_usage() {
    local known='' option least=0 most=0
    case $VERB in
        install) known=' --mini --no-mini --with-mysql --no-mysql --with-redis --no-redis --mqtt --no-mqtt --port
            --config --advertise-addr --timeout --online --allow-downgrade --dry-run ' ;;
        restart) known=' --timeout ' ;;
        external) known=' --mysql --redis --timeout ' ;;
        uninstall) known=' --purge ' ;;
        logs) known=' --follow ' most=1 ;;
        restore) known=' --timeout ' least=1 most=1 ;;
        set) known=' --timeout ' least=1 most=1000 ;;
        status | stop | backup | doctor) ;;
        *) misuse "unknown verb: $VERB" ;;
    esac
    for option in ${GIVEN[@]+"${GIVEN[@]}"}; do
        [[ " --install-dir --yes $known " == *[[:space:]]"$option"[[:space:]]* ]] ||
            misuse "$option is not an option of $VERB"
    done
    ((${#ARGS[@]} >= least)) || misuse "$VERB needs an argument"
    ((${#ARGS[@]} <= most)) || misuse "$VERB does not know what to do with: ${ARGS[most]}"
    [[ -z $PORT || $PORT =~ ^[1-9][0-9]{0,4}$ && $PORT -le 65535 ]] || misuse "--port is not a port number: $PORT"
    [[ $PORT != 2377 && $PORT != 7946 ]] || misuse "--port $PORT is the swarm's own"
    [[ $PORT != 1883 || $MQTT != true ]] || misuse "--port 1883 is the MQTT broker's"
    [[ $TIMEOUT =~ ^[1-9][0-9]{0,5}$ ]] || misuse "--timeout is not a number of seconds: $TIMEOUT"
    [[ -z $ADVERTISE || $ADVERTISE =~ ^[A-Za-z0-9.:_-]+$ ]] || misuse "--advertise-addr is no address: $ADVERTISE"
    # From a bundle this script runs in a folder of its own; the caller's paths start elsewhere.
    [[ -z $CONFIG_FROM || $CONFIG_FROM == /* ]] || CONFIG_FROM=${PACK_PWD:-$PWD}/$CONFIG_FROM
    [[ -z $CONFIG_FROM || -r $CONFIG_FROM ]] || misuse "--config cannot be read: $CONFIG_FROM"
    if [[ -z $INSTALL_DIR ]]; then
        # The copy that an installation leaves behind, one that broke off too; the folder it came from has none of these.
        if [[ -e $HERE/receipt.json || -e $HERE/docker-stack.yaml || -d $HERE/data ]]; then
            INSTALL_DIR=$HERE
        else
            INSTALL_DIR=$(recorded_dir) INSTALL_DIR=${INSTALL_DIR:-$DEFAULT_DIR}
        fi
    fi
    while [[ $INSTALL_DIR == */ ]]; do INSTALL_DIR=${INSTALL_DIR%/}; done
    # These characters need no quoting anywhere this path ends up: YAML, logrotate, a shell.
    [[ $INSTALL_DIR =~ ^(/[A-Za-z0-9._-]+)+$ && ! $INSTALL_DIR =~ /\.\.?(/|$) ]] ||
        misuse "--install-dir must be an absolute path of letters, digits, '.', '_' and '-': ${INSTALL_DIR:-/}"
    # What is to be typed next works as it is printed, for another directory too.
    OPTION_DIR=''
    [[ $INSTALL_DIR == "$DEFAULT_DIR" ]] || OPTION_DIR=" --install-dir $INSTALL_DIR"
    [[ $INSTALL_DIR == "$HERE" ]] || ME+=$OPTION_DIR
    RECEIPT=$INSTALL_DIR/receipt.json
    CONFIG=$INSTALL_DIR/data/user-config.yaml
    STACK_FILE=$INSTALL_DIR/docker-stack.yaml
    RESTORING=$INSTALL_DIR/data/sqldump/.restoring # names the dump of what was there, while another takes its place
    UPDATING=$INSTALL_DIR/data/sqldump/.updating   # the version before and its dump (or -), until the new one runs
    OVERRIDE=$INSTALL_DIR/docker-stack.override.yaml
    SET_ASIDE="bash $INSTALL_DIR/run-portable.sh stop; docker secret rm $SECRET_NAME; mv $INSTALL_DIR $INSTALL_DIR.before"
}

# recorded_dir [installed]: where an installation was made, be its stack running or not; `installed`: only one that was
# not uninstalled since. Older versions of this script left that in logrotate's file only.
recorded_dir() {
    local directory='' state=''
    if [[ -r $RECORD ]]; then
        read -r directory state <"$RECORD" || true
    elif [[ -r /etc/logrotate.d/$STACK ]]; then
        directory=$(sed -n '1s|^\(/.*\)/data/logs/.*|\1|p' "/etc/logrotate.d/$STACK")
    fi
    [[ ${1-} != installed || -z $state ]] || directory=''
    printf '%s' "$directory"
}

# What was not given stays as the receipt says; without a receipt, as the stack file has it; else the default.
settle_options() {
    local source=$CONFIG host services
    if [[ ! -e $RECEIPT && -r $STACK_FILE ]]; then
        services=" $(services_in "$STACK_FILE" | cut -d ' ' -f 1 | paste -s -d ' ') "
        [[ $services == *' worker '* ]] && MINI=${MINI:-true}
        [[ $services == *' mysql '* ]] || MYSQL=${MYSQL:-false}
        [[ $services == *' redis '* ]] || REDIS=${REDIS:-false}
        [[ $services == *' mosquitto '* ]] && MQTT=${MQTT:-true}
        PORT=${PORT:-$(published_port)}
    fi
    [[ -z $CONFIG_FROM ]] || source=$CONFIG_FROM
    host=$(config_get MYSQL_HOST "$source")
    [[ -z $host || $host == mysql ]] || MYSQL=${MYSQL:-false} # connected to an external one
    host=$(config_get REDIS_HOST "$source")
    [[ -z $host || $host == redis ]] || REDIS=${REDIS:-false}
    MINI=${MINI:-$(json_value "$RECEIPT" mini)} MINI=${MINI:-false}
    PORT=${PORT:-$(json_value "$RECEIPT" port)} PORT=${PORT:-8088}
    MYSQL=${MYSQL:-$(json_value "$RECEIPT" mysql)} MYSQL=${MYSQL:-true}
    REDIS=${REDIS:-$(json_value "$RECEIPT" redis)} REDIS=${REDIS:-true}
    MQTT=${MQTT:-$(json_value "$RECEIPT" mqtt)} MQTT=${MQTT:-false}
}

# ---------------------------------------------------------------- the product's files

# The services that the options ask for.
wanted_services() {
    [[ $MYSQL == true ]] && printf 'mysql '
    [[ $REDIS == true ]] && printf 'redis '
    [[ $MQTT == true ]] && printf 'mosquitto '
    if [[ $MINI == true ]]; then
        printf 'server worker beat'
    else
        printf 'server worker-0 worker-1-6 worker-7 worker-8-9 beat'
    fi
}

# keep_services FILE "NAME NAME...": FILE without the other services, and without what only MySQL needs.
keep_services() {
    awk -v keep=" $2 " '
        /^[^ #]/ { section = $1; drop = section == "secrets:" && keep !~ / mysql / }
        /^  [^ #]/ && section == "services:" { name = $1; sub(/:.*/, "", name); drop = !index(keep, " " name " ") }
        !drop' "$1"
}

# services_in FILE: a line `NAME IMAGE REFERENCE` for each service. Behind an ID its reference is a comment, else `-`.
services_in() {
    awk '/^[^ #]/ { section = $1 }
        /^  [^ #]/ && section == "services:" { name = $1; sub(/:.*/, "", name) }
        /^    image:/ && section == "services:" {
            gsub(/["\047]/, "", $2)
            print name, $2, $2 !~ /^sha256:/ ? $2 : $3 == "#" && $4 != "" ? $4 : "-"
        }' "$1"
}

# server_tag FILE: the tag of Func's image in a stack file.
server_tag() { [[ ! -r $1 ]] || services_in "$1" | sed -n 's/^server [^ ]* .*:\([0-9][^:@/]*\).*/\1/p'; }

IDS='' # a line `REFERENCE ID` for each image: the engine's ID of what was loaded or pulled under that reference
id_of() { awk -v reference="$1" '$1 == reference { print $2; exit }' <<<"$IDS"; }

render_stack() { # render_stack NODE_ID
    keep_services "$HERE/docker-stack.example.yaml" "$(wanted_services)" |
        sed -e "s|__INSTALL_DIR__|$INSTALL_DIR|g" -e "s|__PORT__|$PORT|g" -e "s|__NODE_ID__|$1|g" | by_id
}

# by_id: a stack file, each reference in it replaced by the ID in IDS.
by_id() {
    KNOWN=$IDS awk '
        BEGIN { count = split(ENVIRON["KNOWN"], line, "\n"); for (i = 1; i <= count; i++) { split(line[i], of, " "); id[of[1]] = of[2] } }
        /^[^ #]/ { section = $1 }
        /^    image:/ && section == "services:" {
            name = $2; gsub(/["\047]/, "", name)
            if (name !~ /^sha256:/) {
                if (id[name] !~ /^sha256:/) { print "no image ID of " name >"/dev/stderr"; exit 1 }
                $0 = "    image: " id[name] " # " name
            }
        }
        { print }'
}

artifact_of() { # artifact_of SERVICE: the file that carries its image
    case $1 in
        mysql | redis) printf '%s.tar.gz' "$1" ;;
        mosquitto) printf 'eclipse-mosquitto.tar.gz' ;;
        *) printf 'dataflux-func.tar.gz' ;;
    esac
}

# wanted_images: a line `REFERENCE ARTIFACT` for each image that the options ask for.
wanted_images() {
    local name image wanted
    wanted=" $(wanted_services) "
    services_in "$HERE/docker-stack.example.yaml" | while read -r name image _; do
        [[ $wanted != *" $name "* ]] || printf '%s %s\n' "$image" "$(artifact_of "$name")"
    done | sort -u
}

case $(uname -m) in
    x86_64 | amd64) ARCH=amd64 ;;
    aarch64 | arm64) ARCH=arm64 ;;
    *) ARCH=$(uname -m) ;;
esac
readonly ARCH

# artifact_value MARK KEY: what the manifest says under KEY about the artifact for this architecture that has MARK.
artifact_value() {
    tr -d ' \t\r\n' <"$HERE/manifest.json" | tr '{' '\n' | awk -v mark="$1" -v arch="\"linux/$ARCH\"" '
        index($0, mark) && (!index($0, "\"platform\":") || index($0, "\"platform\":" arch))' |
        sed -n 's/.*"'"$2"'":"\{0,1\}\([A-Za-z0-9:._-]*\).*/\1/p' | sed -n 1p
}

# pin_of NAME size|digest
pin_of() { artifact_value "\"name\":\"$1\"" "$2"; }

# only_elsewhere NAME: the manifest has that artifact, but not for this architecture.
only_elsewhere() {
    [[ -z $(pin_of "$1" name) ]] && tr -d ' \t\r\n' <"$HERE/manifest.json" | grep -F "\"name\":\"$1\"" >/dev/null
}

# engine_file: where the carried engine archive lies, or would lie: it is large and seldom needed, so a bundle keeps it
# until unpack_engine asks.
engine_file() {
    local name
    name=$(artifact_value '"kind":"engine"' name)
    printf '%s' "${name:+$HERE/$name}"
}

# unpack_engine FOLDER: what is in the carried engine archive.
unpack_engine() {
    local file
    file=$(engine_file)
    if [[ -f $file ]]; then
        tar -xzf "$file" -C "$1" --no-same-owner
    else
        "$PACK" cat --decompress "$PACK_BUNDLE" "${file##*/}" | tar -xf - -C "$1" --no-same-owner
    fi
}

# version: the product's version that is to be installed.
version() { printf '%s' "${PACK_VERSION:-$(json_value "$HERE/manifest.json" version)}"; }

# ---------------------------------------------------------------- configuration

# config_get KEY [FILE]: a value without its quotes.
config_get() {
    [[ -r ${2:-$CONFIG} ]] || return 0
    sed -n "s/^[\"']\{0,1\}$1[\"']\{0,1\}[[:space:]]*:[[:space:]]*//p" "${2:-$CONFIG}" | tail -n 1 | sed -E -e 's/[[:space:]]+$//' \
        -e "/^'(([^']|'')*)'([[:space:]]+#.*)?\$/{s//\1/;s/''/'/g;b" -e '}' \
        -e '/^"(([^"\\]|\\.)*)"([[:space:]]+#.*)?$/{s//\1/;s/\\(["\\])/\1/g;b' -e '}' \
        -e 's/(^|[[:space:]]+)#.*//;s/^(null|~)$//'
}

# yaml_value KEY VALUE: numbers and booleans plain, everything else quoted: a secret of digits stays text.
yaml_value() {
    local quote="'" twice="''" # in variables: bash 4.2 takes quotes in a replacement for themselves
    if [[ $2 =~ ^(0|[1-9][0-9]{0,8}|true|false|null)$ && ! $1 =~ (PASSWORD|SECRET|TOKEN|USER|USERNAME)$ ]]; then
        printf '%s' "$2"
    else
        printf "'%s'" "${2//$quote/$twice}"
    fi
}

# config_set KEY=VALUE...: these lines of the configuration are replaced or added; the file stays whole.
config_set() {
    local text
    text=$(config_with "$@") || die "the new configuration could not be made" "$CONFIG is unchanged; the same command again"
    write_text "$CONFIG" 600 "$text"
}

# config_with KEY=VALUE...: the configuration with these lines replaced or added.
config_with() {
    local text pair key line
    text=$([[ ! -e $CONFIG ]] || cat "$CONFIG") || return 1
    for pair in "$@"; do
        key=${pair%%=*}
        line="$key: $(yaml_value "$key" "${pair#*=}")" || return 1
        text=$(printf '%s\n' "$text" | LINE=$line awk -v key="$key" '
            $0 ~ "^[\"\047]?" key "[\"\047]?[ \t]*:" { if (!done) print ENVIRON["LINE"]; done = 1; next }
            { print }
            END { if (!done) print ENVIRON["LINE"] }') || return 1
    done
    printf '%s\n' "$text"
}

# config_problem FILE: the first line that Func could not read, or nothing. Func's configuration is flat.
config_problem() {
    awk '/^[ \t]*(#.*)?$/ || /^---[ \t]*$/ { next }
        /^[ ]*\t/ { print "line " NR " begins with a tab"; exit }
        /^[ ]+|^- / { next }
        !/^["\047]?[A-Za-z_][A-Za-z0-9_]*["\047]?[ ]*:([ ]|$)/ { print "line " NR " is not KEY: VALUE"; exit }
        { key = $0; sub(/[ ]*:.*/, "", key); gsub(/["\047]/, "", key); if (seen[key]++) { print "line " NR " has " key " once more"; exit } }' "$1"
}

# ---------------------------------------------------------------- Docker

d() { timeout 60 docker "$@"; }

# A Docker listens, whether or not its command is to be found. (Older systems' ss knows no -H.)
docker_listens() {
    ss -lx 2>/dev/null | awk '{ for (i = 1; i <= NF; i++) if ($i ~ /^(\/var)?\/run\/docker\.sock$/) found = 1 } END { exit !found }'
}

# The files that containers get are this host's: an engine of another one would make its own, empty.
refuse_distant_docker() {
    local host=${DOCKER_HOST-} what=DOCKER_HOST
    if [[ -z $host ]] && command -v docker >/dev/null; then
        what="the docker context ${DOCKER_CONTEXT:-in ~/.docker/config.json}"
        # Docker before 19.03 has no contexts. One that cannot be read is none of this host's.
        if [[ -n ${DOCKER_CONTEXT-} ]] || grep -q '"currentContext"' "${DOCKER_CONFIG:-${HOME:-/root}/.docker}/config.json" 2>/dev/null; then
            host=$(timeout 20 docker context inspect --format '{{.Endpoints.docker.Host}}' ${DOCKER_CONTEXT:+"$DOCKER_CONTEXT"} 2>/dev/null) ||
                host='a place that cannot be read'
        fi
    fi
    [[ -z $host || $host == unix://* ]] || die "$what leads to $host; this script is for the Docker of this host" \
        "nothing was changed; without it, the same command: unset DOCKER_HOST DOCKER_CONTEXT; docker context use default"
}

# look_at_docker: ENGINE is absent, answers, stopped, silent, denied (this user may not ask it), hidden (it listens, but
# its command is not to be found) or podman; SWARM its state.
look_at_docker() {
    ENGINE=absent SWARM=inactive DOCKER_VERSION='' NODE_ID=''
    if ! command -v docker >/dev/null; then
        ! docker_listens || ENGINE=hidden
    elif docker --version 2>/dev/null | grep -i podman >/dev/null; then
        ENGINE=podman
    elif DOCKER_VERSION=$(timeout 20 docker version --format '{{.Server.Version}}' 2>/dev/null) &&
        [[ -n $DOCKER_VERSION ]]; then
        ENGINE=answers
        read -r SWARM MANAGER NODE_ID < <(
            d info --format '{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}} {{.Swarm.NodeID}}'
        ) || true
        [[ $SWARM != active || $MANAGER == true ]] || SWARM=worker
    elif [[ -S /var/run/docker.sock && ! -w /var/run/docker.sock ]]; then
        ENGINE=denied
    elif command -v systemctl >/dev/null && [[ $(systemctl is-active docker 2>/dev/null) == inactive ]] &&
        systemctl cat docker >/dev/null 2>&1; then
        ENGINE=stopped
    else
        ENGINE=silent
    fi
}

# docker_remedy: what to type where a Docker is here and cannot be asked.
docker_remedy() {
    case $ENGINE in
        hidden) printf '%s' "where is the command docker? then: $OTHER_PATH" ;;
        *) printf 'look: systemctl status docker; then: systemctl start docker' ;;
    esac
}
OTHER_PATH="PATH=\$PATH:/that/place before the same command"

need_stack() { # the verbs other than install need what install made
    [[ $(id -u) -eq 0 ]] || die "this needs root" "type: sudo $ME $VERB"
    [[ -e $CONFIG || ! -e $RECEIPT && ! -e $STACK_FILE ]] || die "$CONFIG with the passwords is lost" \
        "put it back from a backup (the one before the last change may be $CONFIG.previous); a new one would not open the data"
    [[ -e $CONFIG && -e $STACK_FILE || ! -e $INSTALL_DIR/run-portable.sh ]] ||
        die "the installation in $INSTALL_DIR did not come to its end" \
            "type the command that installs again, from the bundle or folder; it goes on where it was, and no password is lost"
    [[ -e $CONFIG && -e $STACK_FILE ]] || die "DataFlux Func is not installed in $INSTALL_DIR" \
        "if it is elsewhere: $ME $VERB --install-dir DIR"
    look_at_docker
    [[ $ENGINE == answers ]] || die "Docker does not answer" "$(docker_remedy)"
    [[ $SWARM == active ]] || die "this host is not a manager of a swarm (state: $SWARM)" \
        "run install again from the folder or bundle: it prepares the swarm and keeps the data"
}

# stack_node: the name of another node of this swarm that has the stack, or nothing. A node that is gone for good, and one
# that is this host before it left its swarm, have nothing.
stack_node() {
    local of node nodes
    [[ $ENGINE == answers && $SWARM == active ]] || return 0
    of=$(d service inspect --format '{{json .Spec.TaskTemplate.Placement}}' "${STACK}_server" 2>/dev/null) || return 0
    node=$(sed -n 's/.*"node\.id *== *\([a-z0-9]*\)".*/\1/p' <<<"$of")
    nodes=$(d node ls --format '{{.ID}} {{.Status}} {{.Hostname}}') || return 1
    if [[ -z $node ]]; then # as the product's own earlier scripts have it
        of=$(d service ps --no-trunc --filter desired-state=running --format '{{.Node}}' "${STACK}_server" 2>/dev/null | sed -n 1p) || true
        node=$(awk -v name="$of" '$3 == name { print $1; exit }' <<<"$nodes")
    fi
    [[ -z $node || $node == "$NODE_ID" ]] ||
        awk -v id="$node" -v own="$(hostname)" '$1 == id && !($2 == "Down" && $3 == own) { print $3 }' <<<"$nodes"
}
refuse_other_node() {
    local node
    node=$(stack_node) || docker_gone "nothing was changed"
    [[ -z $node ]] || die "the node $node of this swarm has the stack $STACK, and a swarm has one" "nothing was changed; type it there, on $node"
}

# A Docker that does not answer must never be taken for one that has nothing.
docker_gone() { die "Docker does not answer any more" "$1" "look: systemctl status docker; then the same command again"; }

running_services() {
    d service ls --filter "label=com.docker.stack.namespace=$STACK" --format '{{.Name}} {{.Replicas}}' |
        sed "s/^${STACK}_//" | cut -d ' ' -f 1,2
}
container_of() {
    d ps --quiet --filter "label=com.docker.swarm.service.name=${STACK}_$1" --filter status=running | sed -n 1p
}
image_id() { d image inspect --format '{{.Id}}' "$1" 2>/dev/null || true; }

# config_in REFERENCE: the digest of an image's configuration, out of the manifest.json (on standard input) of a
# `docker save`. Without REFERENCE it is that of the only image.
config_in() {
    tr -d ' \n' | tr '{' '\n' | grep -F "${1:+\"$1\"}" | sed -n 's|.*"Config":"\(blobs/sha256/\)\{0,1\}\([0-9a-f]\{64\}\).*|sha256:\2|p' | sed -n 1p
}

# carried_config REFERENCE ARTIFACT: the same of what was verified and is loaded from a bundle or the folder; or nothing
# where the archive has no such list.
carried_config() {
    if [[ -n ${PACK_BUNDLE:-} ]]; then
        # An object for each image, when those of its layers are left out.
        "$PACK" inspect --json "$PACK_BUNDLE" | tr -d ' \n' | sed -e 's/{[^{}]*"diffId"[^{}]*}//g' | tr '{' '\n' | grep -F "\"$1\"" |
            sed -n 's/.*"id":"\(sha256:[0-9a-f]*\)".*/\1/p' | sed -n 1p
    else
        tar -xzOf "$HERE/$2" manifest.json 2>/dev/null | config_in "$1"
    fi
}

# loaded_id REFERENCE ARTIFACT: the engine's ID of what was just loaded: the digest of its configuration; of its manifest
# where the engine keeps images in containerd, and then what it gives back has to have that configuration.
loaded_id() {
    local id config
    id=$(image_id "$1")
    config=$(carried_config "$1" "$2") || true
    if [[ $id == sha256:* && -n $config && $id != "$config" ]]; then
        [[ $(timeout 600 docker save "$id" 2>/dev/null | tar -xOf - manifest.json 2>/dev/null | config_in '') == "$config" ]] || return 1
    fi
    printf '%s' "$id"
}

# ---------------------------------------------------------------- preflight: everything is checked, nothing changed

ERRORS=() WARNINGS=() NOTES=() # each entry: what, a newline, the remedy
finding() { # finding error|warning|note WHAT REMEDY
    case $1 in
        error) ERRORS+=("$2"$'\n'"$3") ;;
        warning) WARNINGS+=("$2"$'\n'"$3") ;;
        note) NOTES+=("$2"$'\n'"$3") ;;
    esac
}

print_findings() {
    local entry
    for entry in ${NOTES[@]+"${NOTES[@]}"}; do printf '  note     %s\n           -> %s\n' "${entry%%$'\n'*}" "${entry#*$'\n'}"; done
    for entry in ${WARNINGS[@]+"${WARNINGS[@]}"}; do printf '  warning  %s\n           -> %s\n' "${entry%%$'\n'*}" "${entry#*$'\n'}"; done
    for entry in ${ERRORS[@]+"${ERRORS[@]}"}; do printf '  ERROR    %s\n           -> %s\n' "${entry%%$'\n'*}" "${entry#*$'\n'}"; done
    if ((${#NOTES[@]} + ${#WARNINGS[@]} + ${#ERRORS[@]} == 0)); then say '  nothing found'; fi
}

preflight() {
    look_at_docker
    check_host
    check_files
    check_engine
    check_network
    check_state
}

# open_ports PORT...: the command that lets them in through firewalld.
open_ports() {
    printf 'firewall-cmd --permanent%s && firewall-cmd --reload && systemctl restart docker' "$(printf -- ' --add-port=%s/tcp' "$@")"
}

check_host() {
    local cores memory need_cores=2 need_memory=4 kernel
    [[ $MINI == false ]] || need_cores=1 need_memory=2
    [[ $(id -u) -eq 0 ]] || finding error "this run has no root rights" "sudo $ME ..."
    [[ $ARCH == amd64 || $ARCH == arm64 ]] ||
        finding error "this host's architecture is $ARCH; the product is for amd64 and arm64" "use another host"
    cores=$(nproc 2>/dev/null || grep -c '^processor' /proc/cpuinfo)
    ((cores >= need_cores)) || finding error "$cores CPU core, $need_cores are needed" \
        "a larger host, or --mini (1 core)"
    # A host "with 4 GB" reports up to a tenth less.
    memory=$(awk '$1 == "MemTotal:" { print int($2 / 1000) }' /proc/meminfo)
    ((memory * 10 >= need_memory * 9000)) ||
        finding error "$memory MB of memory, $need_memory GB are needed" "a larger host, or --mini (2 GB)"
    kernel=$(uname -r)
    at_least "${kernel%%-*}" 3.10 ||
        finding error "Linux $kernel is too old for Docker" \
            "use a system with Linux 3.10 or newer (CentOS 7.6, Ubuntu 16.04)"
    check_space
    if command -v getenforce >/dev/null && [[ $(getenforce) == Enforcing ]]; then
        finding note "SELinux is enforcing" \
            "if containers may not read $INSTALL_DIR: chcon -R -t container_file_t $INSTALL_DIR (CentOS 7: svirt_sandbox_file_t)"
    fi
    if command -v firewall-cmd >/dev/null && firewall-cmd --state >/dev/null 2>&1; then
        finding note "firewalld is running" \
            "$(if [[ $MQTT == false ]]; then open_ports "$PORT"; else open_ports "$PORT" 1883; fi)"
    fi
}

# images_need: MB that Docker needs for the images: what the archives unpack to is up to three times as much.
images_need() {
    local reference name bytes total=0
    while read -r reference name; do
        [[ $ENGINE != answers || -z $(image_id "$reference") ]] || continue # of that name, so about that size
        bytes=$(pin_of "$name" size 2>/dev/null || true)
        [[ -n $bytes ]] || bytes=$(stat -c %s "$HERE/$name" 2>/dev/null || echo 300000000)
        total=$((total + bytes))
    done < <(wanted_images)
    printf '%s' $((total * 3 / 1000000 + 500))
}

# Docker's directory and ours have room enough: each on its disk, or both on one.
check_space() {
    local docker=/var/lib/docker ours images size
    [[ $ENGINE != answers ]] || docker=$(d info --format '{{.DockerRootDir}}' 2>/dev/null || printf '%s' "$docker")
    docker=$(existing "$docker") ours=$(existing "$INSTALL_DIR") images=$(images_need)
    if [[ $(df -P "$docker" | sed -n '2s/ .*//p') == "$(df -P "$ours" | sed -n '2s/ .*//p')" ]]; then
        check_free "$docker" $((images + 1024)) "the images, configuration, data and logs"
    else
        check_free "$docker" "$images" "the images"
        check_free "$ours" 1024 "configuration, data and logs"
    fi
    # A disk "of 20 GB" has up to a tenth less for files. What is free may be less: a smaller disk is only a bad start.
    size=$(df -Pm "$docker" "$ours" | awk 'NR > 1 && !seen[$1]++ { size += $2 } END { print size }')
    ((size >= 18000)) || finding warning "the disk has $size MB, the product is made for 20 GB and more" \
        "it runs; watch how the data grows: df -h; or --install-dir on a larger disk"
}
existing() { # existing PATH: it, or the closest directory above that is there
    local path=$1
    while [[ ! -d $path ]]; do path=${path%/*} path=${path:-/}; done
    printf '%s' "$path"
}
check_free() { # check_free DIRECTORY MB FOR
    local free
    free=$(df -Pm "$1" | awk 'NR == 2 { print $4 }')
    ((free >= $2)) || finding error "$free MB free at $1, about $2 MB are needed for $3" \
        "make room there (df -h $1; docker system df), or --install-dir on a larger disk"
}

# check_files: what the plan needs is here and is what the manifest says. `pack` has checked a bundle already.
check_files() {
    local new name file digest
    local names=()
    if [[ ! -r $HERE/manifest.json || ! -r $HERE/docker-stack.example.yaml ]]; then
        fail 1 "manifest.json or docker-stack.example.yaml is not beside this script, in $HERE" \
            "install runs from the bundle or the complete folder; to look after what is installed, name a verb: --help"
    fi
    new=$(version)
    [[ -n $new ]] || finding error "manifest.json names no version" "fetch the folder again: pack download"
    [[ -n ${PACK_BUNDLE:-} || $ONLINE == yes ]] || mapfile -t names < <(wanted_images | cut -d ' ' -f 2)
    if [[ $ENGINE == absent ]]; then
        file=$(engine_file)
        names+=(docker.service)
        [[ -n ${PACK_BUNDLE:-} && -n $file ]] || names+=("${file##*/}") # what is in a bundle was verified with it
    fi
    names+=(docker-stack.example.yaml)
    for name in "${names[@]}"; do
        file=$HERE/$name
        digest=$(pin_of "$name" digest)
        if [[ -n $name ]] && only_elsewhere "$name"; then
            finding error "$name is for another architecture; this host is linux/$ARCH" \
                "take the bundle or the folder for linux/$ARCH: pack download --platform linux/$ARCH"
        elif [[ ! -f $file ]]; then
            finding error "${name:-the engine archive} is not in $HERE" \
                "fetch it: pack download; or copy the folder again"
        elif [[ -z $digest ]]; then
            finding note "$name has no digest in manifest.json, its bytes are not checked" \
                "the publisher runs: pack lock"
        elif [[ -z ${PACK_BUNDLE:-} && sha256:$(sha256 "$file") != "$digest" ]]; then
            INTEGRITY=yes
            finding error "$name is damaged or not of this version: its digest is not $digest" \
                "fetch it again: pack download, or copy it again"
        fi
    done
    CURRENT=$(json_value "$RECEIPT" version)
    check_succession "$new"
}

# check_succession NEW: an older version would find a database that it does not know.
check_succession() {
    local tag
    [[ $DOWNGRADE == no ]] || return 0
    if [[ -n $CURRENT ]] && newer "$CURRENT" "$1"; then
        INTEGRITY=yes
        finding error "version $CURRENT is installed, this is the older $1" "$TAKE_NEWER"
        return 0
    fi
    # The receipt is written last: after an update that broke off, or without it, the stack file knows more.
    tag=$(server_tag "$STACK_FILE")
    if [[ -n $tag && -e $INSTALL_DIR/run-portable.sh ]] && newer "$tag" "$(server_tag "$HERE/docker-stack.example.yaml")"; then
        INTEGRITY=yes
        finding error "$STACK_FILE has Func $tag, this is the older $1" "$TAKE_NEWER"
    fi
}
TAKE_NEWER='take the newer bundle; if you must, with a database dump of the older version at hand: --allow-downgrade'

check_engine() {
    local name
    case $ENGINE in
        podman) finding error "the command docker is podman here, which has no swarm" \
            "remove podman-docker; this script then brings Docker" ;;
        silent) finding error "Docker is installed but does not answer; it is not replaced" \
            "systemctl status docker; journalctl -u docker -n 50; systemctl start docker" ;;
        denied) finding error "this user may not ask Docker what is here" "with root rights: sudo $ME ..." ;;
        hidden) finding error "a Docker runs here, but its command docker is not to be found; it is not replaced" \
            "$(docker_remedy)" ;;
        answers)
            at_least "$DOCKER_VERSION" "$MIN_DOCKER" ||
                finding error "Docker $DOCKER_VERSION is too old, $MIN_DOCKER is needed; it is not replaced" \
                    "update it with your system's packages, or remove it and this script brings one"
            ;;
        absent)
            [[ -d /run/systemd/system ]] || finding error "there is no Docker, and no systemd to run the carried one" \
                "install and start Docker $MIN_DOCKER or newer in this system's own way, then run again"
            command -v iptables >/dev/null || finding error "the command iptables is missing, Docker needs it" \
                "install the system's package iptables"
            check_engine_runs
            for name in ${ENGINE_STAGE:+"$ENGINE_STAGE"/docker/*}; do
                name=${name##*/}
                [[ ! -e /usr/bin/$name || ! -e $ENGINE_STAGE/docker/$name ]] || cmp -s "/usr/bin/$name" "$ENGINE_STAGE/docker/$name" ||
                    finding error "/usr/bin/$name is here already, without the command docker; it is not replaced" \
                        "is Docker in another place? then: $OTHER_PATH; else the package manager that brought it"
            done
            [[ ! -e /etc/systemd/system/docker.service ]] || cmp -s /etc/systemd/system/docker.service "$HERE/docker.service" ||
                finding error "/etc/systemd/system/docker.service is here already, and not ours; it is not replaced" \
                    "is Docker in another place? then: $OTHER_PATH; else move that file away"
            ;;
    esac
    [[ -z $(unlimited_files) ]] || finding warning "$(unlimited_files)" "$LIMIT_FILES"
    # Docker takes the kernel's word that AppArmor is on, and then starts no container without the parser.
    if grep -q Y /sys/module/apparmor/parameters/enabled 2>/dev/null && ! command -v apparmor_parser >/dev/null; then
        finding error "AppArmor is on in this kernel, but apparmor_parser is missing: Docker could start no container" \
            "install the system's package apparmor; or boot with apparmor=0"
    fi
    case $SWARM in
        inactive | active) ;;
        worker) finding error "this host is a worker of a swarm; a stack is deployed on a manager" \
            "run this on a manager, or type on one: docker node promote $(hostname)" ;;
        locked) finding error "this host's swarm is locked" "docker swarm unlock" ;;
        *) finding error "this host's swarm is in the state $SWARM" \
            "docker info; docker swarm leave --force gives it up" ;;
    esac
}

# unlimited_files: the unit that lets containers open files without a limit, or nothing. Programs that close every file
# they could have opened, or keep a table of them, then take minutes and gigabytes: MySQL 5.7 is one.
unlimited_files() {
    local unit limit
    [[ $ENGINE == answers ]] && command -v systemctl >/dev/null || return 0
    for unit in containerd docker; do
        limit=$(systemctl show -p LimitNOFILE "$unit.service" 2>/dev/null | sed -n 's/^LimitNOFILE=//p') || true
        if [[ $(systemctl is-active "$unit.service" 2>/dev/null) == active && ($limit == infinity || $limit =~ ^[0-9]{8,}$) ]]; then
            printf '%s' "$unit.service has LimitNOFILE=$limit: MySQL takes gigabytes of memory with it, and minutes to start"
            return 0
        fi
    done
}
# shellcheck disable=SC2016 # for the operator's shell
LIMIT_FILES='for unit in containerd docker; do mkdir -p /etc/systemd/system/$unit.service.d; printf "[Service]\nLimitNOFILE=1048576\n" >/etc/systemd/system/$unit.service.d/files.conf; done; systemctl daemon-reload; systemctl try-restart containerd docker'

# Where the carried engine is unpacked to be looked at.
STAGES=("${TMPDIR:-/tmp}" /var/tmp /root)
# Before 5.1 bash puts every text that it hands to a command into a file: where the disk is full that fails, and some
# of these texts are passwords.
[[ -n ${TMPDIR:-} || ! -w /dev/shm ]] || TMPDIR=/dev/shm

# The carried engine is started for its version alone: proof of architecture, libraries and intact bytes.
check_engine_runs() {
    local place file found='' why=''
    file=$(engine_file)
    [[ -f $file || (-n $file && -n ${PACK_BUNDLE:-}) ]] || return 0 # check_files has said so
    for place in "${STAGES[@]}"; do # some of them may be mounted noexec
        ENGINE_STAGE=$(mktemp -d "$place/$STACK-engine.XXXXXX" 2>/dev/null) || continue
        TEMPORARY+=("$ENGINE_STAGE")
        why=$(unpack_engine "$ENGINE_STAGE" 2>&1) || continue # full, or damaged
        why=$("$ENGINE_STAGE/docker/dockerd" --version 2>&1) || continue
        found=$(sed -n 's/.*version \([0-9][^, ]*\).*/\1/p' <<<"$why")
        [[ -z $found ]] || break
    done
    DOCKER_VERSION=$found
    if [[ -z $found ]]; then
        finding error "the carried Docker Engine (${file##*/}) does not start on this host ($(uname -m)): $(head -n 5 <<<"$why" | paste -s -d ' ')" \
            "room in ${STAGES[0]} and /var/tmp? df -h; is it for this host? then see why: docker/dockerd --version in it"
    elif [[ $(stat -fc %T /sys/fs/cgroup) == cgroup2fs ]] && ! at_least "$found" 20.10; then
        finding error "this system has cgroup v2 only, which the carried Docker $found does not know" \
            "install the system's own Docker 20.10 or newer; or boot with systemd.unified_cgroup_hierarchy=0"
    fi
}

# host_addresses: a line `INTERFACE ADDRESS` for each way into this host; Docker's own interfaces are none.
host_addresses() {
    ip -o -4 addr show scope global 2>/dev/null | awk '{ sub(/\/.*/, "", $4); print $2, $4 }' |
        grep -v -E '^(docker|br-|veth|virbr|cni|flannel|cali)' || true
}

check_network() {
    local port addresses count holder
    [[ $PORT != 1883 || $MQTT == false ]] || # the broker may be one of an earlier run's options
        finding error "port 1883 is the MQTT broker's, Func cannot have it too" "another --port; or --no-mqtt"
    for port in "$PORT" $([[ $MQTT == false ]] || echo 1883); do
        if listening "$port" && ! our_port "$port"; then
            holder=$(ss -ltnp "sport = :$port" 2>/dev/null | sed -n 's/.*users:(("\([^"]*\)".*/ by \1/p' | sed -n 1p) || true
            finding error "port $port is taken${holder}" \
                "stop what uses it (ss -ltnp 'sport = :$port'), or choose another$([[ $port == 1883 ]] || echo ': --port PORT')"
        fi
    done
    [[ $ENGINE == answers && $SWARM != inactive ]] && return 0
    addresses=$(host_addresses)
    count=$(grep -c . <<<"$addresses" || true)
    if [[ -n $ADVERTISE ]]; then
        [[ $ADVERTISE == 127.0.0.1 ]] || grep -q -w -F -- "$ADVERTISE" <<<"$addresses" ||
            finding error "--advertise-addr $ADVERTISE is neither an interface nor an address of this host" \
                "there are: $(paste -s -d ',' <<<"$addresses")"
    elif ((count > 1)); then
        finding error "this host has several addresses: $(paste -s -d ',' <<<"$addresses")" \
            "say which one the swarm uses: --advertise-addr INTERFACE-OR-ADDRESS"
    elif ((count == 0)); then
        finding error "this host has no network address" \
            "configure the network, or for a host on its own: --advertise-addr 127.0.0.1"
    else
        ADVERTISE=${addresses#* }
    fi
    for port in 2377 7946; do
        ! listening "$port" || finding error "port $port is taken, the swarm needs it" \
            "stop what uses it: ss -ltnp 'sport = :$port'"
    done
    # Docker takes 172.17.0.0/16 and 172.18.0.0/16 for its bridges, the swarm 10.0.x.0/24 (before 18.09 also 10.255.0.0/16).
    if ip -4 route 2>/dev/null | grep -v -E 'dev (docker|br-|veth)' | grep -E '^(172\.1[678]\.|10\.0\.[0-9]\.|10\.255\.)' >/dev/null; then
        finding warning "this host has routes in networks that Docker takes for itself (172.17/16, 172.18/16, 10.0.x/24)" \
            "hosts there may be out of reach for Func; see docs.docker.com: bip, default-address-pools, --default-addr-pool"
    fi
}

# our_port PORT: it is our own stack that has it, on this host or for the whole swarm. A container that is just being
# started, as after a reboot, holds its port before `docker ps` has it: then what the service is to publish counts.
our_port() {
    local ours="label=com.docker.stack.namespace=$STACK"
    [[ $ENGINE == answers ]] || return 1
    {
        d ps --filter "$ours" --format '{{.Ports}}' && d service ls --filter "$ours" --format '{{.Ports}}'
        d service ls --quiet --filter "$ours" | xargs -r timeout 60 docker service inspect \
            --format '{{range .Spec.EndpointSpec.Ports}}:{{.PublishedPort}}->{{"\n"}}{{end}}'
    } 2>/dev/null | grep -- ":$1->" >/dev/null
}

has_data() { [[ -n $(ls -A "$INSTALL_DIR/$1" 2>/dev/null) ]]; }

# running_dir: the install dir of the stack that Docker has now.
running_dir() {
    local mount
    [[ $ENGINE == answers && $SWARM == active ]] || return 0
    mount=$(d service inspect --format '{{range .Spec.TaskTemplate.ContainerSpec.Mounts}}{{.Source}}{{"\n"}}{{end}}' \
        "${STACK}_server" 2>/dev/null | grep '/data$' | sed -n 1p) || true
    printf '%s' "${mount%/data}"
}

# check_state: a part of what is installed that got lost is never replaced by something new.
check_state() {
    local problem='' from=$CONFIG entry foreign='' elsewhere recorded node
    node=$(stack_node) || docker_gone "nothing was changed"
    if [[ -n $node ]]; then
        finding error "the node $node of this swarm has the stack $STACK, and a swarm has one" \
            "to look after it, type it there; for a second host of a pair this one needs a swarm of its own: docker swarm leave --force"
        return 0
    fi
    elsewhere=$(running_dir) recorded=$(recorded_dir installed)
    if [[ $recorded == "$INSTALL_DIR" && ! -e $recorded/run-portable.sh ]]; then
        finding error "DataFlux Func was installed in $recorded, and nothing of it is there: is its disk mounted?" \
            "mount it; or if it was deleted: rm -f $RECORD /etc/logrotate.d/$STACK; docker secret rm $SECRET_NAME"
        return 0
    fi
    [[ -n $elsewhere || ! -e $recorded/run-portable.sh ]] || elsewhere=$recorded # its stack is stopped
    if [[ -n $elsewhere && $elsewhere != "$INSTALL_DIR" ]]; then
        finding error "DataFlux Func is installed in $elsewhere, and a host has one" \
            "the same command with --install-dir $elsewhere; or remove that one first: bash $elsewhere/run-portable.sh uninstall"
        return 0 # what is in this directory does not matter then
    fi
    if [[ -n $CONFIG_FROM ]]; then
        from=$CONFIG_FROM
        if [[ -z $(config_get SECRET "$from") ]]; then
            finding error "$CONFIG_FROM has no SECRET" "give the first host's data/user-config.yaml"
        fi
        if [[ $MYSQL == true ]] && has_data mysql && [[ $(config_get MYSQL_PASSWORD) != "$(config_get MYSQL_PASSWORD "$from")" ]]; then
            finding error "$CONFIG_FROM has another MySQL password than the data in $INSTALL_DIR/mysql" \
                "move the first host to external databases first (verb external), then take its configuration"
        fi
        if [[ $(config_get MYSQL_HOST "$from") == mysql || $(config_get REDIS_HOST "$from") == redis ]]; then
            finding warning "$CONFIG_FROM names built-in databases: this host gets empty ones of its own, it does not share the first one's" \
                "for a pair, first on the other host: run-portable.sh external --mysql URL --redis URL"
        fi
    fi
    if [[ ! -e $from ]]; then
        for entry in mysql/ibdata1 mysql/mysql receipt.json docker-stack.yaml; do
            [[ ! -e $INSTALL_DIR/$entry ]] || problem="$INSTALL_DIR/$entry is here"
        done
        if [[ -z $problem && $ENGINE == answers && $SWARM == active ]] && d secret inspect "$SECRET_NAME" >/dev/null 2>&1; then
            finding error "the Docker secret $SECRET_NAME is here, of an installation that is not in $INSTALL_DIR" \
                "name its directory: --install-dir DIR (to find it: find / -path '*/data/user-config.yaml'); if there is none any more: docker secret rm $SECRET_NAME"
        fi
        [[ -z $problem ]] || finding error "$problem, but $CONFIG with the passwords is lost; a new password would not open the data" \
            "put user-config.yaml back from a backup; or to begin anew and keep what is there: $SET_ASIDE"
    else
        problem=$(config_problem "$from")
        [[ -z $problem ]] || finding error "$from cannot be read: $problem" "correct that line"
        if [[ -z $(config_get SECRET "$from") && -z $CONFIG_FROM && ( -e $RECEIPT || -e $STACK_FILE ) ]]; then
            finding error "$from has no SECRET any more; with a new one, what Func encrypted could not be read" \
                "put the line back from a backup of the file (the one before the last change may be $CONFIG.previous)"
        fi
        if [[ $MQTT == true && -z $(config_get MQTT_PASSWORD "$from") && -s $INSTALL_DIR/mosquitto/passwd ]]; then
            finding error "$from has no MQTT_PASSWORD, but the broker has one: $INSTALL_DIR/mosquitto/passwd" \
                "put the line back from a backup of the file; or for a new password: rm $INSTALL_DIR/mosquitto/passwd"
        fi
        if [[ $MYSQL == true && -z $(config_get MYSQL_PASSWORD "$from") ]] && has_data mysql; then
            finding error "$from has no MYSQL_PASSWORD, but there is data in $INSTALL_DIR/mysql" \
                "put the line back from a backup of the file"
        fi
        if [[ $MYSQL == true && -n $(json_value "$RECEIPT" ready) && $(json_value "$RECEIPT" mysql) == true ]] && ! has_data mysql; then
            finding error "$INSTALL_DIR/mysql is empty, but this installation has run before: the data is gone or its disk is not mounted" \
                "mount it; or to begin anew and keep what is there: $SET_ASIDE"
        fi
    fi
    if [[ -d $INSTALL_DIR ]]; then
        for entry in "$INSTALL_DIR"/* "$INSTALL_DIR"/.[!.]*; do
            case ${entry##*/} in
                data | mysql | redis | mosquitto | receipt.json* | docker-stack.* | run-portable.sh* | lost+found) ;;
                *) [[ ! -e $entry ]] || foreign=${entry##*/} ;;
            esac
        done
        [[ -z $foreign || -e $CONFIG ]] || finding error "$INSTALL_DIR is used by something else (there is $foreign)" \
            "--install-dir with a directory of its own"
    fi
    if [[ $MYSQL == true && -n $(config_get MYSQL_HOST "$from") && $(config_get MYSQL_HOST "$from") != mysql ]]; then
        finding warning "the built-in MySQL will run, but the configuration uses $(config_get MYSQL_HOST "$from")" \
            "set MYSQL_HOST=mysql ..., or --no-mysql"
    fi
    check_left_behind "$MYSQL" mysql MYSQL "$from"
    check_left_behind "$REDIS" redis REDIS "$from"
}

# check_left_behind WANTED DIRECTORY KEY CONFIGURATION: without a built-in database that Func has used it would begin anew,
# and empty. Another host in the configuration says that the data is there.
check_left_behind() {
    local host name=MySQL
    host=$(config_get "$3_HOST" "$4")
    [[ $2 == mysql ]] || name=Redis
    [[ $1 == true || -n $host && $host != "$2" ]] || { [[ $host != "$2" ]] && ! has_data "$2"; } ||
        finding error "--no-$2, but Func's data is in the built-in $name ($INSTALL_DIR/$2)" \
            "keep it: --with-$2; move it first: bash $INSTALL_DIR/run-portable.sh external --$2 URL; or where another server has the data: set $3_HOST in $CONFIG"
}

# ---------------------------------------------------------------- install

print_plan() {
    local line
    plan() { printf '  %-14s %s\n' "$1" "$2"; }
    if [[ -n ${CURRENT:-} ]]; then plan version "$(version), over $CURRENT"; else plan version "$(version), new"; fi
    plan 'install dir' "$INSTALL_DIR"
    case $ENGINE in
        answers) plan engine "Docker $DOCKER_VERSION is here and stays" ;;
        absent) plan engine "install Docker ${DOCKER_VERSION:-?} from $(basename "$(engine_file)"), unit docker.service, enable, start" ;;
        *) plan engine "Docker is here ($ENGINE) and stays" ;;
    esac
    [[ $ENGINE != stopped ]] || plan '' "systemctl start docker"
    if [[ $SWARM == active ]]; then plan swarm "this node's is used"; else plan swarm "docker swarm init --advertise-addr ${ADVERTISE:-?}"; fi
    while read -r line; do
        if [[ $ONLINE == yes ]]; then plan image "${line% *}, pulled"; else plan image "${line% *}, from ${line#* }"; fi
    done < <(wanted_images)
    if [[ -n $CONFIG_FROM ]]; then
        plan configuration "$CONFIG, from $CONFIG_FROM"
    elif [[ -e $CONFIG ]]; then
        plan configuration "$CONFIG, kept"
    else
        plan configuration "$CONFIG, new, with random secrets"
    fi
    plan services "$(wanted_services)"
    plan address "http://$(this_address):$PORT"
}

this_address() {
    local address
    address=$(host_addresses | sed -n 1p)
    address=${address#* }
    printf '%s' "${address:-127.0.0.1}"
}

# Only one run at a time changes this host. The lock ends with the process, however it ends.
take_lock() {
    local stage place=/run # not /run/lock, where anybody may write
    [[ -d $place ]] || place=/var/run
    exec {LOCK}>>"$place/$STACK-portable.lock"
    flock -n "$LOCK" || die "another run of this script is at work on this host" \
        "wait until it has ended: ps -ef | grep run-portable.sh"
    # What a killed run left; no name of it is ever read.
    rm -f -- "$INSTALL_DIR"/*.tmp.?????? "$INSTALL_DIR"/data/*.tmp.?????? "$INSTALL_DIR"/data/sqldump/.{dump,*.tmp}.?????? "$RECORD".tmp.?????? \
        "$INSTALL_DIR"/mosquitto/*.tmp.?????? "$INSTALL_DIR"/mosquitto/config/*.tmp.?????? "/etc/logrotate.d/$STACK".tmp.?????? \
        /etc/systemd/system/docker.service.tmp.?????? /usr/bin/{docker*,containerd*,ctr,runc,lib*}.tmp.??????
    for place in "${STAGES[@]}"; do
        for stage in "$place/$STACK"-engine.??????; do [[ ! -O $stage || -L $stage ]] || rm -rf -- "$stage"; done
    done
}

BUNDLE_DIGEST=''
verb_install() {
    INTEGRITY=no
    settle_options
    # What is found must still be so when it is acted upon.
    [[ $DRY_RUN == yes || $(id -u) -ne 0 ]] || take_lock
    preflight
    step "Plan"
    print_plan
    step "Findings"
    print_findings
    if ((${#ERRORS[@]})); then
        fail "$([[ $INTEGRITY == no ]] && echo 1 || echo 3)" "${#ERRORS[@]} finding(s) above stand in the way; nothing was changed" \
            "remedy them and type the same command again"
    fi
    [[ $DRY_RUN == no ]] || { say; say "Nothing was changed (--dry-run)."; return 0; }
    [[ -z ${PACK_BUNDLE:-} ]] || BUNDLE_DIGEST=$(sha256 "$PACK_BUNDLE")
    prepare_engine
    look_again
    prepare_swarm
    provide_images
    save_before_update
    prepare_directories
    prepare_configuration
    write_stack
    deploy
    write_receipt
    wait_until_ready
    write_receipt "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
    step "DataFlux Func $(version) runs"
    where_things_are
    end_update
}

prepare_engine() {
    local file
    case $ENGINE in
        answers) return 0 ;;
        stopped)
            step "Starting Docker"
            WAS_STOPPED=yes
            ;;
        absent)
            step "Installing Docker $DOCKER_VERSION"
            # The command docker comes last: as long as it is not there, a repeated run installs again.
            write_file /etc/systemd/system/docker.service 644 <"$HERE/docker.service"
            for file in "$ENGINE_STAGE"/docker/*; do
                [[ ${file##*/} == docker ]] || write_file "/usr/bin/${file##*/}" 755 <"$file"
            done
            write_file /usr/bin/docker 755 <"$ENGINE_STAGE/docker/docker"
            ;;
    esac
    systemctl daemon-reload
    systemctl enable docker >/dev/null 2>&1 ||
        say "systemctl enable docker failed: after a reboot, Docker and with it Func will not start by itself" >&2
    timeout 600 systemctl start docker || die "Docker does not start" "journalctl -u docker -n 50" "then the same command again"
    wait_for_docker
}

# A Docker that stood still could not be asked what is installed: everything is checked again now that it can be.
look_again() {
    [[ $WAS_STOPPED == yes ]] || return 0
    ERRORS=() WARNINGS=() NOTES=()
    preflight
    ((${#ERRORS[@]} == 0)) || print_findings
    ((${#ERRORS[@]} == 0)) || fail "$([[ $INTEGRITY == no ]] && echo 1 || echo 3)" "${#ERRORS[@]} finding(s) above stand in the way" \
        "only Docker was started; remedy them and type the same command again"
}
WAS_STOPPED=no

wait_for_docker() {
    local deadline=$((SECONDS + 180))
    hash -r
    until look_at_docker && [[ $ENGINE == answers ]]; do
        ((SECONDS < deadline)) || die "Docker was started but does not answer" "journalctl -u docker -n 50" \
            "then the same command again"
        sleep 2
    done
    say "Docker $DOCKER_VERSION answers"
}

prepare_swarm() {
    local output
    if [[ $SWARM == inactive ]]; then
        [[ -n $ADVERTISE ]] || die "which address shall the swarm use?" "type the same command with --advertise-addr"
        step "Initialising the swarm on $ADVERTISE"
        output=$(timeout 300 docker swarm init --advertise-addr "$ADVERTISE" 2>&1) || # its output has a join token: shown on failure only
            die "docker swarm init --advertise-addr $ADVERTISE failed" "$output" \
                "correct the cause and type the same command again"
        look_at_docker
    fi
    # A Docker that had to be started first could not be looked at in preflight.
    [[ $SWARM == active ]] || die "this host is not a manager of a swarm (state: $SWARM)" \
        "docker info; docker swarm leave --force gives a broken one up"
}

# Images are loaded and looked at before the running stack is touched. What the last run recorded and is
# still there, of the same manifest, is not loaded again.
provide_images() {
    local reference artifact id output manifest
    local needed=()
    step "Images"
    manifest=$(sha256 "$HERE/manifest.json")
    while read -r reference artifact; do
        id=$(json_value "$RECEIPT" "$reference")
        if [[ $ONLINE == yes ]]; then
            say "pulling $reference"
            docker pull -q "$reference" >/dev/null 2>&1 || output=$(docker pull "$reference" 2>&1) ||
                die "cannot pull $reference" "$(tail -n 1 <<<"$output")" \
                    "the running version was not touched; docker login ${reference%%/*}, then the same command again"
            IDS+="$reference $(image_id "$reference")"$'\n'
        elif [[ $id == sha256:* && $(json_value "$RECEIPT" manifest) == "sha256:$manifest" && $(image_id "$id") == "$id" ]]; then
            say "$reference is here already"
            IDS+="$reference $id"$'\n'
        else
            needed+=("$artifact")
        fi
    done < <(wanted_images)
    if ((${#needed[@]})); then
        say "loading ${needed[*]}"
        if [[ -n ${PACK_BUNDLE:-} ]]; then
            "$PACK" load "$PACK_BUNDLE" "${needed[@]}" || images_failed "see above; to try it alone: sh $(printf %q "$PACK_BUNDLE") pack load ${needed[*]}" $?
        else
            for artifact in "${needed[@]}"; do
                output=$(docker load -i "$HERE/$artifact" 2>&1) || images_failed "docker load -i $artifact: $(tail -n 1 <<<"$output")"
            done
        fi
        while read -r reference artifact; do
            [[ -z $(id_of "$reference") ]] || continue
            id=$(loaded_id "$reference" "$artifact") || fail 3 "the engine has another image under $reference than was loaded from $artifact" \
                "the running version was not touched; does something else load or pull images here? then the same command again"
            IDS+="$reference $id"$'\n'
        done < <(wanted_images)
    fi
    sync # a power cut from here on takes nothing of them away
    while read -r reference artifact; do
        id=$(id_of "$reference")
        output=$(d image inspect --format '{{.Os}}/{{.Architecture}}' "$id" 2>/dev/null) ||
            die "the image $reference is not there, though $artifact was loaded" "the stack template and $artifact do not belong together" \
                "the running version was not touched; fetch the folder again: pack download"
        [[ $output == "linux/$ARCH" ]] || die "the image $reference is for $output, this host is linux/$ARCH" \
            "the running version was not touched; take the bundle for this platform"
        say "$reference  $id"
    done < <(wanted_images)
}

images_failed() { # images_failed WHY [CODE]: 3 stays 3, for then a file is not what it should be
    fail "$([[ ${2:-1} == 3 ]] && echo 3 || echo 1)" "loading the images failed" "$1" "free: $(df -Ph "$(d info --format '{{.DockerRootDir}}' 2>/dev/null || echo /)" | awk 'NR == 2 { print $4 " at " $6 }')" \
        "the running version was not touched; make room or fetch the file again, then the same command again"
}

prepare_directories() {
    local data=$INSTALL_DIR/data
    {
        (umask 022 && mkdir -p "$data"/logs "$data"/resources/extra-python-packages "$data"/resources/uploads) &&
            mkdir -p "$data/sqldump" "$INSTALL_DIR/mysql" "$INSTALL_DIR/redis"
    } || die "cannot make the directories in $INSTALL_DIR" \
        "look: df -h, ls -ld ${INSTALL_DIR%/*}; then the same command again"
    [[ $SELF == "$INSTALL_DIR/run-portable.sh" ]] || write_file "$INSTALL_DIR/run-portable.sh" 755 <"$SELF"
    write_file "$RECORD" 644 <<<"$INSTALL_DIR"
    [[ ! -d /etc/logrotate.d ]] || write_file "/etc/logrotate.d/$STACK" 644 <<EOF
$INSTALL_DIR/data/logs/dataflux-func.log {
    daily
    rotate 7
    dateext
    compress
    copytruncate
    missingok
    notifempty
}
EOF
}

# The configuration is made once and kept. Options that come later only add to it.
prepare_configuration() {
    local add=() outcome=kept
    step "Configuration"
    if [[ -n $CONFIG_FROM ]] && ! cmp -s "$CONFIG_FROM" "$CONFIG"; then
        [[ ! -e $CONFIG ]] || write_file "$CONFIG.$(date +%Y%m%d-%H%M%S)" 600 <"$CONFIG"
        write_file "$CONFIG" 600 <"$CONFIG_FROM"
        outcome=written
    fi
    [[ -n $(config_get SECRET) ]] || add+=("SECRET=$(random_hex)")
    if [[ $MYSQL == true && -z $(config_get MYSQL_PASSWORD) ]]; then
        add+=(MYSQL_HOST=mysql MYSQL_PORT=3306 MYSQL_USER=root "MYSQL_PASSWORD=$(random_hex)" "MYSQL_DATABASE=$DATABASE_DEFAULT")
    fi
    if [[ $REDIS == true && -z $(config_get REDIS_HOST) ]]; then
        add+=(REDIS_HOST=redis REDIS_PORT=6379 REDIS_DATABASE=5 REDIS_PASSWORD=)
    fi
    if [[ $MQTT == true && -z $(config_get MQTT_PASSWORD) ]]; then
        add+=(MQTT_HOST=mosquitto MQTT_PORT=1883 MQTT_USERNAME=dataflux_func "MQTT_PASSWORD=$(random_hex)")
    fi
    if ((${#add[@]})); then
        config_set "${add[@]}"
        outcome=written
    fi
    chmod 600 "$CONFIG"
    say "$CONFIG ($outcome)"
    ensure_secret
    [[ $MQTT == false ]] || prepare_mosquitto
}

# The password that MySQL's data gets when it is made. Docker keeps it; the configuration is its source.
ensure_secret() {
    [[ $MYSQL == true ]] || return 0
    d secret inspect "$SECRET_NAME" >/dev/null 2>&1 ||
        config_get MYSQL_PASSWORD | tr -d '\n' | d secret create "$SECRET_NAME" - >/dev/null ||
        die "cannot make the Docker secret $SECRET_NAME"
}

prepare_mosquitto() {
    (umask 022 && mkdir -p "$INSTALL_DIR/mosquitto/config")
    [[ -e $INSTALL_DIR/mosquitto/config/mosquitto.conf ]] || write_file "$INSTALL_DIR/mosquitto/config/mosquitto.conf" 644 <<'EOF'
listener 1883
allow_anonymous false
password_file /mosquitto/passwd
EOF
    # Made of the configuration: where that is newer, it may name other ones.
    [[ -s $INSTALL_DIR/mosquitto/passwd && ! $CONFIG -nt $INSTALL_DIR/mosquitto/passwd &&
        $(stat -c %a "$INSTALL_DIR/mosquitto/passwd") == 600 ]] ||
        mosquitto_password "$(id_of "$(wanted_images | awk '$2 == "eclipse-mosquitto.tar.gz" { print $1 }')")"
}

# mosquitto_password IMAGE: the broker takes user and password of the configuration.
mosquitto_password() {
    local made
    # The broker's own tool makes the hash; the password reaches it on standard input, not in the process list.
    made=$(printf '%s:%s\n' "$(config_get MQTT_USERNAME)" "$(config_get MQTT_PASSWORD)" |
        timeout 300 docker run --rm -i --network none --entrypoint sh "$1" \
            -c 'cat >/tmp/p && mosquitto_passwd -U /tmp/p && id -u mosquitto && cat /tmp/p') || made=''
    [[ $made =~ ^[0-9]+$'\n'. ]] || die "mosquitto_passwd of $1 made nothing" "docker run --rm --entrypoint mosquitto_passwd $1 -h"
    write_text "$INSTALL_DIR/mosquitto/passwd" 600 "${made#*$'\n'}"
    chown "${made%%$'\n'*}" "$INSTALL_DIR/mosquitto/passwd" # the broker's user, and nobody else, reads it
}

# Before another version changes the database, a dump of it; only possible while the old version runs. It has a name that
# neither this script nor Func ever removes.
save_before_update() {
    local from why=''
    if [[ -s $UPDATING ]]; then # an earlier try changed the database, perhaps; the dump from before that one counts
        say "An update from $(cut -d ' ' -f 1 "$UPDATING") did not come to its end; no other dump is made, for that from before it counts."
        return 0
    fi
    [[ -e $CONFIG && $CURRENT != "$(version)" ]] || return 0
    # Without a receipt it may be any version; with our script and no receipt, one that never came to its end, unless
    # the stack file is of another version.
    [[ -n $CURRENT || ! -e $INSTALL_DIR/run-portable.sh ||
        $(server_tag "$STACK_FILE") != "$(server_tag "$HERE/docker-stack.example.yaml")" ]] || return 0
    from=${CURRENT:-$(server_tag "$STACK_FILE")} from=${from:-unknown}
    DUMP=-
    if [[ $(config_get MYSQL_HOST) != mysql || -z $(container_of mysql) ]]; then
        why=$([[ $(config_get MYSQL_HOST) == mysql ]] && echo "MySQL does not run now" || echo "the database is not built in")
        say "No dump before the update: $why."
    else
        step "Database dump before the update"
        mkdir -p "$INSTALL_DIR/data/sqldump"
        dump_database "before-update-$from-to-$(version)" || die "the dump before the update failed" "what runs was not touched, only images were loaded; $ME doctor"
    fi
    UPDATE_FROM="$from $DUMP"
}
UPDATE_FROM=''

# way_back: after an update that failed, what it changed and how to undo that. Nothing before it was deployed.
DEPLOYING=''
way_back() {
    local from dump
    [[ -n $DEPLOYING && $VERB == install && -s $UPDATING ]] || return 0
    read -r from dump <"$UPDATING"
    printf '\n'
    if [[ $from == "$(version)" ]]; then
        printf 'This was the way back to %s. The database is still as the newer version left it; now also put its dump back:\n' "$from"
        database_back "$dump"
        return 0
    fi
    printf 'What was changed: the stack file is of version %s, and so are the services as far as Docker came with them.\n' "$(version)"
    printf 'They may have changed the database too.\n'
    printf 'To go on: mend what is said above, then the same command again. The way back to %s, in this order:\n' "$from"
    printf '  1. in the folder of %s:  bash run-portable.sh --allow-downgrade%s\n' "$from" "$OPTION_DIR"
    printf '     or with its bundle:  sh %s-%s-....run --allow-downgrade%s\n' "$STACK" "$from" "$OPTION_DIR"
    printf '     (it may say that not every service runs: on the newer database they need not)\n'
    database_back "$dump" '2. '
}
database_back() { # database_back DUMP [NUMBER]
    if [[ $1 == - ]]; then
        printf '  %sthe dump of %s that you made before the update, with the tools of that server\n' "${2-}" "the database on $(config_get MYSQL_HOST)"
    else
        printf '  %sbash %s/run-portable.sh restore %s\n' "${2-}" "$INSTALL_DIR" "$1"
    fi
}

# The new version runs: the way back is needed no more, the dump stays.
end_update() {
    local from dump
    [[ -s $UPDATING ]] || return 0
    read -r from dump <"$UPDATING"
    if [[ $from == "$(version)" ]]; then
        say "  The database is still as the newer version left it; to have it as it was before the update:"
        database_back "$dump"
    elif [[ $dump != - ]]; then
        say "  The database as version $from had it: $dump"
        say "  (kept until you delete it)"
    fi
    rm -f -- "$UPDATING"
}

write_stack() {
    local stack
    if [[ -e $STACK_FILE && -n $(json_value "$RECEIPT" stack) && $(json_value "$RECEIPT" stack) != "sha256:$(sha256 "$STACK_FILE")" ]]; then
        write_file "$STACK_FILE.$(date +%Y%m%d-%H%M%S)" 600 <"$STACK_FILE"
        say "$STACK_FILE is not as the last installation left it; that version is kept beside it, with the date in its name"
    fi
    stack=$(render_stack "$NODE_ID") || die "the stack file could not be made of $HERE/docker-stack.example.yaml" "the same command again"
    write_text "$STACK_FILE" 600 "$stack"
}

# rewrite_stack TEXT: a change of this script's own; the receipt of an unchanged file stays true.
rewrite_stack() {
    local known
    known=sha256:$(sha256 "$STACK_FILE")
    write_text "$STACK_FILE" 600 "$1"
    [[ $(json_value "$RECEIPT" stack) != "$known" ]] ||
        write_text "$RECEIPT" 644 "$(sed "s/$known/sha256:$(sha256 "$STACK_FILE")/" "$RECEIPT")"
}

# write_receipt [TIME]: what is deployed. `ready` is when all of it was first seen running.
write_receipt() {
    local text
    text=$(receipt "${1:-}") || die "the receipt could not be made" "what was installed runs; $ME doctor"
    write_text "$RECEIPT" 644 "$text"
}
receipt() {
    local reference artifact images='' ready
    ready=$(json_value "$RECEIPT" ready)
    printf '{\n  "name": "%s",\n  "version": "%s",\n' "$STACK" "$(version)"
    printf '  "manifest": "sha256:%s",\n' "$(sha256 "$HERE/manifest.json")"
    [[ -z $BUNDLE_DIGEST ]] || printf '  "bundle": "sha256:%s",\n' "$BUNDLE_DIGEST"
    printf '  "deployed": "%s",\n  "ready": "%s",\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "${ready:-$1}"
    printf '  "stack": "sha256:%s",\n' "$(sha256 "$STACK_FILE")"
    printf '  "options": { "mini": %s, "port": %s, "mysql": %s, "redis": %s, "mqtt": %s },\n' "$MINI" "$PORT" "$MYSQL" "$REDIS" "$MQTT"
    while read -r reference artifact; do images+=$'\n'"    \"$reference\": \"$(id_of "$reference")\","; done < <(wanted_images)
    printf '  "images": {%s\n  }\n}\n' "${images%,}"
}

# ---------------------------------------------------------------- deploying and waiting

# Services are updated in place: Docker reads and checks the whole file before it changes anything.
deploy() {
    local output name image stale files=(-c "$STACK_FILE")
    [[ ! -s $RESTORING ]] || die "a restore was broken off: the database is not whole, and Func does not run on it" \
        "put the state before it back: bash $INSTALL_DIR/run-portable.sh restore $(cat "$RESTORING")" \
        "or if you know that it is whole: rm $RESTORING"
    step "Deploying $STACK"
    pin_images
    stale=$(stale_services)
    [[ ! -e $OVERRIDE ]] || files+=(-c "$OVERRIDE")
    [[ -z $UPDATE_FROM ]] || write_text "$UPDATING" 600 "$UPDATE_FROM" # until now nothing could change the database
    DEPLOYING=yes
    output=$(timeout 600 docker stack deploy --prune --resolve-image never "${files[@]}" "$STACK" 2>&1) ||
        die "Docker did not accept $STACK_FILE$([[ ! -e $OVERRIDE ]] || printf ' with %s' "$OVERRIDE")" "$(tail -n 3 <<<"$output")" \
            "what ran before still runs, but for what it had come to; correct that file and type: bash $INSTALL_DIR/run-portable.sh restart" \
            "or have it written anew: run install again"
    # Where a service has another image than it was deployed with, that command leaves it.
    while read -r name image _; do
        [[ $(service_image "$name") == "$image" ]] || update_service "$name" --no-resolve-image --image "$image"
    done < <(services_in "$STACK_FILE")
    for name in $stale; do update_service "$name" --force; done
    RESTARTED=" $(paste -s -d ' ' <<<"$stale") "
}
RESTARTED=''

# pin_images: every image in the stack file is one of this host, by its ID; a reference that an operator wrote becomes one.
pin_images() {
    local name image reference id stack references=no
    if [[ -e $OVERRIDE ]] && grep -E "^[^#]*\\<image[\"']?[ ]*:" "$OVERRIDE" >/dev/null; then
        die "$OVERRIDE names an image; images stand in $STACK_FILE only" "what runs was not touched; take that line out of it"
    fi
    while read -r name image reference; do
        id=$(image_id "$image")
        [[ -n $id ]] || die "the image of $name is not on this host: $image$([[ $image == "$reference" ]] || printf ' (%s)' "$reference")" \
            "what runs was not touched; load it, or run install again from the folder or bundle"
        [[ $image == sha256:* ]] || references=yes IDS+="$image $id"$'\n'
    done < <(services_in "$STACK_FILE")
    [[ $references == yes ]] || return 0
    stack=$(by_id <"$STACK_FILE") || die "$STACK_FILE could not be rewritten" "what runs was not touched; the same command again"
    rewrite_stack "$stack"
    say "$STACK_FILE names images by their IDs now"
}

# strangers: the services one of whose containers has another image than the stack file says, a line each.
strangers() {
    local name image container found
    while read -r name image _; do
        [[ $image == sha256:* ]] || continue # as an older version of this script deployed it
        for container in $(d ps --quiet --filter "label=com.docker.swarm.service.name=${STACK}_$name" --filter status=running); do
            found=$(d inspect --format '{{.Image}}' "$container" 2>/dev/null) || continue # gone meanwhile
            [[ $found == "$image" ]] || printf '%s has %s\n' "$name" "$found"
        done
    done < <(services_in "$STACK_FILE")
}

# Services that started before what they read was changed, be it by a run that was broken off then: Swarm sees no
# difference, so it is told.
stale_services() {
    local name image container started read
    while read -r name image _; do
        [[ $(service_image "$name") == "$image" ]] || continue
        container=$(container_of "$name")
        [[ -n $container ]] || continue
        started=$(d inspect --format '{{.State.StartedAt}}' "$container") || continue
        case $name in
            mysql | redis) continue ;;
            mosquitto) read=$INSTALL_DIR/mosquitto/passwd ;;
            *) read=$CONFIG ;;
        esac
        [[ $(stat -c %Y "$read" 2>/dev/null || echo 0) -le $(date -d "$started" +%s) ]] || printf '%s\n' "$name"
    done < <(services_in "$STACK_FILE")
}

service_image() { d service inspect --format '{{.Spec.TaskTemplate.ContainerSpec.Image}}' "${STACK}_$1" 2>/dev/null; }

# update_service NAME OPTION...: right after a deployment Swarm may still be writing it itself ("update out of sequence").
update_service() {
    local try output
    for try in 1 2 3 4 5; do
        output=$(d service update --detach "${@:2}" "${STACK}_$1" 2>&1) && return 0
        sleep "$try"
    done
    die "the service $1 cannot be updated (${*:2})" "$(tail -n 1 <<<"$output")" "$ME restart"
}

# pending: what has not reached its replicas or is being updated, a line each.
pending() {
    local name replicas state names=() running states
    mapfile -t names < <(services_in "$STACK_FILE" | cut -d ' ' -f 1)
    ((${#names[@]})) || { say "services none is named in $STACK_FILE"; return 0; }
    running=$(running_services)
    states=$(d service inspect --format '{{.Spec.Name}} {{if .UpdateStatus}}{{.UpdateStatus.State}}{{end}}' \
        "${names[@]/#/${STACK}_}" 2>/dev/null || true) # of those that are there
    for name in "${names[@]}"; do
        replicas=$(awk -v name="$name" '$1 == name { print $2 }' <<<"$running")
        state=$(awk -v name="${STACK}_$name" '$1 == name { print $2 }' <<<"$states")
        if [[ -z $replicas || ${replicas%/*} != "${replicas#*/}" || $replicas == 0/0 ]]; then
            printf '%s %s\n' "$name" "${replicas:-missing}"
        elif [[ $state == updating ]]; then
            printf '%s %s\n' "$name" "$state"
        fi
    done
}

wait_until_ready() {
    local start=$SECONDS deadline=$((SECONDS + TIMEOUT)) answer='' name lost
    step "Waiting until every service runs (at most $TIMEOUT s)"
    wait_for_replicas
    lost=$(cut_off)
    if [[ -n $lost ]]; then
        say "  these do not reach their databases by name and are started anew: $(paste -s -d ' ' <<<"$lost")"
        for name in $lost; do update_service "$name" --force; done
        wait_for_replicas
        lost=$(cut_off)
        [[ -z $lost ]] || die "these services do not reach their databases by name: $(paste -s -d ' ' <<<"$lost")" \
            "Docker's network ${STACK}_func is broken: systemctl restart docker; then the same command again"
    fi
    lost=$(strangers)
    [[ -z $lost ]] || fail 3 "what runs is not what was loaded: $(paste -s -d ',' <<<"$lost")" \
        "whoever changed it: bash $INSTALL_DIR/run-portable.sh restart puts the right images back" "docker service inspect, docker events tell more"
    say "  every service runs; asking http://127.0.0.1:$PORT/"
    until answer=$(http_answer 127.0.0.1 "$PORT") && [[ $answer =~ ^HTTP/[0-9.]+\ [23] ]]; do
        if ((SECONDS > deadline)); then
            show_http_failure "$answer"
            die "http://127.0.0.1:$PORT/ does not answer as it should: ${answer:-nothing}" "bash $INSTALL_DIR/run-portable.sh doctor"
        fi
        sleep 2
    done
    say "  $answer"
}

wait_for_replicas() { # with start and deadline of wait_until_ready
    local now='' before='' calm=0 shown=0 asked pause
    while ((calm < 2)); do # twice, so that an update that is just beginning is not taken for its end
        asked=$SECONDS
        now=$(pending)
        if [[ -z $now ]]; then calm=$((calm + 1)); else calm=0; fi
        if [[ -n $now && $now != "$before" ]] || ((SECONDS - shown >= 30)); then
            say "  $((SECONDS - start)) s: $(paste -s -d ',' <<<"$now" | sed 's/,/, /g')"
            before=$now shown=$SECONDS
            if [[ -n $now && $ENGINE_RESTARTED == no ]] && ((SECONDS - start >= 30)) && [[ -n $(held_ports "$now") ]]; then
                restart_engine
            fi
        fi
        if ((SECONDS > deadline)); then
            show_failures "$now"
            die "not every service runs: $(paste -s -d ',' <<<"$now")" "no data was deleted" \
                "bash $INSTALL_DIR/run-portable.sh doctor names causes; then the same command again"
        fi
        # Where asking takes long the host is busy with the services, and is left to them.
        pause=$((calm > 0 ? 2 : 2 + 2 * (SECONDS - asked)))
        sleep $((pause < 10 ? pause : 10))
    done
}

# held_ports PENDING: the ports that Docker keeps for containers it no longer has, a line each. An engine that lost
# its power does that until it is started again; every new container fails with "port is already allocated".
held_ports() {
    local name rest port published
    published=$(d ps --format '{{.Ports}}')
    while read -r name rest; do
        [[ $name == server || $name == mosquitto ]] || continue # no other publishes one
        port=$(d service ps --no-trunc --format '{{.Error}}' "${STACK}_$name" 2>/dev/null |
            sed -n '1,2s/.*Bind for [^ ]*:\([0-9]*\) failed: port is already allocated.*/\1/p' | sed -n 1p) || true
        [[ -z $port || $published == *":$port->"* ]] || printf '%s\n' "$port"
    done <<<"$1"
}

# Other containers are not stopped for it.
restart_engine() {
    local others
    others=$(d ps --format '{{.Names}} {{.Label "com.docker.stack.namespace"}}' | awk -v ours="$STACK" '$2 != ours { print $1 }')
    [[ -z $others ]] || die "Docker keeps a port for a container that is gone, as after a power cut" \
        "systemctl restart docker helps; it also restarts $(paste -s -d ' ' <<<"$others"), so this script does not" "then the same command again"
    [[ -d /run/systemd/system ]] || die "Docker keeps a port for a container that is gone, as after a power cut" \
        "start Docker again in this system's own way, then the same command again"
    ENGINE_RESTARTED=yes
    say "  Docker keeps a port for a container that is gone, as after a power cut; starting Docker again"
    timeout 600 systemctl restart docker || die "Docker does not start" "journalctl -u docker -n 50" "then the same command again"
    wait_for_docker
}
ENGINE_RESTARTED=no

# cut_off: Func's services whose container reaches a built-in database not by its name, a line each. An engine
# that lost its power may start a container first and its network then; Swarm takes such a container for well.
cut_off() {
    local name container peers=() services
    services=$(services_in "$STACK_FILE")
    ! grep -q '^mysql ' <<<"$services" || peers+=(mysql 3306)
    ! grep -q '^redis ' <<<"$services" || peers+=(redis 6379)
    ((${#peers[@]})) || return 0
    while read -r name _; do
        case $name in mysql | redis | mosquitto) continue ;; esac
        container=$(container_of "$name")
        [[ -n $container ]] || continue
        reaches "$container" "${peers[@]}" || reaches "$container" "${peers[@]}" || printf '%s\n' "$name"
    done <<<"$services"
}

reaches() { # reaches CONTAINER HOST PORT...
    # shellcheck disable=SC2016 # the container's bash expands it
    d exec "$1" bash -c 'while (($#)); do exec 3<>"/dev/tcp/$1/$2" || exit 1; shift 2; done' reaches "${@:2}" >/dev/null 2>&1 </dev/null
}

show_failures() { # show_failures PENDING
    local name rest
    while read -r name rest; do
        [[ -n $name ]] || continue
        step "$name: $rest"
        { d service ps --no-trunc --format '{{.CurrentState}}  {{.Error}}' "${STACK}_$name" 2>&1 || true; } | sed -n '1,3s/^/  /p'
        { timeout 20 docker service logs --raw --tail 15 "${STACK}_$name" 2>&1 || true; } | sed 's/^/  | /'
    done <<<"$1"
}

show_http_failure() { # show_http_failure ANSWER: what came from the port, if anything
    local answer
    answer=$(inside_answer)
    if [[ -n $1 ]]; then
        show_failures "server it answers: $1"
    elif [[ -n $answer ]]; then
        step "Inside its container the server answers: $answer"
        say "  So the way from this host's port $PORT to the container is broken: firewall rules, or Docker's own were"
        say "  flushed (systemctl restart docker brings them back)."
    else
        show_failures "server does not answer"
    fi
}

# inside_answer: asks the server from inside its own network namespace.
inside_answer() {
    local container pid
    container=$(container_of server)
    [[ -n $container ]] || return 0
    pid=$(d inspect --format '{{.State.Pid}}' "$container")
    http_answer 127.0.0.1 8088 nsenter --net="/proc/$pid/ns/net"
}

where_things_are() {
    local set="bash $INSTALL_DIR/run-portable.sh set"
    say "  address        http://$(this_address):$PORT"
    say "  configuration  $CONFIG"
    say "  stack          $STACK_FILE"
    say "  log            $INSTALL_DIR/data/logs/dataflux-func.log"
    say "  dumps          $INSTALL_DIR/data/sqldump/"
    say "  resources      $INSTALL_DIR/data/resources/"
    [[ -n $(config_get MYSQL_HOST) ]] || say "  MySQL          not set: on the set-up page, or $set MYSQL_HOST=... MYSQL_PORT=3306 MYSQL_USER=... MYSQL_DATABASE=... MYSQL_PASSWORD (it is asked for)"
    [[ -n $(config_get REDIS_HOST) ]] || say "  Redis          not set: on the set-up page, or $set REDIS_HOST=... REDIS_PORT=6379 REDIS_DATABASE=5 REDIS_PASSWORD= (or REDIS_PASSWORD: it is asked for)"
    say "  look after it  bash $INSTALL_DIR/run-portable.sh --help"
}

# ---------------------------------------------------------------- the databases

# sql_at HOST PORT USER PASSWORD TOOL [ARG...]: MySQL's own client, in the built-in server's container or, for
# another server, in a throwaway one. The password goes through the environment, never the process list.
sql_at() {
    local host=$1 port=$2 user=$3 container image
    local -x MYSQL_PWD=$4
    shift 4
    [[ $1 != mysql ]] || set -- mysql --connect-timeout=20 "${@:2}" # a host that swallows packets
    if [[ $host == mysql ]]; then
        container=$(container_of mysql)
        [[ -n $container ]] || { say "the built-in MySQL does not run" >&2; return 1; }
        docker exec -i -e MYSQL_PWD "$container" "$1" --user="$user" --default-character-set=utf8mb4 "${@:2}"
    else
        image=$(client_image mysql) || return 1
        docker run --rm -i --network host -e MYSQL_PWD --entrypoint "$1" "$image" \
            --host="$host" --port="$port" --user="$user" --default-character-set=utf8mb4 "${@:2}"
    fi
}
sql() {
    sql_at "$(config_get MYSQL_HOST)" "$(config_get MYSQL_PORT)" "$(config_get MYSQL_USER)" \
        "$(config_get MYSQL_PASSWORD)" "$@"
}

# Without standard input: redis-cli would take it for commands, and `timeout` may not read a terminal.
redis_at() { # redis_at HOST PORT PASSWORD [ARG...]
    local host=$1 port=$2 container image
    local -x REDISCLI_AUTH=$3
    shift 3
    if [[ $host == redis ]]; then
        container=$(container_of redis)
        [[ -n $container ]] || { say "the built-in Redis does not run" >&2; return 1; }
        timeout 20 docker exec "$container" redis-cli "$@"
    else
        image=$(client_image redis) || return 1
        timeout 20 docker run --rm --network host -e REDISCLI_AUTH --entrypoint redis-cli "$image" -h "$host" -p "$port" "$@"
    fi
}
redis() {
    redis_at "$(config_get REDIS_HOST)" "$(config_get REDIS_PORT)" "$(config_get REDIS_PASSWORD)" \
        -n "$(config_get REDIS_DATABASE)" "$@"
}

client_image() { # client_image mysql|redis: the image that came with the product also has the client
    local image
    image=$(sed -n 's|.*/'"$1"':[^"]*": "\(sha256:[0-9a-f]*\)".*|\1|p' "$RECEIPT" 2>/dev/null | sed -n 1p) || true
    [[ -n $image && -n $(image_id "$image") ]] ||
        image=$(d image ls --no-trunc --format '{{.ID}} {{.Repository}}:' | sed -n "s|\([^ ]*\) .*/$1:\$|\1|p" | sed -n 1p) || true
    if [[ -z $image ]]; then
        say "no client of $1 is here, it comes with its image: sh x.run pack load $1.tar.gz; from the folder: docker load -i $1.tar.gz" >&2
        return 1
    fi
    printf '%s' "$image"
}

# dump_database [NAME]: a complete dump under its final name, in DUMP, or none; of those without a NAME the oldest beyond
# KEEP_DUMPS go.
dump_database() {
    local partial name=${1:-$STACK-sqldump}
    partial=$(mktemp "$INSTALL_DIR/data/sqldump/.dump.XXXXXX") || return 1
    TEMPORARY+=("$partial")
    sql mysqldump --single-transaction --routines --triggers --events --hex-blob "$(config_get MYSQL_DATABASE)" >"$partial" || return 1
    complete_dump "$partial" || { say "the dump is not complete" >&2; return 1; }
    DUMP=$INSTALL_DIR/data/sqldump/$name-$(date +%Y%m%d-%H%M%S).sql
    while [[ -e $DUMP ]]; do # a dump of the same second is another one, and may be what is being restored
        sleep 0.2
        DUMP=$INSTALL_DIR/data/sqldump/$name-$(date +%Y%m%d-%H%M%S).sql
    done
    # What comes next may be the end of the database itself: the dump must outlive a power cut.
    { sync && mv -- "$partial" "$DUMP" && sync; } || return 1
    say "$DUMP ($(stat -c %s "$DUMP") bytes)"
    remove_old_dumps
}
# Their names are times. One that is yet to come is of a clock that was corrected since: older than any made by this one.
remove_old_dumps() {
    local file count kept=''
    [[ ! -s $RESTORING ]] || kept=$(cat "$RESTORING")
    count=$(find "$INSTALL_DIR/data/sqldump" -maxdepth 1 -name "$STACK-sqldump-*.sql" | wc -l)
    while ((count > KEEP_DUMPS)) && read -r _ file; do
        count=$((count - 1))
        [[ $file -ef $DUMP || $file -ef ${RESTORED-} || $file -ef $kept ]] || rm -f -- "$file"
    done < <(printf '%s\n' "$INSTALL_DIR/data/sqldump/$STACK"-sqldump-*.sql |
        awk -v now="$INSTALL_DIR/data/sqldump/$STACK-sqldump-$(date +%Y%m%d-%H%M%S).sql" '{ print ($0 > now ? 0 : 1), $0 }' | LC_ALL=C sort)
}
complete_dump() { tail -c 300 -- "$1" | grep '^-- Dump completed' >/dev/null; }

# Func's own services stand still while its database is replaced; clean_up starts them again, whatever happens.
PAUSED=()
HALF_RESTORED='' # the dump of what was there, while something else is being put in its place
pause_func() {
    local name replicas services stop=() deadline=$((SECONDS + 120))
    services=$(running_services) || docker_gone "nothing was changed"
    while read -r name replicas; do
        [[ -n $name ]] || continue
        case $name in mysql | redis | mosquitto) continue ;; esac
        replicas=${replicas#*/}
        ((replicas > 0)) || replicas=1 # a restoring that was killed left them stopped
        PAUSED+=("${STACK}_$name=$replicas") stop+=("${STACK}_$name=0")
    done <<<"$services"
    ((${#stop[@]})) || return 0
    d service scale --detach "${stop[@]}" >/dev/null
    while :; do
        services=$(d ps --filter "label=com.docker.stack.namespace=$STACK" --format '{{.Names}}') || docker_gone "the database was not changed"
        grep -v -E "^(${STACK}_(mysql|redis|mosquitto)\..*)?$" <<<"$services" >/dev/null || break
        ((SECONDS < deadline)) || die "Func's services do not stop" "docker service ls; docker ps"
        sleep 1
    done
}
resume_func() {
    ((${#PAUSED[@]})) || return 0
    if [[ -n $HALF_RESTORED ]]; then
        printf '\nFunc is stopped, for its database is not whole. Put the state before it back: %s restore %s\n' "$ME" "$HALF_RESTORED" >&2
        return 0
    fi
    d service scale --detach "${PAUSED[@]}" >/dev/null || say "start Func again: docker service scale ${PAUSED[*]}" >&2
    PAUSED=()
}

# ---------------------------------------------------------------- verbs

# What an edited stack file publishes counts, not what the receipt says.
published_port() {
    awk '/^  [^ #]/ { service = $1 }
        service == "server:" && match($0, /published: *[0-9]+/) { print substr($0, RSTART + 10, RLENGTH - 10) + 0; exit }
        service == "server:" && match($0, /[0-9]+:8088(\/tcp)?["\047]?[ \t]*(#.*)?$/) { print substr($0, RSTART) + 0; exit }' "$STACK_FILE"
}
begin() { # begin [lock]: what every verb but install starts with
    settle_options
    need_stack
    PORT=$(published_port)
    [[ -n ${1:-} ]] || return 0
    take_lock
    refuse_other_node
}

verb_status() {
    local waiting answer
    begin
    refuse_other_node
    waiting=$(pending)
    [[ -n $waiting ]] || waiting=$(strangers | sed 's/^/not the image that was loaded: /')
    answer=$(http_answer 127.0.0.1 "$PORT")
    say "DataFlux Func $(json_value "$RECEIPT" version), deployed $(json_value "$RECEIPT" deployed), in $INSTALL_DIR"
    say
    d service ls --filter "label=com.docker.stack.namespace=$STACK" --format '{{.Name}} {{.Replicas}} {{.Image}}' |
        awk -v known="$(services_in "$STACK_FILE")" '
            BEGIN { count = split(known, line, "\n"); for (i = 1; i <= count; i++) { split(line[i], of, " "); if (of[3] != "-") name[of[2]] = of[3] }
                printf "%-27s %-9s %s\n", "NAME", "REPLICAS", "IMAGE" }
            { printf "%-27s %-9s %s\n", $1, $2, $3 in name ? name[$3] : $3 }'
    say
    where_things_are
    say "  answers        ${answer:-no}"
    [[ -z $waiting && $answer =~ ^HTTP/[0-9.]+\ [23] ]] ||
        die "not everything is up: $(paste -s -d ',' <<<"${waiting:-http://127.0.0.1:$PORT/ answers: ${answer:-nothing}}")" \
        "$ME doctor"
}

verb_restart() {
    local names problem node
    begin lock
    problem=$(config_problem "$CONFIG")
    [[ -z $problem ]] || die "$CONFIG cannot be read: $problem" "what runs was not touched; correct that line"
    node=$(sed -n 's/.*node\.id == \([a-z0-9]*\).*/\1/p' "$STACK_FILE" | sed -n 1p)
    if [[ -n $node && $node != "$NODE_ID" ]]; then # the swarm was left and made anew
        rewrite_stack "$(sed "s/node\.id == $node/node.id == $NODE_ID/" "$STACK_FILE")"
    fi
    grep -q '^  mysql:' "$STACK_FILE" || MYSQL=false
    ensure_secret
    names=" $(running_services | cut -d ' ' -f 1 | paste -s -d ' ') "
    deploy
    for problem in $(services_in "$STACK_FILE" | cut -d ' ' -f 1); do # one that was taken out of the file is gone by now
        [[ $names != *" $problem "* || $RESTARTED == *" $problem "* ]] || update_service "$problem" --force
    done
    wait_until_ready
}

verb_stop() {
    begin lock
    remove_stack
    say "stopped; data and configuration stay. To start again: $ME restart"
}

remove_stack() {
    local deadline=$((SECONDS + 180)) label="label=com.docker.stack.namespace=$STACK" left
    step "Removing the stack $STACK"
    while :; do
        left=$(d service ls --quiet --filter "$label" && d network ls --quiet --filter "$label") || docker_gone "no data was deleted"
        # It fails while a task still has the network, and says so to nobody's use.
        [[ -z $left ]] || timeout 60 docker stack rm "$STACK" >/dev/null 2>&1 || true
        left=$(d ps --all --quiet --filter "$label" && d network ls --quiet --filter "$label") || docker_gone "no data was deleted"
        [[ -n $left ]] || break
        ((SECONDS < deadline)) || die "containers or networks of the stack are still there after 180 s" \
            "docker ps -a --filter $label; systemctl restart docker; then the same command again"
        sleep 2
    done
}

verb_logs() {
    local service=${ARGS[0]:-} log=$INSTALL_DIR/data/logs/dataflux-func.log follow=()
    begin
    [[ $FOLLOW == no ]] || follow=(--follow)
    if [[ -n $service ]]; then
        service=${service#"${STACK}_"}
        grep -q "^$service " < <(services_in "$STACK_FILE") ||
            die "there is no service $service" "there are: $(services_in "$STACK_FILE" | cut -d ' ' -f 1 | paste -s -d ' ')"
        docker service logs --tail 100 ${follow[@]+"${follow[@]}"} "${STACK}_$service" 2>&1
    else
        [[ -r $log ]] || die "there is no $log yet" "$ME logs server"
        tail -n 100 ${follow[@]+"${follow[@]}"} "$log"
    fi
}

verb_backup() {
    begin lock
    dump_database || die "the dump failed; earlier ones are unchanged" "$ME doctor"
}

verb_restore() {
    local file=${ARGS[0]} database
    [[ $file == /* ]] || file=${PACK_PWD:-$PWD}/$file # from a bundle this script runs in a folder of its own
    begin lock
    database=$(config_get MYSQL_DATABASE)
    [[ -r $file ]] || die "$file cannot be read" "nothing was changed; the dumps: ls $INSTALL_DIR/data/sqldump"
    complete_dump "$file" || die "$file is not a complete dump: its last line is not '-- Dump completed'" \
        "nothing was changed; take another: ls $INSTALL_DIR/data/sqldump"
    ! grep -q -i -m 1 -E '^(USE |CREATE DATABASE)' "$file" || die "$file names its database itself" \
        "nothing was changed; take a dump of one database"
    [[ $(config_get MYSQL_HOST) == mysql ]] || die "the database is on $(config_get MYSQL_HOST), not built in" \
        "restore it there: mysql -h ... $database < $file"
    ask "Replace the database with $file? The present one is dumped first."
    sql mysql -e "CREATE DATABASE IF NOT EXISTS \`$database\`" || die "MySQL does not take commands; nothing was changed" "$ME doctor"
    RESTORED=$file # the oldest dump may be the one that is wanted
    dump_database || die "the present database cannot be dumped; nothing was changed" "$ME doctor"
    pause_func
    step "Trying $file in a scratch database"
    { sql mysql -e "DROP DATABASE IF EXISTS \`${database}_trial\`; CREATE DATABASE \`${database}_trial\`" &&
        sql mysql "${database}_trial" <"$file"; } || {
        sql mysql -e "DROP DATABASE IF EXISTS \`${database}_trial\`" || true
        die "$file cannot be imported" "the database was not changed"
    }
    # What was there before the first one that was broken off counts. The file is for a run after a power cut.
    [[ -s $RESTORING ]] || write_text "$RESTORING" 600 "$DUMP"
    HALF_RESTORED=$(cat "$RESTORING")
    step "Restoring"
    { sql mysql -e "DROP DATABASE \`${database}_trial\`; DROP DATABASE \`$database\`;
        CREATE DATABASE \`$database\` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci" &&
        sql mysql "$database" <"$file"; } || die "the import broke off" \
            "put the state before it back: $ME restore $HALF_RESTORED"
    HALF_RESTORED=''
    rm -f -- "$RESTORING"
    resume_func
    wait_until_ready
}

verb_set() {
    local index pair name broker services running=() restart=''
    begin lock
    for index in "${!ARGS[@]}"; do
        pair=${ARGS[index]}
        if [[ $pair =~ ^[A-Z_][A-Z0-9_]*$ ]]; then
            value_from_input "$pair"
            pair+="=$VALUE"
            ARGS[index]=$pair
        fi
        [[ $pair =~ ^[A-Z_][A-Z0-9_]*=[^[:cntrl:]]*$ ]] || misuse "not KEY=VALUE: ${pair%%=*}"
        [[ ${pair%%=*} != MYSQL_PASSWORD || $(config_get MYSQL_HOST) != mysql ]] ||
            die "the built-in MySQL keeps its password; changing it here would only lock Func out" "nothing was changed"
        [[ ${pair%%=*} != REDIS_PASSWORD || $(config_get REDIS_HOST) != redis ]] ||
            die "the built-in Redis has no password; setting one here would only lock Func out" "nothing was changed"
        [[ ${pair%%=*} != SECRET ]] || die "with another SECRET, what Func encrypted could not be read any more" \
            "nothing was changed; to put the old one back after a loss, edit $CONFIG, then: $ME restart"
    done
    write_file "$CONFIG.previous" 600 <"$CONFIG"
    config_set "${ARGS[@]}"
    say "$CONFIG written; the one before: $CONFIG.previous"
    broker=$(services_in "$STACK_FILE" | awk '$1 == "mosquitto" { print $2 }')
    if [[ " ${ARGS[*]}" == *' MQTT_'* && $(config_get MQTT_HOST) == mosquitto && -n $broker ]]; then
        if ! (mosquitto_password "$broker"); then
            write_file "$CONFIG" 600 <"$CONFIG.previous"
            die "the broker did not take the new password: $CONFIG is as it was" "see above; then the same command again"
        fi
        restart='mosquitto '
    fi
    services=$(running_services) || docker_gone "the configuration is written; what runs has the one before"
    [[ -n $services ]] || { say "the stack is stopped; $ME restart starts it"; return 0; }
    mapfile -t running <<<"$services"
    for name in ${running[@]+"${running[@]}"}; do
        name=${name%% *}
        case $name in mysql | redis | mosquitto) [[ $restart != "$name " ]] || update_service "$name" --force ;; *) update_service "$name" --force ;; esac
    done
    wait_until_ready
}

# value_from_input KEY: VALUE, typed without echo, or from standard input: on the command line everybody could read it.
value_from_input() {
    VALUE=''
    if [[ -t 0 ]]; then read -r -s -p "$1: " VALUE && echo >&2; else IFS= read -r VALUE || true; fi
    [[ -n $VALUE ]] || die "no value came for $1" "$ME set $1=VALUE, or: $ME set $1 <FILE"
}

decode() { local text=${1//\\/\\\\} x='\x'; printf '%b' "${text//%/$x}"; }

secret_from() { # secret_from VARIABLE WHAT: a password that was not in the URL
    local value=${!1:-}
    if [[ -z $value && -t 0 ]]; then read -r -s -p "Password for $2 (empty: none): " value && echo >&2; fi
    printf '%s' "$value"
}

# 4.10: the databases move out; the built-in ones go only when everything has arrived.
verb_external() {
    local my=() re=() pairs=() version tables database drop='' keep name stack
    [[ -n $TO_MYSQL$TO_REDIS ]] || misuse "external needs --mysql URL, --redis URL, or both"
    begin lock
    if [[ -n $TO_MYSQL ]]; then
        [[ $TO_MYSQL =~ ^mysql://([^:@/]+)(:([^@/]*))?@([A-Za-z0-9._-]+)(:([0-9]+))?/([A-Za-z0-9_]+)$ ]] ||
            misuse "--mysql is not mysql://USER[:PASSWORD]@HOST[:PORT]/DATABASE"
        my=("${BASH_REMATCH[4]}" "${BASH_REMATCH[6]:-3306}" "$(decode "${BASH_REMATCH[1]}")" "$(decode "${BASH_REMATCH[3]}")") database=${BASH_REMATCH[7]}
        [[ -n ${my[3]} ]] || my[3]=$(secret_from MYSQL_PASSWORD "${my[2]}@${my[0]}")
        [[ $(config_get MYSQL_HOST) == mysql ]] || die "there is no built-in MySQL to move: MYSQL_HOST is '$(config_get MYSQL_HOST)'" \
            "nothing was changed; to name another server: $ME set MYSQL_HOST=HOST MYSQL_USER=USER MYSQL_DATABASE=NAME MYSQL_PASSWORD"
        step "MySQL ${my[0]}:${my[1]}/$database"
        version=$(sql_at "${my[@]}" mysql -N -B -e 'SELECT VERSION()' "$database") ||
            die "cannot use the database $database there" \
                "nothing was changed; check host, port, user, password, that the database exists and lets this host in"
        say "version $version"
        at_least "$version" 5.7 || die "MySQL $version is too old, Func needs 5.7" "nothing was changed"
        [[ $(sql_at "${my[@]}" mysql -N -B -e 'SELECT @@character_set_database, @@collation_database' "$database") == utf8mb4$'\t'utf8mb4_unicode_ci ]] ||
            die "the database $database is not utf8mb4 with utf8mb4_unicode_ci" "nothing was changed" \
                "on that server: ALTER DATABASE \`$database\` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci"
        [[ -z $(sql_at "${my[@]}" mysql -N -B -e 'SHOW TABLES' "$database") ]] || die "the database $database is not empty" \
            "nothing was changed; take an empty one"
        pairs+=("MYSQL_HOST=${my[0]}" "MYSQL_PORT=${my[1]}" "MYSQL_USER=${my[2]}" "MYSQL_PASSWORD=${my[3]}" "MYSQL_DATABASE=$database")
        drop+=" mysql "
    fi
    if [[ -n $TO_REDIS ]]; then
        [[ $TO_REDIS =~ ^redis://(:([^@/]*)@)?([A-Za-z0-9._-]+)(:([0-9]+))?(/([0-9]+))?$ ]] ||
            misuse "--redis is not redis://[:PASSWORD@]HOST[:PORT][/NUMBER]"
        re=("${BASH_REMATCH[3]}" "${BASH_REMATCH[5]:-6379}" "$(decode "${BASH_REMATCH[2]}")")
        pairs+=("REDIS_HOST=${re[0]}" "REDIS_PORT=${re[1]}" "REDIS_DATABASE=${BASH_REMATCH[7]:-0}")
        [[ -n ${re[2]} ]] || re[2]=$(secret_from REDIS_PASSWORD "${re[0]}")
        pairs+=("REDIS_PASSWORD=${re[2]}")
        step "Redis ${re[0]}:${re[1]}"
        version=$(redis_at "${re[@]}" info | tr -d '\r') || true
        [[ $version == *redis_version:* ]] || die "cannot use Redis there: ${version:-no answer}" \
            "nothing was changed; check host, port and password"
        [[ $version != *cluster_enabled:1* ]] || die "that Redis is a cluster, which Func does not support" \
            "nothing was changed"
        version=$(sed -n 's/^redis_version://p' <<<"$version")
        say "version $version"
        [[ ${version%%.*} -ge 4 ]] || die "Redis $version is too old, Func needs 4" "nothing was changed"
        drop+=" redis "
    fi
    ask "Move to them now? Func stands still meanwhile; the built-in data stays in $INSTALL_DIR."
    pause_func
    if [[ -n $TO_MYSQL ]]; then
        step "Moving the database"
        dump_database || die "the dump failed" "Func goes on with the built-in MySQL; $ME doctor"
        sql_at "${my[@]}" mysql "$database" <"$DUMP" || die "the import into ${my[0]} failed" \
            "Func goes on with the built-in MySQL; empty the database $database there before the next try"
        tables=$(sql mysql -N -B -e 'SHOW TABLES' "$(config_get MYSQL_DATABASE)" | wc -l)
        [[ $(sql_at "${my[@]}" mysql -N -B -e 'SHOW TABLES' "$database" | wc -l) -eq $tables ]] || die "not all $tables tables arrived" \
            "Func goes on with the built-in MySQL"
        say "$tables tables"
    fi
    keep=''
    for name in $(services_in "$STACK_FILE" | cut -d ' ' -f 1); do [[ $drop == *" $name "* ]] || keep+="$name "; done
    write_file "$CONFIG.previous" 600 <"$CONFIG"
    write_file "$STACK_FILE.previous" 600 <"$STACK_FILE"
    stack=$(keep_services "$STACK_FILE.previous" "$keep") || die "the new stack file could not be made" "nothing was changed"
    config_set "${pairs[@]}"
    rewrite_stack "$stack"
    deploy
    resume_func
    wait_until_ready
    say "The built-in data is still in $INSTALL_DIR (mysql, redis), the files before beside the new ones (.previous)."
}

# mounted_below PATH: what is mounted at or below it, a line each. The kernel names mounts without symbolic links.
mounted_below() { awk -v path="$(readlink -f -- "$1")" '$2 == path || index($2, path "/") == 1 { print $2 }' /proc/self/mounts; }

verb_uninstall() {
    local entry elsewhere services foreign=''
    [[ $(id -u) -eq 0 ]] || die "this needs root" "sudo $ME uninstall"
    for entry in "$INSTALL_DIR"/* "$INSTALL_DIR"/.[!.]*; do
        case ${entry##*/} in
            data | mysql | redis | mosquitto | receipt.json* | docker-stack.* | run-portable.sh*) ;;
            *) [[ ! -e $entry || ${entry##*/} == lost+found ]] || foreign+="${entry##*/} " ;;
        esac
    done
    [[ $PURGE == no || ! -e $INSTALL_DIR || -e $STACK_FILE || -e $RECEIPT || -e $CONFIG || -e $INSTALL_DIR/run-portable.sh ]] ||
        die "nothing in $INSTALL_DIR says that it is the install dir: no stack file, receipt, configuration or script" \
            "nothing was changed; --install-dir DIR"
    if [[ $PURGE == yes ]]; then
        ask "Remove DataFlux Func and DELETE ALL ITS DATA in $INSTALL_DIR?"
    else
        ask "Remove DataFlux Func? Its data in $INSTALL_DIR stays."
    fi
    take_lock
    look_at_docker
    [[ $ENGINE == absent || $ENGINE == answers && $SWARM =~ ^(active|inactive)$ ]] ||
        die "the stack may be running, and Docker cannot be asked to remove it ($ENGINE, swarm $SWARM)" \
            "nothing was changed; $(docker_remedy)"
    refuse_other_node
    elsewhere=$(running_dir)
    if [[ -z $elsewhere && $ENGINE == answers && $SWARM == active ]]; then # a query that failed says nothing either
        services=$(running_services) || docker_gone "nothing was changed, no data was deleted"
        ! grep -q '^server ' <<<"$services" || docker_gone "nothing was changed: it does not say where the product that runs is"
    fi
    [[ -z $elsewhere || $elsewhere == "$INSTALL_DIR" ]] || die "DataFlux Func is installed in $elsewhere, not in $INSTALL_DIR" \
        "nothing was changed; to remove it: bash $elsewhere/run-portable.sh uninstall"
    if [[ $ENGINE == answers && $SWARM == active ]]; then
        remove_stack
        d secret rm "$SECRET_NAME" >/dev/null 2>&1 || true
        if [[ $PURGE == yes && -r $STACK_FILE ]]; then
            services_in "$STACK_FILE" | cut -d ' ' -f 2 | sort -u | xargs docker image rm >/dev/null 2>&1 || true
        fi
    fi
    rm -f "/etc/logrotate.d/$STACK" "/etc/logrotate.d/$STACK".tmp.?????? "$RECORD".tmp.??????
    if [[ ! -e $RECORD || $(recorded_dir) == "$INSTALL_DIR" ]]; then
        if [[ $PURGE == yes || ! -d $INSTALL_DIR ]]; then rm -f "$RECORD"; else write_file "$RECORD" 644 <<<"$INSTALL_DIR removed"; fi
    fi
    if [[ $PURGE == yes && -d $INSTALL_DIR ]]; then
        # What is mounted there, such as resources shared with another host, is not ours to delete; nor is what else lies there.
        for entry in "$INSTALL_DIR"/{data,mysql,redis,mosquitto,receipt.json*,docker-stack.*,run-portable.sh*}; do
            [[ -e $entry ]] || continue
            if [[ -n $(mounted_below "$entry") ]]; then
                foreign+="${entry##*/} (mounted: $(mounted_below "$entry" | paste -s -d ' ')) "
            else
                rm -rf --one-file-system -- "$entry" || foreign+="${entry##*/} (see above) "
            fi
        done
        rmdir "$INSTALL_DIR" 2>/dev/null || true # a file system of its own, or with somebody else's files in it
        say "removed, data included. Docker stays."
        [[ -z $foreign ]] || say "Not ours to delete, and still in $INSTALL_DIR: $foreign"
    else
        say "removed. Data and configuration are in $INSTALL_DIR; install takes them up again. Docker stays."
    fi
}

# ---------------------------------------------------------------- doctor

BAD=0
check() { # check NAME OUTCOME [REMEDY]: an empty outcome is good
    if [[ -z $2 ]]; then
        printf '  ok    %s\n' "$1"
    else
        BAD=$((BAD + 1))
        printf '  BAD   %s: %s\n        -> %s\n' "$1" "$2" "$3"
    fi
}
hint() { printf '  note  %s\n' "$*"; }

verb_doctor() {
    local log=$INSTALL_DIR/data/logs/dataflux-func.log outcome name rest answer host port queue length free
    begin
    step "5.1 The installation"
    check "it came to its end" "$([[ -n $(json_value "$RECEIPT" ready) ]] || echo "it was interrupted, or not everything ever ran")" \
        "type the command that installs again, from the bundle or folder; it goes on where it was"

    check "no update was broken off" "$([[ ! -s $UPDATING ]] || echo "the one from $(cut -d ' ' -f 1 "$UPDATING") did not come to its end")" \
        "type the command that updates again; or go back: install $(cut -d ' ' -f 1 "$UPDATING" 2>/dev/null) with --allow-downgrade, then: $ME restore $(cut -d ' ' -f 2 "$UPDATING" 2>/dev/null)"
    check "no restore was broken off" "$([[ ! -s $RESTORING ]] || echo "the database is not whole")" \
        "$ME restore $([[ ! -s $RESTORING ]] || cat "$RESTORING")"

    step "The host"
    for name in "$(d info --format '{{.DockerRootDir}}')" "$INSTALL_DIR"; do
        free=$(df -Pm "$name" | awk 'NR == 2 { print $4 }')
        check "disk at $name, $free MB free" "$( ((free >= 1024)) || echo "almost full")" \
            "docker system df; du -sh $INSTALL_DIR/*; make room"
    done
    outcome=$(awk '$1 == "MemAvailable:" && $2 < 100000 { print "only " $2 " kB are available" }' /proc/meminfo)
    check memory "$outcome" "more memory, or run install again with --mini"
    check "files that a container may open" "$(unlimited_files)" "$LIMIT_FILES"
    rest=$(sed -n 's/.*node\.id == \([a-z0-9]*\).*/\1/p' "$STACK_FILE" | sed -n 1p)
    check "the stack file belongs to this node" "$([[ -z $rest || $rest == "$NODE_ID" ]] || echo "it names the node $rest")" \
        "$ME restart corrects it"

    step "5.2 Not starting"
    check "$CONFIG" "$(config_problem "$CONFIG")" "correct it (KEY: VALUE, spaces, no tabs), then: $ME restart"
    while read -r name rest _; do
        [[ -n $(image_id "$rest") ]] || check "image of $name" "$rest is not on this host" \
            "run install again from the folder or bundle"
    done < <(services_in "$STACK_FILE")
    check "what runs is what was loaded" "$(strangers | paste -s -d ',')" "$ME restart"
    rest=$(pending)
    check "services" "$(paste -s -d ',' <<<"$rest")" "$ME logs SERVICE; if they only need starting: $ME restart"
    check "Docker keeps no port for a container that is gone" "$(held_ports "$rest" | paste -s -d ' ')" "systemctl restart docker"
    while read -r name _; do
        [[ -z $name ]] || hint "$name: $(d service ps --no-trunc --format '{{.CurrentState}} {{.Error}}' "${STACK}_$name" 2>&1 | sed -n 1p)"
    done <<<"$rest"
    check "Func reaches the built-in databases by name" "$(cut_off | paste -s -d ' ')" "$ME restart"
    host=$(config_get MYSQL_HOST) port=$(config_get MYSQL_PORT)
    if [[ -n $host ]]; then
        [[ $host == mysql ]] || check "MySQL $host:$port in reach" "$(reach "$host" "$port")" \
            "firewall, security group, allowed addresses of that server"
        if [[ $host != mysql ]] && ! outcome=$(client_image mysql 2>&1); then
            hint "MySQL was not asked whether it lets Func in: $outcome"
        else
            outcome=$(sql mysql -N -B -e 'SELECT 1' "$(config_get MYSQL_DATABASE)" 2>&1 | grep -v '^1$' | tail -n 1) || true
            check "MySQL lets Func in" "$outcome" "MYSQL_USER, MYSQL_PASSWORD, MYSQL_DATABASE in $CONFIG must be the server's"
        fi
    else
        hint "no MySQL is configured: open http://$(this_address):$PORT and set it up"
    fi
    host=$(config_get REDIS_HOST) port=$(config_get REDIS_PORT)
    if [[ -n $host ]]; then
        [[ $host == redis ]] || check "Redis $host:$port in reach" "$(reach "$host" "$port")" \
            "firewall, security group, allowed addresses of that server"
        if [[ $host != redis ]] && ! outcome=$(client_image redis 2>&1); then
            hint "Redis was not asked: $outcome"
        else
            outcome=$(redis ping 2>&1 | tail -n 1) || true
            check "Redis answers" "$([[ $outcome == PONG* ]] || echo "${outcome:-no answer}")" "REDIS_HOST, REDIS_PORT, REDIS_PASSWORD in $CONFIG; $ME restart"
            outcome=$(redis info cluster 2>/dev/null | grep -c cluster_enabled:1) || true
            check "Redis is no cluster" "$([[ $outcome == 1 ]] && echo "it is one")" \
                "Func does not support a Redis cluster; use a single one: $ME external --redis URL"
        fi
    fi

    step "5.3 Started, but not in reach"
    answer=$(inside_answer)
    check "the server answers inside its container" "$([[ -n $answer ]] || echo "no HTTP answer")" "$ME logs server"
    answer=$(http_answer 127.0.0.1 "$PORT")
    check "http://127.0.0.1:$PORT/" "$([[ -n $answer ]] || echo "no HTTP answer")" \
        "Docker's firewall rules may be flushed: systemctl restart docker"
    check "http://127.0.0.1:$PORT/ leads to /client-app" "$([[ -z $answer || $answer == *"/client-app"* ]] || echo "$answer")" \
        "something else has port $PORT, or a proxy answers: ss -ltnp"
    if command -v firewall-cmd >/dev/null && firewall-cmd --state >/dev/null 2>&1; then
        for port in "$PORT" $(! grep -q '^  mosquitto:' "$STACK_FILE" || echo 1883); do
            check "firewalld lets port $port in" "$(firewall-cmd --list-ports | grep -w "$port/tcp" >/dev/null || echo "it is not open")" \
                "$(open_ports "$port")"
        done
    fi
    hint "from other machines: http://$(this_address):$PORT; if only they fail: firewall, security group, address, or a proxy between"

    step "5.4, 5.5 Functions time out or do not answer"
    if [[ -r $log ]]; then
        outcome=$(tail -n 5000 "$log" | grep -c -E 'TimeLimitExceeded|EFuncTimeout|EAPITimeout' || true)
        check "functions end in time (last 5000 log lines)" "$([[ $outcome == 0 ]] || echo "$outcome timeouts")" \
            "a function runs 30 s unless it sets timeout (at most 3600); a synchronous call waits 10 s unless api_timeout (at most 180)"
        outcome=$(tail -n 5000 "$log" | grep -c -E 'Traceback|(^| )(ERROR|CRITICAL)( |$)' || true)
        check "no errors in the last 5000 log lines" "$([[ $outcome == 0 ]] || echo "$outcome")" "$ME logs"
    else
        hint "there is no $log yet"
    fi
    if [[ -n $(config_get REDIS_HOST) ]]; then
        while read -r queue; do
            [[ -n $queue ]] || continue
            length=$(redis llen "$queue" 2>/dev/null | tr -d '\r') || true
            check "queue $queue" "$([[ ! $length =~ ^[0-9]+$ || $length -lt 1000 ]] || echo "$length tasks are waiting")" \
                "about, system report, clear work queues; then _WORKER_CONCURRENCY, _WORKER_PREFETCH_MULTIPLIER (4.9)"
        done < <(redis --scan --pattern '*orkerQueue*' 2>/dev/null | sort | sed -n 1,20p)
    fi
    say
    ((BAD == 0)) || die "$BAD finding(s); each names its remedy" "after remedying: $ME doctor"
    say "Nothing wrong was found."
}

# reach HOST PORT: why it cannot be connected, or nothing.
# shellcheck disable=SC2016 # the inner bash expands $1 and $2
reach() { timeout 5 bash -c 'exec 3<>"/dev/tcp/$1/$2"' reach "$1" "$2" 2>/dev/null || echo "no connection"; }

main() {
    trap 'clean_up $?' EXIT
    trap 'on_signal 130' INT
    trap 'on_signal 143' TERM
    parse "$@"
    refuse_distant_docker
    "verb_$VERB"
}

# Sourced, as the tests do, it only defines.
[[ ${BASH_SOURCE[0]} != "$0" ]] || main "$@"
