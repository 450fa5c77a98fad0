# shellcheck shell=bash
# shellcheck disable=SC2154 # work and cache are of ci/arm64
# The system that the programs are built in: a Debian that has a compiler for 64-bit Arm, made once and kept
# outside the work tree. Sourced by ci/arm64.
#
# Its packages are unpacked but not configured, which takes a quarter of the time: compilers need no more
# than their files.

readonly SYSTEM_SUITE=trixie
# As they are for this host.
readonly SYSTEM_PACKAGES=(
    "base-files/$SYSTEM_SUITE"              # where everything lies
    coreutils dash                          # env, and the sh of build scripts
    "cargo/$SYSTEM_SUITE-backports"         # the suite's own is too old
    "rustc/$SYSTEM_SUITE-backports"
    "libstd-rust-dev/$SYSTEM_SUITE-backports"
    gcc libc6-dev                           # build scripts and procedural macros
    gcc-aarch64-linux-gnu                   # the C of zstd, and the linker
    libc6-dev-arm64-cross                   # a static glibc
)
# As it is for arm64, without what it depends on: the site of the test. The standard library comes besides.
readonly SYSTEM_FOREIGN_PACKAGES=("busybox-static:arm64/$SYSTEM_SUITE")
# Backports are built for one machine after the other, so there are days on which they have a newer compiler for this host
# than standard library for arm64. The compiler takes the library of its own version from anywhere.
readonly SYSTEM_LATER_SUITES=(forky sid)

# Sets system: the folder that has it as root/; makes it when it is not there yet.
system_provide() {
    local key
    key=$(grep -v '^ *#' ci/arm64.d/system.sh | sha256sum | cut -c 1-16)
    system=$cache/$key
    [[ ! -d $system/root ]] || return 0

    local mirror suite keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    # shellcheck disable=SC1091 # the machine's own
    suite=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME-}")
    # shellcheck disable=SC2016 # these are apt's own variables
    mirror=$(apt-get indextargets --format '$(SITE) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' 'Architecture: amd64' |
        awk -v suite="$suite" '$2 == suite && $3 == "main" { print $1; exit }')
    [[ -n $mirror ]] || die "apt knows no source of packages for $suite" 'apt-get update'
    say "making the system: Debian $SYSTEM_SUITE with backports"
    for suite in "$SYSTEM_SUITE" "$SYSTEM_SUITE-backports"; do
        printf 'deb [signed-by=%s] %s %s main\n' "$keyring" "$mirror" "$suite"
    done >"$work/sources.list"
    for suite in "${SYSTEM_LATER_SUITES[@]}"; do
        printf 'deb [arch=arm64 signed-by=%s] %s %s main\n' "$keyring" "$mirror" "$suite"
    done >>"$work/sources.list"
    # How this machine reaches its mirror: proxies, certificates, credentials.
    {
        apt-config dump | grep -E '^Acquire::(http|https|Check-|Retries)' || true
        printf 'Dir::Etc::netrc "/etc/apt/auth.conf";\nDir::Etc::netrcparts "/etc/apt/auth.conf.d";\n'
        printf 'APT::Install-Recommends "false";\nAcquire::Languages "none";\n'
    } >"$work/apt.conf"
    rm -rf -- "$system.new"
    mkdir -p "$system.new"
    # shellcheck disable=SC2016 # for the shell that mmdebstrap starts, where $1 is the new root
    run_quietly env "SUITE=$SYSTEM_SUITE" mmdebstrap --mode=root --variant=extract --architectures=amd64,arm64 --aptopt="$work/apt.conf" \
        --include="$(IFS=, && printf '%s' "${SYSTEM_PACKAGES[*]}")" \
        --extract-hook='export APT_CONFIG=$MMDEBSTRAP_APT_CONFIG && cd "$1/tmp" &&
            rustc=$(apt-cache madison rustc | awk "/$SUITE-backports/ { print \$3; exit }") && version=${rustc%%+*} &&
            # The last of them is the backport, where it is there.
            std=$(apt-cache madison libstd-rust-dev:arm64 | awk "index(\$3, \"$version+\") == 1 { found = \$3 } END { print found }") &&
            { [ -n "$std" ] || { echo "there is no libstd-rust-dev:arm64 of version $version, which rustc has" >&2; exit 1; }; } &&
            apt-get download "libstd-rust-dev:arm64=$std" '"${SYSTEM_FOREIGN_PACKAGES[*]}"' &&
            for package in ./*.deb; do dpkg-deb -x "$package" "$1" && rm "$package"; done' \
        "$SYSTEM_SUITE" "$system.new/root" - <"$work/sources.list"
    rm -rf -- "$system.new"/root/usr/share/{doc,man,info,locale}
    ln -s gcc "$system.new/root/usr/bin/cc" # what configuring it would have done
    mkdir -p "$system.new"/root/{source,target,cargo/registry}
    mv -T -- "$system.new" "$system"
}
