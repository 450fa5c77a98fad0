# shellcheck shell=bash
# shellcheck disable=SC2154 # work, transcript, pack ... are of ci/drill and its other parts
# The connected side. Sourced by ci/drill.

connected_stop() { :; }

# Sets pack: the binary under test.
pack_provide() {
    [[ -z ${pack-} ]] || return 0
    pack=${DRILL_PACK-}
    if [[ -z $pack ]]; then
        say "building pack"
        run_quietly cargo build --release --locked
        pack=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
        pack=$(find "$pack" -path '*/release/pack' -type f -printf '%T@ %p\n' | sort -n | tail -n 1 | cut -d ' ' -f 2-)
    fi
    [[ -x $pack ]] || die "there is no pack to drill at '$pack'"
}

# make_stick NAME LABEL FILE...: a vfat disk image with these files.
make_stick() {
    local image=$work/sticks/$1.img label=$2 bytes
    shift 2
    mkdir -p "$work/sticks"
    bytes=$(du -cb -- "$@" | tail -n 1 | cut -f 1)
    rm -f -- "$image.new"
    truncate -s $((bytes + bytes / 50 + (64 << 20))) "$image.new"
    run_quietly mkfs.vfat -F 32 -n "$label" "$image.new"
    run_quietly mcopy -i "$image.new" -- "$@" ::
    mv -- "$image.new" "$image"
}
