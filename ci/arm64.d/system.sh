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
# As they are for arm64, without what they depend on: the one is linked from, the other needs nothing.
readonly SYSTEM_FOREIGN_PACKAGES=(
    "libstd-rust-dev:arm64/$SYSTEM_SUITE-backports"
    busybox-static:arm64                    # the site of the test
)

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
    # How this machine reaches its mirror: proxies, certificates, credentials.
    {
        apt-config dump | grep -E '^Acquire::(http|https|Check-|Retries)' || true
        printf 'Dir::Etc::netrc "/etc/apt/auth.conf";\nDir::Etc::netrcparts "/etc/apt/auth.conf.d";\n'
        printf 'APT::Install-Recommends "false";\nAcquire::Languages "none";\n'
    } >"$work/apt.conf"
    rm -rf -- "$system.new"
    mkdir -p "$system.new"
    # shellcheck disable=SC2016 # for the shell that mmdebstrap starts, where $1 is the new root
    run_quietly mmdebstrap --mode=root --variant=extract --architectures=amd64,arm64 --aptopt="$work/apt.conf" \
        --include="$(IFS=, && printf '%s' "${SYSTEM_PACKAGES[*]}")" \
        --extract-hook='cd "$1/tmp" && APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get download '"${SYSTEM_FOREIGN_PACKAGES[*]}"' &&
            for package in ./*.deb; do dpkg-deb -x "$package" "$1" && rm "$package"; done' \
        "$SYSTEM_SUITE" "$system.new/root" - <"$work/sources.list"
    rm -rf -- "$system.new"/root/usr/share/{doc,man,info,locale}
    ln -s gcc "$system.new/root/usr/bin/cc" # what configuring it would have done
    mkdir -p "$system.new"/root/{source,target,cargo/registry}
    mv -T -- "$system.new" "$system"
}
