# shellcheck shell=bash disable=SC2154,SC2016 # part of ci/bench, which sets the variables
# A bundle onto a medium and read back from it, against cp, sync and sha256sum with a cold cache; on a disk, for memory
# has no cache to be cold.

[[ -d $dir/folder ]] || pack download "$fast/manifest.json" --dir "$dir/folder"
stick=$(mktemp -d "${BENCH_DISK:-/var/tmp}/pack-bench-stick.XXXXXXXX")
pack bundle "$dir/folder" --compression fast --output "$dir/transfer.run"

before_transfer() { rm -rf -- "${stick:?}"/* "${stick:?}"/.*.transfer; }
run_transfer() { pack transfer "$dir/transfer.run" "$stick"; }
before_cp_sync_sha256sum() { before_transfer; }
run_cp_sync_sha256sum() {
    cp -- "$dir/transfer.run" "$stick/x.run"
    sync -f "$stick/x.run"
    dd if="$stick/x.run" iflag=nocache count=0 status=none
    sha256sum -- "$stick/x.run"
}

race transfer cp_sync_sha256sum
versus '`pack transfer`; `cp && sync && sha256sum`, cold cache' transfer cp_sync_sha256sum 1.05
in_memory 'peak memory of `pack transfer x.run DEST`' 64 "$BENCH_PACK" -q transfer "$dir/transfer.run" "$stick"
rm -rf -- "$stick" "$dir"/transfer.run*
