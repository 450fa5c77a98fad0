# shellcheck shell=bash disable=SC2154,SC2016 # part of ci/bench, which sets the variables
# Making parity and repairing by it, against par2; verifying with parity beside a bundle and without.

[[ -d $dir/folder ]] || pack download "$fast/manifest.json" --dir "$dir/folder"
pack bundle "$dir/folder" --compression fast --output "$dir/parity.run"
size=$(stat -c %s "$dir/parity.run")
cp -- "$dir/parity.run" "$dir/parity.alone.run"

# The bundle is verified first, which is measured by itself.
run_parity() { taskset -c 0 "$BENCH_PACK" -q parity "$dir/parity.run"; }
run_parity_verify() { taskset -c 0 "$BENCH_PACK" -q verify "$dir/parity.alone.run"; }
race parity parity_verify
encode=$(($(median parity) - $(median parity_verify)))
line '`pack parity`, one core, less verifying first' "$(seconds "$encode")" '' \
    "$(awk -v b="$size" -v us="$encode" 'BEGIN { printf "%.2f", b / us / 1e3 }')" ' GB/s' ≥ 0.4
in_memory 'peak memory of `pack parity x.run`' 300 "$BENCH_PACK" -q parity "$dir/parity.run"

run_verify_beside() { pack verify "$dir/parity.run"; }
run_verify_alone() { pack verify "$dir/parity.alone.run"; }
race verify_beside verify_alone
versus '`pack verify` with parity beside; without' verify_beside verify_alone 1.02

# The same burst for both: 4 % of the bundle, from its middle on.
burst() { dd if=/dev/zero of="$1" bs=4096 seek=$((size / 8192)) count=$((size / 102400)) conv=notrunc status=none; }
if command -v par2 >/dev/null; then
    mkdir "$dir/par2"
    cp -- "$dir/parity.alone.run" "$dir/par2/x.run"
    (cd "$dir/par2" && par2 create -q -q -r5 x.run)
    before_repair() { burst "$dir/parity.run"; }
    run_repair() { pack repair "$dir/parity.run"; }
    before_par2() {
        cp -- "$dir/parity.alone.run" "$dir/par2/x.run"
        burst "$dir/par2/x.run"
    }
    run_par2() { (cd "$dir/par2" && par2 repair -q -q x.run.par2); }
    race repair par2
    versus '`pack repair` of a burst of 4 %; `par2 repair`' repair par2 1
    rm -rf -- "$dir/par2"
else
    skipped '`pack repair`; `par2 repair`' 'par2 is not installed'
fi
burst "$dir/parity.run"
in_memory 'peak memory of `pack repair x.run`' 300 "$BENCH_PACK" -q repair "$dir/parity.run"
cmp -- "$dir/parity.run" "$dir/parity.alone.run" || die 'the repaired bundle differs'
rm -f -- "$dir"/parity.*
