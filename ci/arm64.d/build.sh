# shellcheck shell=bash
# shellcheck disable=SC2154 # work, system and profile are of ci/arm64 and its other parts
# The programs. Sourced by ci/arm64.

# What makes the quick ones quick. A release wraps counters, and so do they.
readonly QUICK=(
    --config 'profile.quick.inherits="release"'
    --config 'profile.quick.opt-level=1'
    --config 'profile.quick.package.pack.opt-level=1'
    --config 'profile.quick.package.redeflate.opt-level=1'
    --config 'profile.quick.lto="off"'
    --config 'profile.quick.codegen-units=16'
)

# Sets programs: the folder that holds them; builds them when they are not there yet.
programs_provide() {
    local key
    sources_copy
    key=$({
        printf '%s\n' "$profile"
        grep -v '^ *#' ci/arm64.d/build.sh
        cd "$work/source" && find . \( -path ./ci -o -path ./fuzz -o -path ./tests \) -prune -o -type f -print0 | sort -z | xargs -0 sha256sum
    } | sha256sum | cut -c 1-16)
    programs=$system/programs/$key
    [[ ! -d $programs ]] || return 0

    local options=(--profile "$profile") built=target/aarch64-unknown-linux-gnu/$profile path names
    [[ $profile == release ]] || options+=("${QUICK[@]}")
    say "building for aarch64, profile $profile"
    run_quietly cargo fetch --locked
    mkdir -p "$system/target"
    # Only what this build makes is to be found there afterwards.
    [[ ! -d $system/$built ]] || find "$system/$built" -maxdepth 1 -type f -delete
    system_mount
    run_quietly within cargo build --locked --offline --bins --target aarch64-unknown-linux-gnu "${options[@]}"

    rm -rf -- "$programs.new"
    mkdir -p "$programs.new"
    while IFS= read -r path; do
        within aarch64-linux-gnu-readelf -hl "/$path" >"$work/log"
        grep -q 'Machine: *AArch64' "$work/log" || die "not for aarch64: ${path##*/}"
        ! grep -q INTERP "$work/log" || die "not static: ${path##*/}"
        cp -- "$system/$path" "$programs.new/${path##*/}-aarch64"
    done < <(cd "$system" && find "$built" -maxdepth 1 -type f -perm -u+x)
    names=$(ls -- "$programs.new")
    [[ -n $names ]] || die 'cargo made no program'
    mv -T -- "$programs.new" "$programs"
    say "built: ${names//$'\n'/, }"
}

# The sources as they are now, in a folder of this run: no key is made of one state and a program of another. They get
# this moment as their time, by which cargo sees that they may be others than last time.
sources_copy() {
    local path
    mkdir -p "$work/source"
    while IFS= read -r -d '' path; do
        [[ -f $path ]] || continue # removed, but not from the index
        mkdir -p "$work/source/$(dirname -- "$path")"
        cp -- "$path" "$work/source/$path"
    done < <(git -c safe.directory='*' ls-files -z --cached --others --exclude-standard | sort -zu)
    [[ -f $work/source/Cargo.toml ]] || die 'no sources found: is this a git work tree?'
}

system_mount() {
    local root=$system/root
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount --bind "$work/source" "$root/source"
    mount --bind "$system/target" "$root/target"
    mount --bind "${CARGO_HOME:-${HOME:-/root}/.cargo}/registry" "$root/cargo/registry"
    mount -o remount,bind,ro "$root/cargo/registry"
}

# within COMMAND...: in the system, at the sources.
within() {
    # shellcheck disable=SC2016 # for the shell inside
    chroot "$system/root" /usr/bin/env -i PATH=/usr/bin:/bin HOME=/tmp LC_ALL=C CARGO_HOME=/cargo CARGO_TARGET_DIR=/target \
        CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc \
        /bin/sh -c 'cd /source && exec "$@"' within "$@"
}
