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

# A damaged MiB in the middle, written again by its map, against the copy of all of it.
heal_size=$(stat -c %s "$dir/transfer.run")
before_heal() {
    dd if=/dev/zero of="$stick/transfer.run" bs=4096 seek=$((heal_size / 8192)) count=256 conv=notrunc status=none
    sync -f "$stick/transfer.run"
}
run_heal() { pack transfer "$dir/transfer.run" "$stick" --heal "$dir/transfer.json"; }
pack parity "$dir/transfer.run"
cp -- "$dir/transfer.run.parity" "$stick/transfer.run.parity"
before_heal
pack verify --map "$dir/transfer.json" "$stick/transfer.run" >"$dir/output" 2>&1 || true
race heal
# 1 % of a copy of 4 GiB; of a smaller one, the share that is as much.
heal_share=$(awk -v b="$heal_size" 'BEGIN { printf "%.3f", 0.01 * 4294967296 / b }')
line '`pack transfer --heal` of 1 MiB; `pack transfer` of all' "$(seconds "$(median heal)")" "$(seconds "$(median transfer)")" \
    "$(awk -v a="$(median heal)" -v b="$(median transfer)" 'BEGIN { printf "%.3f", a / b }')" '' ≤ "$heal_share"
cmp -- "$dir/transfer.run" "$stick/transfer.run" || die 'the healed bundle differs'
rm -rf -- "$stick" "$dir"/transfer.*
