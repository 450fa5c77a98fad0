# shellcheck shell=bash
# shellcheck disable=SC2154 # work is of the script that sources this
# What ci/stand-ins and ci/webapp build images with: this machine's own packages, one base for all of them, and the
# lines of a manifest. Sourced by them; `built` has the images that are to be removed in the end.

cache=${XDG_CACHE_HOME:-$HOME/.cache}
export DOCKER_BUILDKIT=0 LC_ALL=C

say() { printf 'ci/%s: %s\n' "${0##*/}" "$*" >&2; }
die() {
    say "$@"
    exit 1
}

# The release and the mirror are this machine's own.
# shellcheck source=/dev/null
suite=$(. /etc/os-release && printf '%s' "$VERSION_CODENAME")
arch=$(dpkg --print-architecture)
# shellcheck disable=SC2016 # apt's own placeholders
sites=$(apt-get indextargets --format '$(SITE) $(CODENAME) $(COMPONENT)' "Created-By: Packages" "Architecture: $arch" |
    awk -v suite="$suite" '$2 == suite' | sort -u)
[[ -n $sites ]] || die "apt knows no package source for $suite; run apt-get update"
mirror=${sites%% *}
components=$(awk -v mirror="$mirror" '$1 == mirror { print $3 }' <<<"$sites" | paste -s -d ',')

# digest_of COMMAND...: sixteen digits for what it says.
digest_of() { "$@" | sha256sum | cut -c 1-16; }
machine() { printf '%s\n' "$suite" "$arch" "$mirror" "$components"; }
# files PATH...: the names of the files there, with their digests.
files() { find "$@" -type f -print0 | sort -z | xargs -0 sha256sum; }

# unless_there ARCHIVES COMMAND: makes them, one script at a time: the second finds what the first has made.
unless_there() {
    [[ ! -d $1 ]] || return 0
    mkdir -p "$cache/pack-stand-ins"
    exec {lock}>"$cache/pack-stand-ins/lock"
    flock "$lock"
    [[ -d $1 ]] || "$2"
    exec {lock}>&-
}

# begin_build PROGRAM...: sets work. Installs the programs, and removes what was built when the script ends.
begin_build() {
    local name
    [[ $(id -u) -eq 0 ]] || die "building needs root; this once: sudo $0"
    docker version >/dev/null || die "Docker does not answer; start it"
    for name; do
        command -v "$name" >/dev/null || { apt-get update -qq && apt-get install -y -qq "$name" >&2; }
    done
    work=$(mktemp -d "${TMPDIR:-/var/tmp}/stand-ins.XXXXXX")
    built=()
    trap 'rm -rf -- "$work"; docker image rm "${built[@]}" >/dev/null 2>&1 || true' EXIT
    mkdir -p "$work/archives"
}

# base_image TAG: the layer that all images share, those of the other script too.
base_image() {
    local tar
    tar=$cache/pack-stand-ins/base-$(digest_of base_of).tar
    [[ -f $tar ]] || base_system "$tar"
    docker import --change 'LABEL pack.stand-in=base' - "$1" <"$tar" >/dev/null
    built=("$1" "${built[@]}")
}
base_of() {
    machine
    declare -f base_system
}
base_system() {
    say "base system $suite from $mirror"
    debootstrap --variant=minbase --arch="$arch" --components="$components" "$suite" "$work/base" "$mirror" >"$work/log" 2>&1 ||
        { tail -n 5 "$work/log" >&2; die "debootstrap failed"; }
    printf 'deb %s %s %s\n' "$mirror" "$suite" "${components//,/ }" >"$work/base/etc/apt/sources.list"
    # How this machine reaches its mirror, proxies included.
    apt-config dump | grep -E '^Acquire::(http|https|Check-|Retries)' >"$work/base/etc/apt/apt.conf.d/90machine" || true
    printf 'path-exclude=/usr/share/%s/*\n' doc man info locale >"$work/base/etc/dpkg/dpkg.cfg.d/lean"
    rm -rf "$work"/base/usr/share/{doc,man,info,locale}/* "$work"/base/var/cache/apt/* "$work"/base/var/lib/apt/lists/*
    mkdir -p "${1%/*}"
    tar -C "$work/base" --sort=name -c . >"$1.$$"
    mv "$1.$$" "$1"
    rm -rf "$work/base"
}

# image TAG FOLDER ARCHIVE [ARGUMENT...]: builds FOLDER's Dockerfile and keeps what `docker save | gzip` gives.
image() {
    say "$1"
    docker build --network host --label "pack.stand-in=${3%.tar.gz}" -t "$1" "${@:4}" "$2" >"$work/log" 2>&1 ||
        { tail -n 20 "$work/log" >&2; die "building $1 failed"; }
    built=("$1" "${built[@]}")
    docker save "$1" | gzip >"$work/archives/$3"
}

# keep ARCHIVES: what was built has its place.
keep() {
    mkdir -p "${1%/*}"
    rm -rf "$1"
    mv "$work/archives" "$1"
}

# folders PLACE VERSION...: PLACE has a folder of each version, made by `folder VERSION DIRECTORY`.
folders() {
    local place=$1 draft version
    [[ ! -d $place ]] || return 0
    draft=$(mktemp -d "${place%/*}/draft.XXXXXX")
    chmod 755 "$draft"
    for version in "${@:2}"; do
        mkdir "$draft/$version"
        folder "$version" "$draft/$version"
    done
    mv -T "$draft" "$place" 2>/dev/null || rm -rf "$draft" # another run was first
}
